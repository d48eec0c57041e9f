package io.millpond.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.InvalidProtocolBufferException;
import io.millpond.sdk.EventWatch;
import io.millpond.sdk.LogQuery;
import io.millpond.sdk.LogReader;
import io.millpond.sdk.MillpondClient;
import io.millpond.sdk.WatchOptions;
import io.millpond.v1.LogEntry;
import io.millpond.v1.WatchEventsRequest;
import io.millpond.v1.WatchEventsResponse;
import java.time.Duration;
import java.util.Optional;

/** The ops about watches and logs. */
final class ReadOps {
  private final Named<MillpondClient> clients;
  private final Named<EventWatch> watches = new Named<>("watch");

  ReadOps(Named<MillpondClient> clients) {
    this.clients = clients;
  }

  JsonObject openWatch(JsonObject request) throws RunnerError, InvalidProtocolBufferException {
    WatchEventsRequest.Builder watched = WatchEventsRequest.newBuilder();
    if (request.has("filter")) {
      Wire.merge(request.get("filter"), watched.getFilterBuilder());
    }
    Wire.text(request, "cursor").ifPresent(watched::setCursor);
    Wire.flag(request, "snapshot").ifPresent(watched::setSnapshot);
    WatchOptions options = WatchOptions.defaults();
    options = Wire.millis(request, "silenceMaxMs").map(options::withSilenceMax).orElse(options);
    MillpondClient client = clients.get(request.get("client").getAsString());
    watches.put(request.get("watch").getAsString(), client.watch(watched.build(), options));
    return new JsonObject();
  }

  JsonObject nextOfWatch(JsonObject request) throws RunnerError, InvalidProtocolBufferException {
    EventWatch watch = watches.get(request.get("watch").getAsString());
    Optional<WatchEventsResponse> message =
        watch.poll(Duration.ofMillis(request.get("timeoutMs").getAsLong()));
    if (message.isPresent()) {
      return Wire.object("message", Wire.toJson(message.get()));
    }
    return Wire.object(watch.isClosed() ? "end" : "timedOut", new JsonPrimitive(true));
  }

  JsonObject closeWatch(JsonObject request) throws RunnerError {
    watches.get(request.get("watch").getAsString()).close();
    return new JsonObject();
  }

  JsonObject logs(JsonObject request) throws RunnerError, InvalidProtocolBufferException {
    LogQuery query = LogQuery.of(request.get("taskId").getAsString());
    query = Wire.number(request, "attempt").map(query::withAttempt).orElse(query);
    if (Wire.flag(request, "follow").orElse(false)) {
      query = query.following();
    }
    MillpondClient client = clients.get(request.get("client").getAsString());
    JsonArray entries = new JsonArray();
    try (LogReader reader = client.logs(query)) {
      for (LogEntry entry : reader) {
        entries.add(Wire.toJson(entry));
      }
    }
    return Wire.object("entries", entries);
  }

  void close() {
    watches.all().forEach(EventWatch::close);
  }
}

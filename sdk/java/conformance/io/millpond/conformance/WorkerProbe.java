package io.millpond.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import io.millpond.sdk.MillpondClient;
import io.millpond.sdk.TaskContext;
import io.millpond.sdk.TaskHandler;
import io.millpond.sdk.Worker;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** A worker, and what has been seen of it. */
final class WorkerProbe {
  private final CountDownLatch release = new CountDownLatch(1);
  private final JsonArray events = new JsonArray();
  private final JsonArray errors = new JsonArray();
  private final Worker worker;
  private final boolean stopsOnSigterm;
  private volatile boolean isStopping;

  /** Makes the worker and starts it. */
  WorkerProbe(MillpondClient client, JsonObject request) {
    Worker.Builder builder = Worker.builder(client);
    Map<String, Behavior> behaviors = new LinkedHashMap<>();
    request
        .getAsJsonObject("handlers")
        .entrySet()
        .forEach(
            entry -> {
              JsonObject description = entry.getValue().getAsJsonObject();
              behaviors.put(entry.getKey(), new Behavior(description, release));
            });
    behaviors.forEach((kind, behavior) -> builder.handle(kind, watched(behavior)));
    Wire.text(request, "workerId").ifPresent(builder::workerId);
    Wire.number(request, "slots").ifPresent(builder::slots);
    Wire.field(request, "labels")
        .ifPresent(
            labels -> {
              Map<String, String> texts = new LinkedHashMap<>();
              labels
                  .getAsJsonObject()
                  .entrySet()
                  .forEach(label -> texts.put(label.getKey(), label.getValue().getAsString()));
              builder.labels(texts);
            });
    Wire.flag(request, "stream").ifPresent(builder::stream);
    Wire.millis(request, "leaseMs").ifPresent(builder::lease);
    Wire.millis(request, "stopGraceMs").ifPresent(builder::stopGrace);
    stopsOnSigterm = Wire.flag(request, "stopOnSigterm").orElse(false);
    builder.stopOnSigterm(stopsOnSigterm);
    Wire.millis(request, "silenceMaxMs").ifPresent(builder::silenceMax);
    Wire.millis(request, "streamRetryMs").ifPresent(builder::streamRetry);
    worker = builder.onError(this::failed).start();
  }

  String workerId() {
    return worker.workerId();
  }

  void release() {
    release.countDown();
  }

  /** Begins to stop the worker. */
  void beginStop() {
    isStopping = true;
    worker.stopAsync();
  }

  void stop() {
    worker.stop();
  }

  /** Waits for the end of a worker that has been told to stop: by an op, or by a signal. */
  void awaitStop(boolean isTerminated) {
    if (isStopping || (isTerminated && stopsOnSigterm)) {
      worker.stop();
    }
  }

  JsonObject state() {
    JsonObject state = new JsonObject();
    synchronized (events) {
      state.add("events", events.deepCopy());
    }
    synchronized (errors) {
      state.add("errors", errors.deepCopy());
    }
    state.add("done", JsonNull.INSTANCE);
    if (worker.done().isDone()) {
      state.add("done", new JsonObject());
      worker.done().exceptionally(error -> failedWith(state, error));
    }
    return state;
  }

  private static Void failedWith(JsonObject state, Throwable error) {
    Throwable cause = error.getCause() == null ? error : error.getCause();
    state.add("done", Wire.object("error", Wire.errorOf(cause)));
    return null;
  }

  private void failed(Throwable error) {
    synchronized (errors) {
      errors.add(String.valueOf(error.getMessage()));
    }
  }

  private TaskHandler watched(TaskHandler handler) {
    return context -> {
      JsonObject started = event("started", context);
      if (context.task().hasInput()) {
        started.add("input", json(context));
      }
      seen(started);
      context.onAbort(
          reason -> {
            JsonObject aborted = event("aborted", context);
            aborted.addProperty("reason", reason.name());
            seen(aborted);
          });
      try {
        return handler.handle(context);
      } finally {
        seen(event("ended", context));
      }
    };
  }

  private void seen(JsonObject event) {
    synchronized (events) {
      events.add(event);
    }
  }

  private static JsonElement json(TaskContext context) throws InvalidProtocolBufferException {
    return Wire.toJson(context.task().getInput());
  }

  private static JsonObject event(String type, TaskContext context) {
    JsonObject event = new JsonObject();
    event.addProperty("type", type);
    event.addProperty("taskId", context.task().getTaskId());
    event.addProperty("kind", context.task().getKind());
    event.addProperty("attempt", context.attempt());
    return event;
  }
}

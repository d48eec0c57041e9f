package io.millpond.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import io.millpond.sdk.MillpondClient;
import io.millpond.v1.BatchServiceGrpc;
import io.millpond.v1.DeliveryServiceGrpc;
import io.millpond.v1.EventServiceGrpc;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.WorkerServiceGrpc;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The ops about clients and calls. */
final class CallOps {
  private static final Map<String, MethodDescriptor<?, ?>> METHODS =
      Stream.of(
              TaskServiceGrpc.getServiceDescriptor(),
              BatchServiceGrpc.getServiceDescriptor(),
              EventServiceGrpc.getServiceDescriptor(),
              WorkerServiceGrpc.getServiceDescriptor(),
              DeliveryServiceGrpc.getServiceDescriptor())
          .flatMap(service -> service.getMethods().stream())
          .collect(Collectors.toMap(MethodDescriptor::getFullMethodName, Function.identity()));

  private final Named<MillpondClient> clients;
  private final Map<String, CancelableThread> calls = new ConcurrentHashMap<>();

  CallOps(Named<MillpondClient> clients) {
    this.clients = clients;
  }

  /** Prepares the cancelling of a call that has a name, before another line is read. */
  void announce(JsonObject request) {
    if (Wire.text(request, "op").filter("call"::equals).isPresent()) {
      Wire.text(request, "call").ifPresent(name -> calls.put(name, new CancelableThread()));
    }
  }

  JsonObject open(JsonObject request) {
    MillpondClient.Builder builder = MillpondClient.builder(request.get("address").getAsString());
    Wire.text(request, "token").ifPresent(builder::token);
    Wire.millis(request, "timeoutMs").ifPresent(builder::timeout);
    Wire.flag(request, "retry").ifPresent(builder::repeats);
    clients.put(request.get("client").getAsString(), builder.build());
    return new JsonObject();
  }

  JsonObject close(JsonObject request) throws RunnerError {
    clients.get(request.get("client").getAsString()).close();
    return new JsonObject();
  }

  JsonObject call(JsonObject request) throws RunnerError, InvalidProtocolBufferException {
    MillpondClient client = clients.get(request.get("client").getAsString());
    MethodDescriptor<Message, Message> method = method(request);
    Message message = message(method, request.get("request"));
    CancelableThread thread =
        Wire.text(request, "call").map(calls::get).orElseGet(CancelableThread::new);
    thread.begin();
    try {
      Optional<Duration> timeout = Wire.millis(request, "timeoutMs");
      Message answer =
          timeout.isPresent()
              ? client.call(method, message, timeout.get())
              : client.call(method, message);
      return Wire.object("response", Wire.toJson(answer));
    } finally {
      thread.end();
    }
  }

  JsonObject cancel(JsonObject request) throws RunnerError {
    String name = request.get("call").getAsString();
    CancelableThread thread = calls.get(name);
    if (thread == null) {
      throw new RunnerError("there is no call \"" + name + "\"");
    }
    thread.cancel();
    return new JsonObject();
  }

  JsonObject stream(JsonObject request) throws Exception {
    MillpondClient client = clients.get(request.get("client").getAsString());
    MethodDescriptor<Message, Message> method = method(request);
    CallOptions options =
        Wire.millis(request, "timeoutMs")
            .map(Duration::toMillis)
            .map(millis -> CallOptions.DEFAULT.withDeadlineAfter(millis, TimeUnit.MILLISECONDS))
            .orElse(CallOptions.DEFAULT);
    Collector collector = new Collector();
    StreamObserver<Message> requests =
        ClientCalls.asyncBidiStreamingCall(client.channel().newCall(method, options), collector);
    for (JsonElement each : request.getAsJsonArray("requests")) {
      requests.onNext(message(method, each));
    }
    requests.onCompleted();
    try {
      return Wire.object("responses", collector.responses.get());
    } catch (ExecutionException failed) {
      throw client.translate(failed.getCause());
    }
  }

  @SuppressWarnings("unchecked") // Every method of the contract takes a message and answers one.
  private static MethodDescriptor<Message, Message> method(JsonObject request) throws RunnerError {
    String name = request.get("method").getAsString();
    MethodDescriptor<?, ?> method = METHODS.get(name);
    if (method == null) {
      throw new RunnerError("there is no method \"" + name + "\"");
    }
    return (MethodDescriptor<Message, Message>) method;
  }

  private static Message message(MethodDescriptor<Message, Message> method, JsonElement json)
      throws InvalidProtocolBufferException {
    MethodDescriptor.PrototypeMarshaller<Message> marshaller =
        (MethodDescriptor.PrototypeMarshaller<Message>) method.getRequestMarshaller();
    Message.Builder builder = marshaller.getMessagePrototype().newBuilderForType();
    return json == null ? builder.build() : Wire.merge(json, builder).build();
  }

  /** Collects the answers of a stream. */
  private static final class Collector implements StreamObserver<Message> {
    private final JsonArray answers = new JsonArray();
    private final CompletableFuture<JsonArray> responses = new CompletableFuture<>();

    @Override
    public void onNext(Message message) {
      try {
        answers.add(Wire.toJson(message));
      } catch (InvalidProtocolBufferException error) {
        responses.completeExceptionally(error);
      }
    }

    @Override
    public void onError(Throwable error) {
      responses.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      responses.complete(answers);
    }
  }
}

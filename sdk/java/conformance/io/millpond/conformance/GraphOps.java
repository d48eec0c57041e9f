package io.millpond.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.millpond.sdk.MillpondClient;
import io.millpond.sdk.Parent;
import io.millpond.sdk.RetrySpec;
import io.millpond.sdk.TaskGraph;
import io.millpond.sdk.TaskRef;
import io.millpond.sdk.TaskSpec;
import io.millpond.sdk.UploadOptions;
import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.NewBatch;
import io.millpond.v1.Rule;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The op about graphs. */
final class GraphOps {
  private final Named<MillpondClient> clients;

  GraphOps(Named<MillpondClient> clients) {
    this.clients = clients;
  }

  JsonObject graph(JsonObject request) throws Exception {
    TaskGraph graph = graphFor(request);
    Map<String, TaskRef> added = new HashMap<>();
    for (JsonElement each : request.getAsJsonArray("tasks")) {
      JsonObject task = each.getAsJsonObject();
      String key = task.get("key").getAsString();
      List<Rule> rules = rulesOf(task);
      TaskRef ref =
          graph.task(
              key,
              task.get("kind").getAsString(),
              spec -> describe(spec.rules(rules.toArray(Rule[]::new)), task, added));
      added.put(key, ref);
    }
    return submit(request, graph);
  }

  private JsonObject submit(JsonObject request, TaskGraph graph) throws Exception {
    String submit = request.get("submit").getAsString();
    if (submit.equals("none")) {
      return Wire.object("request", Wire.toJson(graph.toRequest()));
    }
    MillpondClient client = clients.get(request.get("client").getAsString());
    Message response =
        switch (submit) {
          case "create" -> client.tasks().createTasks(createRequest(request, graph));
          case "upload" -> client.upload(graph, uploadOptions(request));
          default -> throw new RunnerError("there is no way to submit \"" + submit + "\"");
        };
    return Wire.object("response", Wire.toJson(response));
  }

  private static CreateTasksRequest createRequest(JsonObject request, TaskGraph graph) {
    CreateTasksRequest.Builder builder = graph.toRequest().toBuilder();
    Wire.text(request, "requestId").ifPresent(builder::setRequestId);
    return builder.build();
  }

  private static UploadOptions uploadOptions(JsonObject request) {
    UploadOptions options = UploadOptions.defaults();
    options = Wire.text(request, "requestId").map(options::withRequestId).orElse(options);
    return Wire.number(request, "partSize").map(options::withPartSize).orElse(options);
  }

  private static TaskGraph graphFor(JsonObject request) throws InvalidProtocolBufferException {
    if (request.has("batchId")) {
      return TaskGraph.into(request.get("batchId").getAsString());
    }
    return request.has("batch")
        ? TaskGraph.of(Wire.merge(request.get("batch"), NewBatch.newBuilder()).build())
        : TaskGraph.create();
  }

  private static List<Rule> rulesOf(JsonObject task) throws InvalidProtocolBufferException {
    List<Rule> rules = new ArrayList<>();
    if (task.has("rules")) {
      for (JsonElement rule : task.getAsJsonArray("rules")) {
        rules.add(Wire.merge(rule, Rule.newBuilder()).build());
      }
    }
    return rules;
  }

  private static void describe(TaskSpec spec, JsonObject task, Map<String, TaskRef> added) {
    Wire.text(task, "name").ifPresent(spec::name);
    Wire.field(task, "input").ifPresent(input -> spec.input(Wire.toPlain(input)));
    Wire.field(task, "metadata")
        .ifPresent(metadata -> spec.metadata(Wire.toPlainMap(metadata.getAsJsonObject())));
    Wire.number(task, "priority").ifPresent(spec::priority);
    Wire.text(task, "expectedCount").map(Long::parseLong).ifPresent(spec::expectedCount);
    Wire.text(task, "startTime").map(Instant::parse).ifPresent(spec::startTime);
    Wire.millis(task, "startTimeoutMs").ifPresent(spec::startTimeout);
    Wire.millis(task, "inactivityTimeoutMs").ifPresent(spec::inactivityTimeout);
    Wire.millis(task, "executionTimeoutMs").ifPresent(spec::executionTimeout);
    Wire.millis(task, "totalTimeoutMs").ifPresent(spec::totalTimeout);
    Wire.field(task, "retry")
        .map(JsonElement::getAsJsonObject)
        .ifPresent(retry -> spec.retry(policy -> describe(policy, retry)));
    Wire.field(task, "after")
        .ifPresent(after -> after.getAsJsonArray().forEach(each -> depend(spec, each, added)));
  }

  private static void describe(RetrySpec policy, JsonObject retry) {
    Wire.number(retry, "maxAttempts").ifPresent(policy::maxAttempts);
    Wire.millis(retry, "initialBackoffMs").ifPresent(policy::initialBackoff);
    Wire.millis(retry, "maxBackoffMs").ifPresent(policy::maxBackoff);
    Wire.field(retry, "multiplier").map(JsonElement::getAsDouble).ifPresent(policy::multiplier);
  }

  private static void depend(TaskSpec spec, JsonElement after, Map<String, TaskRef> added) {
    if (!(after instanceof JsonObject named)) {
      String key = after.getAsString();
      spec.after(added.containsKey(key) ? added.get(key) : Parent.key(key));
      return;
    }
    Parent parent =
        named.has("taskId")
            ? Parent.taskId(named.get("taskId").getAsString())
            : Parent.key(named.get("key").getAsString());
    switch (Wire.text(named, "on").orElse("success")) {
      case "completion" -> spec.afterCompletion(parent);
      case "failure" -> spec.afterFailure(parent);
      default -> spec.after(parent);
    }
  }
}

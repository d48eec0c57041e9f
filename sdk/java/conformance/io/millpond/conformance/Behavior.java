package io.millpond.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.NullValue;
import com.google.protobuf.Value;
import io.millpond.sdk.ParentOutcome;
import io.millpond.sdk.TaskContext;
import io.millpond.sdk.TaskException;
import io.millpond.sdk.TaskHandler;
import io.millpond.v1.LogLevel;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** What the handler of a kind does, as the harness has said. */
final class Behavior implements TaskHandler {
  private static final Value JSON_NULL =
      Value.newBuilder().setNullValue(NullValue.NULL_VALUE).build();

  private final JsonObject description;
  private final CountDownLatch release;

  Behavior(JsonObject description, CountDownLatch release) {
    this.description = description;
    this.release = release;
  }

  @Override
  public Object handle(TaskContext context) throws Exception {
    String what = description.get("do").getAsString();
    switch (what) {
      case "echo":
        return inputOf(context);
      case "return":
        return outputOf(Wire.toPlain(description.get("value")));
      case "nothing":
        return null;
      case "parents":
        return parentsOf(context);
      case "fail":
        throw failure();
      case "throw":
        throw new IllegalArgumentException(description.get("message").getAsString());
      case "panic":
        throw new AssertionError(description.get("message").getAsString());
      case "unencodable":
        return Map.of("thread", Thread.currentThread());
      case "sleep":
        Thread.sleep(description.get("ms").getAsLong());
        return inputOf(context);
      case "hold":
        return hold(context);
      case "hang":
        return hang();
      case "log":
        log(context);
        return null;
      case "count":
        context.count(
            description.get("success").getAsLong(), description.get("failure").getAsLong());
        return null;
      case "heartbeat":
        context.heartbeat(outputOf(Wire.toPlain(description.get("progress"))));
        return hold(context);
      case "attempts":
        return ofAttempt(context.attempt()).handle(context);
      default:
        throw new RunnerError("there is nothing to do by \"" + what + "\"");
    }
  }

  private Behavior ofAttempt(int attempt) {
    JsonArray attempts = description.getAsJsonArray("attempts");
    JsonElement own = attempts.get(Math.min(attempt, attempts.size()) - 1);
    return new Behavior(own.getAsJsonObject(), release);
  }

  private Object hold(TaskContext context) throws InterruptedException {
    release.await();
    return inputOf(context);
  }

  private static Object hang() {
    CountDownLatch never = new CountDownLatch(1);
    while (true) {
      try {
        never.await();
      } catch (InterruptedException ignored) {
        // Whatever it is told.
      }
    }
  }

  private void log(TaskContext context) {
    for (JsonElement each : description.getAsJsonArray("lines")) {
      JsonObject line = each.getAsJsonObject();
      LogLevel level = LogLevel.valueOf("LOG_LEVEL_" + line.get("level").getAsString());
      context.log(level, line.get("message").getAsString());
    }
  }

  private TaskException failure() {
    TaskException failure = new TaskException(description.get("message").getAsString());
    Wire.text(description, "code").ifPresent(failure::withCode);
    Wire.field(description, "details").map(Wire::toPlain).ifPresent(failure::withDetails);
    Wire.millis(description, "retryDelayMs").ifPresent(failure::withRetryDelay);
    return Wire.flag(description, "nonRetryable").orElse(false) ? failure.nonRetryable() : failure;
  }

  private static Map<String, Object> parentsOf(TaskContext context) {
    Map<String, Object> parents = new LinkedHashMap<>();
    context.parents().forEach((key, parent) -> parents.put(key, describe(parent)));
    return parents;
  }

  private static Map<String, Object> describe(ParentOutcome parent) {
    Map<String, Object> described = new HashMap<>();
    described.put("status", parent.status().name().replaceFirst("^TASK_STATUS_", ""));
    if (parent.hasOutput()) {
      described.put("output", parent.output());
    }
    return described;
  }

  private static Object inputOf(TaskContext context) {
    return context.task().hasInput() ? outputOf(context.input()) : null;
  }

  /** A null that is returned is no output, but JSON's null is one. */
  private static Object outputOf(Object plain) {
    return plain == null ? JSON_NULL : plain;
  }
}

package io.millpond.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.grpc.Status;
import io.millpond.sdk.MillpondException;
import io.millpond.v1.ErrorReason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What the lines of the protocol are made of. */
final class Wire {
  private static final JsonFormat.Printer PRINTER =
      JsonFormat.printer().omittingInsignificantWhitespace();
  private static final String REASON_PREFIX = "ERROR_REASON_";

  private Wire() {}

  /** A message as ProtoJSON. */
  static JsonElement toJson(Message message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(PRINTER.print(message));
  }

  /** Reads ProtoJSON into a builder. */
  static <B extends Message.Builder> B merge(JsonElement json, B builder)
      throws InvalidProtocolBufferException {
    JsonFormat.parser().merge(json.toString(), builder);
    return builder;
  }

  /** An object with one field. */
  static JsonObject object(String name, JsonElement value) {
    JsonObject object = new JsonObject();
    object.add(name, value);
    return object;
  }

  /** JSON as plain Java: null, Boolean, String, Long or Double, List, Map. */
  static Object toPlain(JsonElement json) {
    if (json.isJsonNull()) {
      return null;
    }
    if (json instanceof JsonArray array) {
      List<Object> items = new ArrayList<>();
      array.forEach(item -> items.add(toPlain(item)));
      return items;
    }
    if (json instanceof JsonObject object) {
      return toPlainMap(object);
    }
    JsonPrimitive primitive = json.getAsJsonPrimitive();
    if (primitive.isBoolean()) {
      return primitive.getAsBoolean();
    }
    return primitive.isString() ? primitive.getAsString() : toNumber(primitive);
  }

  /** A JSON object as plain Java. */
  static Map<String, Object> toPlainMap(JsonObject object) {
    Map<String, Object> fields = new LinkedHashMap<>();
    object.entrySet().forEach(field -> fields.put(field.getKey(), toPlain(field.getValue())));
    return fields;
  }

  private static Number toNumber(JsonPrimitive primitive) {
    try {
      return primitive.getAsBigDecimal().longValueExact();
    } catch (ArithmeticException fraction) {
      return primitive.getAsDouble();
    }
  }

  /** A field that may be left out. */
  static Optional<JsonElement> field(JsonObject object, String name) {
    return Optional.ofNullable(object.get(name));
  }

  /** A text that may be left out. */
  static Optional<String> text(JsonObject object, String name) {
    return field(object, name).map(JsonElement::getAsString);
  }

  /** A whole number that may be left out. */
  static Optional<Integer> number(JsonObject object, String name) {
    return field(object, name).map(JsonElement::getAsInt);
  }

  /** A flag that may be left out. */
  static Optional<Boolean> flag(JsonObject object, String name) {
    return field(object, name).map(JsonElement::getAsBoolean);
  }

  /** A number of milliseconds that may be left out. */
  static Optional<Duration> millis(JsonObject object, String name) {
    return field(object, name).map(value -> Duration.ofMillis(value.getAsLong()));
  }

  /** What an op failed with. */
  static JsonObject errorOf(Throwable error) {
    JsonObject json = new JsonObject();
    boolean isOfSdk =
        error instanceof MillpondException
            || error instanceof IllegalArgumentException
            || error instanceof IllegalStateException;
    json.addProperty("type", isOfSdk ? error.getClass().getSimpleName() : "RunnerError");
    json.addProperty("code", "");
    json.addProperty("reason", "");
    json.addProperty("message", isOfSdk ? error.getMessage() : error.toString());
    if (error instanceof MillpondException known) {
      json.addProperty("code", nameOf(known.code()));
      json.addProperty("reason", nameOf(known.reason()));
      addDetails(json, known);
    }
    return json;
  }

  private static void addDetails(JsonObject json, MillpondException error) {
    JsonObject metadata = new JsonObject();
    error.metadata().forEach(metadata::addProperty);
    json.add("metadata", metadata);
    JsonArray violations = new JsonArray();
    error
        .fieldViolations()
        .forEach(
            violation -> {
              JsonObject each = new JsonObject();
              each.addProperty("field", violation.field());
              each.addProperty("description", violation.description());
              violations.add(each);
            });
    json.add("violations", violations);
    error.retryDelay().ifPresent(delay -> json.addProperty("retryDelayMs", delay.toMillis()));
  }

  private static String nameOf(Status.Code code) {
    return code.name();
  }

  private static String nameOf(ErrorReason reason) {
    return reason == ErrorReason.ERROR_REASON_UNSPECIFIED
        ? ""
        : reason.name().substring(REASON_PREFIX.length());
  }
}

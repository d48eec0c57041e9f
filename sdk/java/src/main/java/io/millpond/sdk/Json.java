package io.millpond.sdk;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.protobuf.ValueOrBuilder;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Plain Java as the JSON of the contract, and back. JSON is made of null, {@link Boolean}, {@link
 * String}, {@link Number}, {@link Collection}, {@code Object[]} and {@link Map} with text as keys,
 * and of the contract's own {@link Value}, {@link Struct} and {@link ListValue}; nothing else.
 * Numbers of the contract are doubles: a whole number that no double equals is refused rather than
 * rounded.
 */
public final class Json {
  private static final int DEPTH_MAX = 100;

  private Json() {}

  /**
   * Makes the contract's JSON.
   *
   * @param plain plain Java
   * @return the value
   * @throws IllegalArgumentException when it is no JSON, or nested deeper than 100
   */
  public static Value toValue(Object plain) {
    return value(plain, 0);
  }

  /**
   * Makes a JSON object of the contract.
   *
   * @param plain its fields
   * @return the object
   * @throws IllegalArgumentException when it is no JSON, or nested deeper than 100
   */
  public static Struct toStruct(Map<String, ?> plain) {
    return struct(plain, 0);
  }

  /**
   * Makes plain Java of the contract's JSON: null, Boolean, String, Long where a number is whole
   * (up to 2^53), Double otherwise, and Lists and Maps that cannot be changed. Take numbers as
   * {@link Number}.
   *
   * @param value the value
   * @return plain Java; null for JSON's null
   */
  public static Object fromValue(Value value) {
    return switch (value.getKindCase()) {
      case NULL_VALUE, KIND_NOT_SET -> null;
      case BOOL_VALUE -> value.getBoolValue();
      case STRING_VALUE -> value.getStringValue();
      case NUMBER_VALUE -> number(value.getNumberValue());
      case LIST_VALUE -> fromList(value.getListValue());
      case STRUCT_VALUE -> fromStruct(value.getStructValue());
    };
  }

  /**
   * Makes plain Java of a JSON object of the contract.
   *
   * @param struct the object
   * @return its fields, in their order; the map cannot be changed
   */
  public static Map<String, Object> fromStruct(Struct struct) {
    Map<String, Object> fields = new LinkedHashMap<>();
    struct.getFieldsMap().forEach((key, value) -> fields.put(key, fromValue(value)));
    return Collections.unmodifiableMap(fields);
  }

  /** What {@link #fromValue} made of an object; anything else is refused. */
  @SuppressWarnings("unchecked") // The keys of a JSON object are text.
  static Map<String, Object> asMap(Object plain, String noun) {
    if (plain instanceof Map<?, ?> map) {
      return (Map<String, Object>) map;
    }
    throw new IllegalStateException(noun + " is no object");
  }

  private static List<Object> fromList(ListValue list) {
    List<Object> items = new ArrayList<>(list.getValuesCount());
    list.getValuesList().forEach(item -> items.add(fromValue(item)));
    return Collections.unmodifiableList(items);
  }

  private static Object number(double number) {
    boolean isWhole = Math.rint(number) == number && Math.abs(number) <= 0x1p53;
    boolean isNegativeZero = number == 0 && Double.doubleToRawLongBits(number) != 0;
    if (isWhole && !isNegativeZero) {
      return (long) number;
    }
    return number;
  }

  private static Value value(Object plain, int depth) {
    requireDepth(depth);
    Value.Builder value = Value.newBuilder();
    if (plain == null) {
      value.setNullValue(NullValue.NULL_VALUE);
    } else if (plain instanceof Boolean bool) {
      value.setBoolValue(bool);
    } else if (plain instanceof String text) {
      value.setStringValue(text);
    } else if (plain instanceof Number number) {
      value.setNumberValue(doubleOf(number));
    } else if (plain instanceof Map<?, ?> map) {
      value.setStructValue(struct(map, depth));
    } else if (plain instanceof Collection<?> collection) {
      value.setListValue(list(collection, depth));
    } else if (plain instanceof Object[] array) {
      value.setListValue(list(Arrays.asList(array), depth));
    } else if (plain instanceof Struct struct) {
      value.setStructValue(struct);
      check(value, depth);
    } else if (plain instanceof ListValue list) {
      value.setListValue(list);
      check(value, depth);
    } else if (plain instanceof Value given) {
      check(given, depth);
      return given;
    } else {
      throw new IllegalArgumentException("a " + plain.getClass().getName() + " is no JSON");
    }
    return value.build();
  }

  /**
   * Refuses what the contract's types can hold and JSON cannot: it would only fail when it is sent,
   * together with all that goes with it.
   */
  private static void check(ValueOrBuilder value, int depth) {
    requireDepth(depth);
    switch (value.getKindCase()) {
      case NUMBER_VALUE -> doubleOf(value.getNumberValue());
      case LIST_VALUE ->
          value.getListValue().getValuesList().forEach(item -> check(item, depth + 1));
      case STRUCT_VALUE ->
          value.getStructValue().getFieldsMap().values().forEach(item -> check(item, depth + 1));
      default -> {
        // Text, truth and null are JSON.
      }
    }
  }

  private static void requireDepth(int depth) {
    if (depth > DEPTH_MAX) {
      throw new IllegalArgumentException("it is nested deeper than " + DEPTH_MAX);
    }
  }

  private static Struct struct(Map<?, ?> map, int depth) {
    Struct.Builder struct = Struct.newBuilder();
    map.forEach(
        (key, item) -> {
          if (!(key instanceof String text)) {
            throw new IllegalArgumentException("a key is no text: " + key);
          }
          struct.putFields(text, value(item, depth + 1));
        });
    return struct.build();
  }

  private static ListValue list(Collection<?> collection, int depth) {
    ListValue.Builder list = ListValue.newBuilder();
    collection.forEach(item -> list.addValues(value(item, depth + 1)));
    return list.build();
  }

  private static double doubleOf(Number number) {
    double converted = number.doubleValue();
    if (Double.isNaN(converted) || Double.isInfinite(converted)) {
      throw new IllegalArgumentException(number + " is no number of JSON");
    }
    if (isWhole(number)
        && new BigDecimal(converted).compareTo(new BigDecimal(number.toString())) != 0) {
      throw new IllegalArgumentException(number + " is no double; give it as text");
    }
    return converted;
  }

  /** Whether it is a whole number of a type that has more digits than a double. */
  private static boolean isWhole(Number number) {
    return number instanceof Long
        || number instanceof AtomicLong
        || number instanceof BigInteger
        || (number instanceof BigDecimal decimal && decimal.stripTrailingZeros().scale() <= 0);
  }
}

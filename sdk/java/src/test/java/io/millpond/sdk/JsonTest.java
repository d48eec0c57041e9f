package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ListValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class JsonTest {
  @Test
  void keepsPlainJava() {
    Map<String, Object> plain = new HashMap<>();
    plain.put("text", "ü");
    plain.put("flag", true);
    plain.put("whole", 7L);
    plain.put("fraction", 0.5);
    plain.put("nothing", null);
    plain.put("list", Arrays.asList(1L, null, List.of(), Map.of("deep", "er")));
    assertEquals(plain, Json.fromValue(Json.toValue(plain)));
    assertEquals(plain, Json.fromStruct(Json.toStruct(plain)));
  }

  @Test
  void takesWhatIsNearToJson() {
    assertEquals(List.of("a", 1L), Json.fromValue(Json.toValue(new Object[] {"a", (short) 1})));
    assertEquals(2.5, Json.fromValue(Json.toValue(new BigDecimal("2.5"))));
    assertEquals(1L << 53, Json.fromValue(Json.toValue(BigInteger.ONE.shiftLeft(53))));
    assertEquals(1e300, Json.fromValue(Json.toValue(1e300)));
    assertNull(Json.fromValue(Json.toValue(null)));
    Value value = Json.toValue("as it is");
    assertSame(value, Json.toValue(value));
  }

  static Stream<Object> noJson() {
    List<Object> circle = new ArrayList<>();
    circle.add(circle);
    Object[] values = {
      Double.NaN,
      Double.POSITIVE_INFINITY,
      (1L << 53) + 1,
      new AtomicLong((1L << 53) + 1),
      new BigDecimal("9007199254740993.00"),
      new BigDecimal("1e400"),
      Value.newBuilder().setNumberValue(Double.NaN).build(),
      Struct.newBuilder()
          .putFields("a", Value.newBuilder().setNumberValue(Double.NEGATIVE_INFINITY).build())
          .build(),
      Long.MAX_VALUE,
      new Object(),
      'c',
      Map.of(1, "a key that is no text"),
      List.of(new Object()),
      circle,
    };
    return Stream.of(values);
  }

  @ParameterizedTest
  @MethodSource("noJson")
  void refusesWhatIsNone(Object plain) {
    assertThrows(IllegalArgumentException.class, () -> Json.toValue(plain));
  }

  @Test
  void refusesValuesOfTheContractThatAreNestedTooDeep() {
    Value deep = Value.getDefaultInstance();
    for (int i = 0; i < 100_000; i++) {
      deep = Value.newBuilder().setListValue(ListValue.newBuilder().addValues(deep)).build();
    }
    Value tooDeep = deep;
    assertThrows(IllegalArgumentException.class, () -> Json.toValue(tooDeep));
    assertThrows(IllegalArgumentException.class, () -> Json.toValue(tooDeep.getListValue()));
  }

  @Test
  void cannotBeChangedOnceItIsRead() {
    Map<String, Object> read = Json.fromStruct(Json.toStruct(Map.of("a", 1)));
    assertThrows(UnsupportedOperationException.class, () -> read.put("b", 2));
  }
}

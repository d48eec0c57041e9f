package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.millpond.v1.LogEntry;
import io.millpond.v1.LogLevel;
import org.junit.jupiter.api.Test;

class LogBufferTest {
  private final LogBuffer buffer = new LogBuffer();

  @Test
  void keepsABatchUntilItIsDealtWith() {
    add("one");
    LogBuffer.Batch batch = buffer.next();
    add("two");
    assertSame(batch, buffer.next());
    buffer.settled();
    assertEquals("two", buffer.next().lines().get(0).getMessage());
    buffer.settled();
    assertTrue(buffer.isEmpty());
    assertEquals(0, buffer.bytes());
  }

  @Test
  void cutsBatchesByLinesAndBytes() {
    for (int i = 0; i < 1_500; i++) {
      add("line");
    }
    assertTrue(buffer.isFull());
    assertEquals(1_000, buffer.next().lines().size());
    buffer.settled();
    assertEquals(500, buffer.next().lines().size());
    buffer.settled();
    for (int i = 0; i < 100; i++) {
      add("x".repeat(16_384));
    }
    assertTrue(buffer.isFull());
    assertEquals(63, buffer.next().lines().size());
  }

  @Test
  void countsWhatDoesNotFit() {
    for (int i = 0; i < 10_000; i++) {
      assertTrue(add("line"));
    }
    assertFalse(add("one too many"));
    buffer.next();
    buffer.settled();
    assertFalse(add("not before the count is told"));
    for (int i = 0; i < 9; i++) {
      buffer.next();
      buffer.settled();
    }
    LogBuffer.Batch count = buffer.next();
    LogEntry line = count.lines().get(count.lines().size() - 1);
    assertEquals(LogLevel.LOG_LEVEL_WARN, line.getLevel());
    assertTrue(line.getMessage().startsWith("2 lines were dropped"), line.getMessage());
    buffer.settled();
    assertTrue(buffer.isEmpty());
    assertTrue(add("again"));
  }

  private boolean add(String text) {
    return buffer.add(LogEntry.newBuilder().setMessage(text).build(), true);
  }
}

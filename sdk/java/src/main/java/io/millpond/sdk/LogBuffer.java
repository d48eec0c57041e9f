package io.millpond.sdk;

import io.millpond.v1.LogEntry;
import io.millpond.v1.LogLevel;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.UUID;

/** The lines of one attempt that wait to be sent, and those that are on their way. */
final class LogBuffer {
  /**
   * Bounds of one call: the contract's number of lines, and bytes well below what servers accept.
   */
  static final int LINES_PER_CALL_MAX = 1_000;

  private static final int BYTES_PER_CALL_MAX = 1024 * 1024;

  /** What may wait: what comes faster than the server takes it is dropped, and counted. */
  private static final int LINES_WAITING_MAX = 10_000;

  private static final int BYTES_WAITING_MAX = 2 * 1024 * 1024;

  /** What a line takes beside its text. */
  private static final int LINE_BYTES = 32;

  /** Lines under a request id: sent again they are not written twice. */
  record Batch(String requestId, List<LogEntry> lines, long bytes) {}

  private final Deque<LogEntry> lines = new ArrayDeque<>();
  private long bytes;
  private long dropped;
  private Batch sent;

  /** What a line counts for. */
  static long bytesOf(String text) {
    return text.length() + LINE_BYTES;
  }

  /**
   * Takes a line if there is room; otherwise counts it, and all that follow until the count is
   * sent.
   */
  boolean add(LogEntry line, boolean isRoomElsewhere) {
    long own = bytesOf(line.getMessage());
    boolean hasRoom =
        isRoomElsewhere
            && dropped == 0
            && lines.size() < LINES_WAITING_MAX
            && bytes + own <= BYTES_WAITING_MAX;
    if (hasRoom) {
      lines.add(line);
      bytes += own;
    } else {
      dropped += 1;
    }
    return hasRoom;
  }

  /** Whether there is enough for a call. */
  boolean isFull() {
    return lines.size() >= LINES_PER_CALL_MAX || bytes >= BYTES_PER_CALL_MAX;
  }

  boolean isEmpty() {
    return lines.isEmpty() && dropped == 0 && sent == null;
  }

  /** How many lines have not been taken by the server. */
  long size() {
    return lines.size() + dropped + (sent == null ? 0 : sent.lines().size());
  }

  /** What waits or is on its way. */
  long bytes() {
    return bytes + (sent == null ? 0 : sent.bytes());
  }

  /** The lines of the next call: those on their way, if there are any. */
  Batch next() {
    if (sent == null) {
      sent = takeBatch();
    }
    return sent;
  }

  /** Those on their way are dealt with. */
  void settled() {
    sent = null;
  }

  void clear() {
    lines.clear();
    bytes = 0;
    dropped = 0;
    sent = null;
  }

  private Batch takeBatch() {
    List<LogEntry> batch = new ArrayList<>();
    long taken = 0;
    while (!lines.isEmpty() && batch.size() < LINES_PER_CALL_MAX) {
      taken += bytesOf(lines.peek().getMessage());
      if (taken > BYTES_PER_CALL_MAX && !batch.isEmpty()) {
        taken -= bytesOf(lines.peek().getMessage());
        break;
      }
      batch.add(lines.remove());
    }
    bytes -= taken;
    if (dropped > 0 && lines.isEmpty() && batch.size() < LINES_PER_CALL_MAX) {
      batch.add(
          LogEntry.newBuilder()
              .setLogTime(Durations.toProto(Instant.now()))
              .setLevel(LogLevel.LOG_LEVEL_WARN)
              .setMessage(
                  dropped
                      + " lines were dropped: the worker logged faster than the server took them")
              .build());
      dropped = 0;
    }
    return new Batch(UUID.randomUUID().toString(), batch, taken);
  }
}

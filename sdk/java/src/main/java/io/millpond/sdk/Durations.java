package io.millpond.sdk;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/** Times of Java as those of the contract, and back. */
final class Durations {
  private static final Duration NANOS_MAX = Duration.ofNanos(Long.MAX_VALUE / 2);

  private Durations() {}

  /** In nanoseconds; at most 146 years, so that sums with a time of the clock are right. */
  static long nanos(Duration duration) {
    return duration.compareTo(NANOS_MAX) < 0 ? duration.toNanos() : NANOS_MAX.toNanos();
  }

  static com.google.protobuf.Duration toProto(Duration duration) {
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(durationSeconds(duration))
        .setNanos(durationNanos(duration))
        .build();
  }

  static Duration toJava(com.google.protobuf.Duration duration) {
    return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  static Timestamp toProto(Instant instant) {
    return Timestamp.newBuilder()
        .setSeconds(instant.getEpochSecond())
        .setNanos(instant.getNano())
        .build();
  }

  /**
   * The contract's seconds and nanoseconds have the same sign; Java's nanoseconds are never
   * negative.
   */
  private static long durationSeconds(Duration duration) {
    boolean roundsUp = duration.isNegative() && duration.getNano() > 0;
    return duration.getSeconds() + (roundsUp ? 1 : 0);
  }

  private static int durationNanos(Duration duration) {
    boolean roundsUp = duration.isNegative() && duration.getNano() > 0;
    return duration.getNano() - (roundsUp ? 1_000_000_000 : 0);
  }
}

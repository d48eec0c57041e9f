package io.millpond.sdk;

import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * Counts the failures in a row of a stream that is made anew whenever it ends. That the server has
 * welcomed one ends no streak: a server that welcomes each and breaks it at once would be called
 * again without a pause. What the stream is for ends it, or that the stream has gone on for 5 s
 * after its welcome.
 */
final class FailureStreak {
  /**
   * The longest delay before a stream is made anew: one that has lived for so long has not failed
   * at once.
   */
  private static final long LIVED_NANOS = Duration.ofSeconds(5).toNanos();

  private final LongSupplier nanoTime;
  private int failures;
  private boolean isWelcome;
  private long welcomedAtNanos;

  FailureStreak() {
    this(System::nanoTime);
  }

  FailureStreak(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Says that the server has spoken. */
  void welcomed() {
    if (!isWelcome) {
      isWelcome = true;
      welcomedAtNanos = nanoTime.getAsLong();
    }
  }

  /** Says that the stream has brought what it is for. */
  void progressed() {
    failures = 0;
  }

  /** Says that the stream has ended, and answers the number of failures in a row, from 1. */
  int ended() {
    if (isWelcome && nanoTime.getAsLong() - welcomedAtNanos >= LIVED_NANOS) {
      failures = 0;
    }
    isWelcome = false;
    failures += 1;
    return failures;
  }
}

package io.millpond.sdk;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How long to wait before something that failed is tried again: a delay drawn between 0 and a
 * ceiling that doubles from 100 ms to 5 s ("full jitter", M. Brooker, "Exponential Backoff And
 * Jitter", 2015), so that clients which failed together do not come back together.
 */
final class Backoff {
  private static final long CEILING_MIN_MILLIS = 100;
  private static final long CEILING_MAX_MILLIS = 5_000;

  /** The longest delay asked for by a server that is waited for. */
  private static final Duration REQUESTED_DELAY_MAX = Duration.ofSeconds(30);

  /**
   * An empty answer that comes sooner, and before the wait that was asked for, is of a server that
   * does not wait.
   */
  private static final long EMPTY_ANSWER_MIN_MILLIS = 100;

  /**
   * The pause after such an answer is drawn between these, so that clients which wait for the same
   * do not come back together.
   */
  private static final long PAUSE_MIN_MILLIS = 750;

  private static final long PAUSE_MAX_MILLIS = 1_250;

  private Backoff() {}

  /** Draws the delay after so many failures in a row, from 1. */
  static long delayMillis(int failures) {
    return ThreadLocalRandom.current().nextLong(ceilingMillis(failures) + 1);
  }

  /** The longest delay after so many failures in a row, from 1. */
  static long ceilingMillis(int failures) {
    int doublings = Math.min(failures - 1, 30);
    return Math.min(CEILING_MAX_MILLIS, CEILING_MIN_MILLIS << doublings);
  }

  /**
   * Draws the delay after so many failures in a row of what is tried until it succeeds: what the
   * server asked for, if that is longer, up to 30 s.
   */
  static long delayAfterMillis(MillpondException error, int failures) {
    long requested =
        error
            .retryDelay()
            .map(delay -> delay.compareTo(REQUESTED_DELAY_MAX) <= 0 ? delay : REQUESTED_DELAY_MAX)
            .map(Duration::toMillis)
            .orElse(0L);
    return Math.max(requested, delayMillis(failures));
  }

  /**
   * Draws the delay before a call that is safe to repeat is repeated: what the server asked for,
   * and some jitter, or that of a server that is away. Empty: repeating does not help.
   */
  static Optional<Long> delayBeforeRepeatMillis(MillpondException error, int failures) {
    Optional<Duration> requested = error.retryDelay();
    if (requested.isPresent()) {
      return requested
          .filter(delay -> delay.compareTo(REQUESTED_DELAY_MAX) <= 0)
          .map(delay -> delay.toMillis() + delayMillis(1));
    }
    return error.isTransient() ? Optional.of(delayMillis(failures)) : Optional.empty();
  }

  /**
   * Draws the pause after an empty answer to a call that was to wait. Empty: the server has waited.
   * Where it has not, asking again at once would only make both sides busy.
   */
  static OptionalLong delayAfterEmptyMillis(long sentAtNanos, Duration wait) {
    long tookMillis = (System.nanoTime() - sentAtNanos) / 1_000_000;
    boolean isWaitOver = wait.toMillis() > 0 && tookMillis >= wait.toMillis();
    return tookMillis >= EMPTY_ANSWER_MIN_MILLIS || isWaitOver
        ? OptionalLong.empty()
        : OptionalLong.of(
            ThreadLocalRandom.current().nextLong(PAUSE_MIN_MILLIS, PAUSE_MAX_MILLIS));
  }
}

package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.millpond.v1.ErrorReason;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackoffTest {
  @ParameterizedTest
  @CsvSource({"1, 100", "2, 200", "3, 400", "6, 3200", "7, 5000", "1000, 5000"})
  void doublesItsCeiling(int failures, long ceilingMillis) {
    assertEquals(ceilingMillis, Backoff.ceilingMillis(failures));
  }

  @Test
  void drawsDelaysBelowTheCeiling() {
    for (int i = 0; i < 1_000; i++) {
      long delay = Backoff.delayMillis(2);
      assertTrue(delay >= 0 && delay <= 200, "a delay of " + delay);
    }
  }

  @Test
  void waitsAsLongAsTheServerAsks() {
    long delay =
        Backoff.delayBeforeRepeatMillis(error(Duration.ofSeconds(2), false), 1).orElseThrow();
    assertTrue(delay >= 2_000 && delay <= 2_100, "a delay of " + delay);
  }

  @Test
  void doesNotRepeatWhatTheServerWantsLaterThanAnybodyWaits() {
    MillpondException error = error(Duration.ofSeconds(31), true);
    assertEquals(Optional.empty(), Backoff.delayBeforeRepeatMillis(error, 1));
  }

  @Test
  void keepsOnAfterHalfAMinuteWhenTheServerAsksForMore() {
    long delay = Backoff.delayAfterMillis(error(Duration.ofHours(1), true), 1);
    assertEquals(30_000, delay);
  }

  @Test
  void doesNotRepeatWhatRepeatingCannotMend() {
    assertEquals(Optional.empty(), Backoff.delayBeforeRepeatMillis(error(null, false), 1));
  }

  @Test
  void growsTheDelayBetweenTriesOfAStream() {
    Duration first = Duration.ofSeconds(30);
    assertEquals(Duration.ofSeconds(30), WorkStream.retryDelay(first, 0));
    assertEquals(Duration.ofSeconds(60), WorkStream.retryDelay(first, 1));
    assertEquals(Duration.ofMinutes(10), WorkStream.retryDelay(first, 5));
    assertEquals(Duration.ofMinutes(10), WorkStream.retryDelay(first, 1_000));
  }

  private static MillpondException error(Duration retryDelay, boolean isTransient) {
    ErrorDetails details =
        new ErrorDetails(
            true, ErrorReason.ERROR_REASON_STORE_UNAVAILABLE, Map.of(), List.of(), retryDelay);
    return new MillpondException(Status.Code.UNAVAILABLE, "away", details, isTransient, null);
  }
}

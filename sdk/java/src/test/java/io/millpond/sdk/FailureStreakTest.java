package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class FailureStreakTest {
  private long nowNanos = -1;
  private final FailureStreak streak = new FailureStreak(() -> nowNanos);

  @Test
  void streamsThatAreWelcomedAndBreakAtOnceAreFailuresInARow() {
    for (int n = 1; n <= 4; n++) {
      streak.welcomed();
      pass(Duration.ofMillis(4_999));
      streak.welcomed();
      assertEquals(n, streak.ended());
    }
  }

  @Test
  void aStreamThatGoesOnForLongAfterItsWelcomeEndsTheStreak() {
    streak.ended();
    streak.welcomed();
    pass(Duration.ofSeconds(5));
    assertEquals(1, streak.ended());
    // The next one waits for its welcome for long.
    pass(Duration.ofMinutes(1));
    assertEquals(2, streak.ended());
  }

  @Test
  void whatAStreamIsForEndsTheStreak() {
    streak.ended();
    streak.progressed();
    assertEquals(1, streak.ended());
  }

  private void pass(Duration time) {
    nowNanos += time.toNanos();
  }
}

package millpond

import (
	"testing"
	"time"
)

func TestStreamsThatAreWelcomedAndBreakAtOnceAreFailuresInARow(t *testing.T) {
	now := time.Now()
	var streak failureStreak
	for n := 1; n <= 4; n++ {
		streak.welcomed(now)
		now = now.Add(longestDelay - time.Millisecond)
		streak.welcomed(now)
		if failures := streak.ended(now); failures != n {
			t.Errorf("the end of stream %d is failure %d in a row", n, failures)
		}
	}
}

func TestAStreamThatGoesOnForLongAfterItsWelcomeEndsTheStreak(t *testing.T) {
	now := time.Now()
	var streak failureStreak
	streak.ended(now)
	streak.welcomed(now)
	now = now.Add(longestDelay)
	if failures := streak.ended(now); failures != 1 {
		t.Errorf("its end is failure %d in a row", failures)
	}
	// The next one waits for its welcome for long.
	if failures := streak.ended(now.Add(time.Minute)); failures != 2 {
		t.Errorf("the end of the one after it is failure %d in a row", failures)
	}
}

func TestWhatAStreamIsForEndsTheStreak(t *testing.T) {
	var streak failureStreak
	streak.ended(time.Now())
	streak.progressed()
	if failures := streak.ended(time.Now()); failures != 1 {
		t.Errorf("its end is failure %d in a row", failures)
	}
}

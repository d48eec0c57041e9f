package millpond

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Bounds of the delays between attempts at what failed, and of what a server may ask for.
const (
	firstDelay        = 100 * time.Millisecond
	longestDelay      = 5 * time.Second
	longestAskedDelay = 30 * time.Second
	attemptsOfCall    = 5
)

// jitteredDelay draws the delay after the n-th failure in a row (n from 1): uniform between 0 and a ceiling that
// doubles up to a maximum ("full jitter", M. Brooker, "Exponential Backoff And Jitter", 2015), so that clients which
// failed together do not come back together.
func jitteredDelay(failures int) time.Duration {
	ceiling := min(longestDelay, firstDelay<<min(failures-1, 10))
	return rand.N(ceiling + 1)
}

// delayBeforeRepeat is how long to wait, after so many failures in a row, before what failed with err is done again;
// false: doing it again cannot mend it.
func delayBeforeRepeat(err error, failures int) (time.Duration, bool) {
	if failure := asError(err); failure != nil {
		if asked, ok := failure.RetryDelay(); ok {
			return asked + jitteredDelay(1), asked <= longestAskedDelay
		}
	}
	return jitteredDelay(failures), IsTransient(err)
}

// delayBeforeGoingOn is how long what goes on without end waits, after so many failures in a row, before it does again
// what failed with err; false: doing it again cannot mend it. A server that asks for a longer delay than 30 s is asked
// again after these. What nobody has answered in time is done again as what a server that is away has not taken.
func delayBeforeGoingOn(err error, failures int) (time.Duration, bool) {
	if failure := asError(err); failure != nil {
		if asked, ok := failure.RetryDelay(); ok {
			return min(asked, longestAskedDelay) + jitteredDelay(failures), true
		}
	}
	return jitteredDelay(failures), IsTransient(err) || errors.Is(err, context.DeadlineExceeded)
}

// sleep waits, at most until the context ends; false: it has ended.
func sleep(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

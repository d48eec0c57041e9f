package millpond

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

func attemptOf(t *testing.T, taskID string) *attempt {
	assignment := &millpondv1.Assignment{Task: &millpondv1.Task{TaskId: taskID, Kind: "k"}, Attempt: 1}
	return newAttempt(t.Context(), assignment, time.Now().Add(time.Hour))
}

func TestCreditIsForFreeSlotsAndNeverMore(t *testing.T) {
	r := newRoster(4)
	if got := r.promiseCredit(3); got != 3 {
		t.Errorf("of 4 slots, at most 3: %d", got)
	}
	if got := r.promiseCredit(creditMax); got != 1 {
		t.Errorf("of the one that is left: %d", got)
	}
	if got := r.promiseCredit(creditMax); got != 0 {
		t.Errorf("of none: %d", got)
	}
	a := attemptOf(t, "a")
	r.begin(a, true)
	if got := r.promiseCredit(creditMax); got != 0 {
		t.Errorf("an attempt takes the slot that was promised: %d", got)
	}
	r.handlerEnded()
	if got := r.promiseCredit(creditMax); got != 1 {
		t.Errorf("the slot is free while the report is on its way: %d", got)
	}
	r.remove(a)
	if got := r.promiseCredit(creditMax); got != 0 {
		t.Errorf("it does not become free twice: %d", got)
	}
	r.withdrawCredit(4)
	if got := r.promiseCredit(creditMax); got != 4 {
		t.Errorf("what a lost stream has not used is free: %d", got)
	}
}

func TestAsManyReportsMayBeOnTheirWayAsThereAreSlots(t *testing.T) {
	r := newRoster(2)
	for n := range 4 {
		r.begin(attemptOf(t, fmt.Sprint(n)), false)
		r.handlerEnded()
		if want := min(2, 3-n); r.free() != want {
			t.Errorf("with %d reports on their way %d slots are free, not %d", n+1, r.free(), want)
		}
	}
}

func TestWhatIsAssignedBeyondTheCreditTakesASlotToo(t *testing.T) {
	r := newRoster(2)
	r.promiseCredit(1)
	r.begin(attemptOf(t, "a"), false)
	if r.free() != 0 {
		t.Errorf("%d are free", r.free())
	}
}

func TestClaimsShareTheFreeSlots(t *testing.T) {
	r := newRoster(5)
	if first, second := r.promiseClaim(), r.promiseClaim(); first != 3 || second != 2 || r.promiseClaim() != 0 {
		t.Errorf("shares are %d and %d", first, second)
	}
	r.begin(attemptOf(t, "a"), true)
	r.endClaim(2)
	if got := r.promiseClaim(); got != 2 {
		t.Errorf("the next one gets %d", got)
	}
	r.endClaim(2)
	r.pauseClaims(true)
	if got := r.promiseClaim(); got != 0 {
		t.Errorf("a paused one gets %d", got)
	}
	if got := r.promiseCredit(creditMax); got != 2 {
		t.Errorf("a stream gets what the other claim leaves: %d", got)
	}
}

func TestAClaimIsNeverForMoreThanOneCallMayBring(t *testing.T) {
	r := newRoster(2_500)
	if first, second := r.promiseClaim(), r.promiseClaim(); first != 1_000 || second != 1_000 || r.free() != 500 {
		t.Errorf("shares are %d and %d, and %d slots are free", first, second, r.free())
	}
}

func TestChangesAreTold(t *testing.T) {
	r := newRoster(1)
	before := r.changes()
	r.begin(attemptOf(t, "a"), false)
	next(t, before, "change")
	select {
	case <-r.changes():
		t.Error("a change is told before it happens")
	default:
	}
}

func TestAttemptsThatBeginTooLateAreAborted(t *testing.T) {
	r := newRoster(2)
	before, after := attemptOf(t, "before"), attemptOf(t, "after")
	r.begin(before, false)
	r.abortAll(ErrWorkerStopped)
	r.begin(after, false)
	for _, each := range []*attempt{before, after} {
		if each.ctx.Err() == nil || each.isDisowned() {
			t.Errorf("%v goes on, or is disowned", each.key)
		}
	}
	if r.find(after.key) != after || len(r.all()) != 2 || r.isIdle() {
		t.Error("they are not under way")
	}
}

func TestOnlyTheFirstReasonOfAnAbortCounts(t *testing.T) {
	a := attemptOf(t, "a")
	a.abort(cancelCause("because"))
	a.abort(ErrWorkerStopped)
	cause := context.Cause(a.ctx)
	if !a.isDisowned() || !errors.Is(cause, ErrCancelRequested) || errors.Is(cause, ErrWorkerStopped) {
		t.Errorf("it was aborted with %v", cause)
	}
}

func TestALeaseThatHasRunOutIsLost(t *testing.T) {
	a := attemptOf(t, "a")
	a.expire(time.Now())
	if a.ctx.Err() != nil {
		t.Fatal("it is lost before")
	}
	a.extend(time.Now().Add(-time.Second))
	a.expire(time.Now())
	if !errors.Is(context.Cause(a.ctx), ErrLeaseLost) {
		t.Errorf("it goes on: %v", context.Cause(a.ctx))
	}
}

func TestAStreamIsTriedAgainAfterLongerAndLongerTimes(t *testing.T) {
	for misses, want := range []time.Duration{1, 2, 4, 8, 16, 20, 20, 20} {
		if got := streamRetryDelay(time.Second, misses); got != want*time.Second {
			t.Errorf("after %d misses it is %v", misses, got)
		}
	}
	if got := streamRetryDelay(time.Second, 10_000); got != 20*time.Second {
		t.Errorf("after many misses it is %v", got)
	}
}

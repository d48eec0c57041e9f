package millpond

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// claims is a server that hands out what a test puts into it.
type claims struct {
	tasks chan string
	// asked is the most that claims under way and attempts have been for, at any time.
	asked, most atomic.Int64
}

func (c *claims) claim(ctx context.Context, r *millpondv1.ClaimTasksRequest) (*millpondv1.ClaimTasksResponse, error) {
	asked := c.asked.Add(int64(r.GetMaxTasks()))
	c.most.Store(max(c.most.Load(), asked))
	defer c.asked.Add(-int64(r.GetMaxTasks()))
	select {
	case id := <-c.tasks:
		return &millpondv1.ClaimTasksResponse{Assignments: assignments(id)}, nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// onClaims makes the worker of a bench claim.
func onClaims(b *bench) *claims {
	c := &claims{tasks: make(chan string, 100)}
	b.workers.claim = c.claim
	b.options.DisableStream = true
	return c
}

func TestAWorkerWithoutAStreamClaimsForFreeSlots(t *testing.T) {
	b := newBench(t)
	c := onClaims(b)
	b.start(func(_ context.Context, task *Task) (any, error) { return task.ID(), nil })
	for range 20 {
		c.tasks <- "t"
	}
	for range 20 {
		if next(t, b.reports, "report").GetSuccess() == nil {
			t.Error("it failed")
		}
	}
	if c.most.Load() > 2 || len(b.sessions) > 0 {
		t.Errorf("it asked for %d, and by %d streams", c.most.Load(), len(b.sessions))
	}
}

func TestTasksAreClaimedWhereTheServerHasNoStream(t *testing.T) {
	b := newBench(t)
	c := onClaims(b)
	b.options.DisableStream = false
	b.options.StreamRetry = 100 * time.Millisecond
	hasStream := make(chan struct{})
	ofStream := b.workers.work
	b.workers.work = func(stream workStreamServer) error {
		select {
		case <-hasStream:
			return ofStream(stream)
		default:
			return unimplemented()
		}
	}
	b.start(func(_ context.Context, task *Task) (any, error) { return task.ID(), nil })
	c.tasks <- "claimed"
	next(t, b.reports, "report")
	close(hasStream)
	s := b.begin()
	// What claims are still under way for is not given as credit: they end when they are answered.
	c.tasks <- "claimed"
	c.tasks <- "claimed"
	credit := int32(0)
	for credit < 2 {
		credit += s.credit()
	}
	s.assign("t")
	for range 3 {
		next(t, b.reports, "report")
	}
	if credit > 4 {
		t.Errorf("the credit is %d", credit)
	}
}

func TestAStreamWithoutAWelcomeIsGivenUpForClaims(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := onClaims(b)
	b.options.DisableStream = false
	b.start(func(_ context.Context, task *Task) (any, error) { return task.ID(), nil })
	s := next(t, b.sessions, "stream")
	c.tasks <- "t"
	next(t, b.reports, "report")
	next(t, s.stream.Context().Done(), "end of the stream")
}

func TestLeasesAreExtendedByCallsAndTheirAnswersHeeded(t *testing.T) {
	lost := &millpondv1.LeaseResult{Result: &millpondv1.LeaseResult_Error{
		Error: &millpondv1.ItemError{Reason: millpondv1.ErrorReason_ERROR_REASON_LEASE_LOST, Message: "gone"},
	}}
	canceled := &millpondv1.LeaseResult{CancelRequested: true}
	for want, result := range map[error]*millpondv1.LeaseResult{ErrLeaseLost: lost, ErrCancelRequested: canceled} {
		t.Run(want.Error(), func(t *testing.T) { extendTwiceThen(t, result, want) })
	}
}

// extendTwiceThen answers calls that extend a lease: twice that it is extended, then as given, of which the handler
// is told.
func extendTwiceThen(t *testing.T, result *millpondv1.LeaseResult, want error) {
	b, h := newBench(t), newHeld()
	c := onClaims(b)
	b.options.Lease = time.Second
	var calls atomic.Int32
	b.workers.extend = func(
		_ context.Context, r *millpondv1.ExtendLeasesRequest,
	) (*millpondv1.ExtendLeasesResponse, error) {
		if len(r.GetLeases()) != 1 || r.GetLeases()[0].GetTaskId() != "t" || r.GetWorkerId() != "w" {
			t.Errorf("it extends %v", r)
		}
		answer := result
		if calls.Add(1) < 3 {
			extended := &millpondv1.LeaseResult_LeaseExpireTime{LeaseExpireTime: timestamppb.Now()}
			answer = &millpondv1.LeaseResult{Result: extended}
		}
		return &millpondv1.ExtendLeasesResponse{Results: []*millpondv1.LeaseResult{answer}}, nil
	}
	b.start(h.handle)
	c.tasks <- "t"
	next(t, h.started, "start")
	if cause := next(t, h.causes, "abort"); !errors.Is(cause, want) {
		t.Errorf("it was told %v, not %v", cause, want)
	}
}

func TestALeaseThatMayHaveRunOutCountsAsLost(t *testing.T) {
	b, h := newBench(t), newHeld()
	c := onClaims(b)
	b.options.Lease = 200 * time.Millisecond
	b.workers.extend = func(
		context.Context, *millpondv1.ExtendLeasesRequest,
	) (*millpondv1.ExtendLeasesResponse, error) {
		return nil, status.Error(codes.Unavailable, "away")
	}
	b.start(h.handle)
	c.tasks <- "t"
	next(t, h.started, "start")
	if cause := next(t, h.causes, "abort"); !errors.Is(cause, ErrLeaseLost) {
		t.Errorf("it was told %v", cause)
	}
	b.worker.Stop()
	if len(b.reports) > 0 {
		t.Errorf("%v is reported", <-b.reports)
	}
}

func TestAClaimThatIsRefusedForGoodEndsTheWorker(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.options.DisableStream = true
	b.workers.claim = func(context.Context, *millpondv1.ClaimTasksRequest) (*millpondv1.ClaimTasksResponse, error) {
		return nil, refusal(codes.PermissionDenied, "PERMISSION_DENIED", "no")
	}
	b.start(h.handle)
	if err := next(t, b.ended, "end"); codeOf(err) != codes.PermissionDenied {
		t.Errorf("it ended with %v", err)
	}
}

func TestAClaimThatFailsIsMadeAgain(t *testing.T) {
	b, h := newBench(t), newHeld()
	c := onClaims(b)
	var calls atomic.Int32
	b.workers.claim = func(
		ctx context.Context, r *millpondv1.ClaimTasksRequest,
	) (*millpondv1.ClaimTasksResponse, error) {
		if calls.Add(1) < 4 {
			return nil, status.Error(codes.Unavailable, "away")
		}
		return c.claim(ctx, r)
	}
	b.start(h.handle)
	c.tasks <- "t"
	next(t, h.started, "start")
	close(h.released)
}

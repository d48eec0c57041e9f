package millpond

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAWorkerGivesCreditForFreeSlotsAndReportsWhatItDid(t *testing.T) {
	b := newBench(t)
	b.start(func(_ context.Context, task *Task) (any, error) { return task.ID(), nil })
	s := b.begin()
	if credit := s.credit(); credit != 2 {
		t.Errorf("the first credit is %d", credit)
	}
	outstanding := int32(2)
	for range 10 {
		s.assign("t")
		if report := next(t, b.reports, "report"); report.GetSuccess().GetOutput().GetStringValue() != "t" {
			t.Errorf("the report is %v", report)
		}
		outstanding += s.credit() - 1
		if outstanding != 2 {
			t.Errorf("%d tasks may come", outstanding)
		}
	}
}

func TestAnAttemptThatIsCanceledIsToldSoAndNotReported(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	s.send(&millpondv1.WorkResponse{Message: &millpondv1.WorkResponse_Cancel{
		Cancel: &millpondv1.CancelAttempt{TaskId: "t", Attempt: 1, Reason: "not needed"},
	}})
	cause := next(t, h.causes, "abort")
	if !errors.Is(cause, ErrCancelRequested) || !strings.Contains(cause.Error(), "not needed") {
		t.Errorf("it was told %v", cause)
	}
	s.credit()
	if len(b.reports) > 0 {
		t.Errorf("%v is reported", <-b.reports)
	}
}

func TestAnAttemptThatIsLostIsToldSoAndNotReported(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	lost := func(attempt int32) {
		lease := &millpondv1.LeaseRef{TaskId: "t", Attempt: attempt}
		s.send(&millpondv1.WorkResponse{Message: &millpondv1.WorkResponse_LeaseLost{
			LeaseLost: &millpondv1.LeaseLost{Lease: lease},
		}})
	}
	// Of another attempt, which is none of this worker's.
	lost(7)
	lost(1)
	if cause := next(t, h.causes, "abort"); !errors.Is(cause, ErrLeaseLost) {
		t.Errorf("it was told %v", cause)
	}
	s.credit()
	if len(b.reports) > 0 {
		t.Errorf("%v is reported", <-b.reports)
	}
}

func TestAStreamThatBreaksIsMadeAnewWithWhatIsUnderWay(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	s.end <- status.Error(codes.Unavailable, "restarting")
	s = b.begin("t")
	if credit := s.credit(); credit != 1 {
		t.Errorf("the credit of the next stream is %d", credit)
	}
	if err := next(t, b.errors, "error"); !IsTransient(err) {
		t.Errorf("%v was told", err)
	}
	close(h.released)
	next(t, b.reports, "report")
}

func TestAStreamThatTheServerDrainsIsClosedAndMadeAnew(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.send(&millpondv1.WorkResponse{Message: &millpondv1.WorkResponse_Drain{Drain: &millpondv1.ServerDrain{}}})
	s = b.begin()
	if credit := s.credit(); credit != 2 {
		t.Errorf("the credit of the next stream is %d", credit)
	}
	if len(b.errors) > 0 {
		t.Errorf("%v was told", <-b.errors)
	}
}

func TestASilentWorkStreamIsMadeAnew(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.options.SilenceMax = 200 * time.Millisecond
	b.start(h.handle)
	b.begin()
	b.begin()
	if err := next(t, b.errors, "error"); !IsTransient(err) || !strings.Contains(err.Error(), "no message for") {
		t.Errorf("%v was told", err)
	}
}

func TestHeartbeatsComeAtTheIntervalOfTheServer(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := next(t, b.sessions, "stream")
	s.next("hello")
	s.welcome(10 * time.Millisecond)
	for heartbeats := 0; heartbeats < 5; {
		if s.next("heartbeat").GetHeartbeat() != nil {
			heartbeats++
		}
	}
}

func TestAnAssignmentOfAnUnknownKindFails(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	list := assignments("t")
	list[0].Task.Kind = "other"
	s.send(&millpondv1.WorkResponse{Message: &millpondv1.WorkResponse_Assignments{
		Assignments: &millpondv1.AssignmentList{Assignments: list},
	}})
	if failure := next(t, b.reports, "report").GetFailure(); !strings.Contains(failure.GetMessage(), `"other"`) {
		t.Errorf("the report is %v", failure)
	}
}

func TestAWorkerThatIsRefusedForGoodEndsWithTheError(t *testing.T) {
	other, err := status.New(codes.FailedPrecondition, "another stream").WithDetails(&errdetails.ErrorInfo{
		Domain: domain, Reason: "LEASE_LOST", Metadata: map[string]string{"worker_id": "w"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, refusal := range []error{
		refusal(codes.Unauthenticated, "UNAUTHENTICATED", "no"), refusal(codes.PermissionDenied, "PERMISSION_DENIED", "no"),
		refusal(codes.InvalidArgument, "INVALID_FIELD", "no"), other.Err(),
	} {
		t.Run(refusal.Error(), func(t *testing.T) {
			b, h := newBench(t), newHeld()
			b.start(h.handle)
			b.begin().end <- refusal
			if err := next(t, b.ended, "end"); codeOf(err) != status.Code(refusal) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestALeaseThatIsLostForSilenceIsNoEnd(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	b.begin().end <- refusal(codes.FailedPrecondition, "LEASE_LOST", "silent")
	b.begin()
}

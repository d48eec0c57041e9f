package millpond

import (
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestDelaysGrowUpToACeiling(t *testing.T) {
	for failures, ceiling := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 6: 3200 * time.Millisecond, 7: 5 * time.Second,
		1000: 5 * time.Second,
	} {
		for range 100 {
			if delay := jitteredDelay(failures); delay < 0 || delay > ceiling {
				t.Fatalf("after %d failures it is %v", failures, delay)
			}
		}
	}
}

func TestADelayThatTheServerAskedForIsKept(t *testing.T) {
	asked := newError(refusal(codes.ResourceExhausted, "LIMIT_EXCEEDED", "busy", retryInfo(2*time.Second)), somewhere)
	if delay, ok := delayBeforeRepeat(asked, 1); !ok || delay < 2*time.Second || delay > 2100*time.Millisecond {
		t.Errorf("it is %v, %v", delay, ok)
	}
	tooLong := newError(refusal(codes.Unavailable, "STORE_UNAVAILABLE", "later", retryInfo(time.Minute)), somewhere)
	if _, ok := delayBeforeRepeat(tooLong, 1); ok {
		t.Error("a minute is waited for")
	}
	plain := newError(refusal(codes.ResourceExhausted, "LIMIT_EXCEEDED", "too large"), somewhere)
	if _, ok := delayBeforeRepeat(plain, 1); ok {
		t.Error("what no repetition mends is repeated")
	}
}

func TestWhatGoesOnWithoutEndIsPatient(t *testing.T) {
	for _, each := range []struct {
		err          error
		least, most  time.Duration
		wantToGoOn   bool
		whatItIsLike string
	}{
		{refusal(codes.Unavailable, "STORE_UNAVAILABLE", "", retryInfo(time.Minute)),
			30 * time.Second, 30100 * time.Millisecond, true, "a server that asks for a minute"},
		{refusal(codes.ResourceExhausted, "LIMIT_EXCEEDED", "", retryInfo(time.Second)),
			time.Second, 1100 * time.Millisecond, true, "a server that asks for a second"},
		{status.Error(codes.Unavailable, "restarting"), 0, 100 * time.Millisecond, true, "a server that is away"},
		{status.Error(codes.DeadlineExceeded, "late"), 0, 100 * time.Millisecond, true, "a call that was not answered"},
		{refusal(codes.ResourceExhausted, "LIMIT_EXCEEDED", "too large"), 0, time.Second, false, "what is too large"},
	} {
		delay, ok := delayBeforeGoingOn(newError(each.err, somewhere), 1)
		if ok != each.wantToGoOn || delay < each.least || delay > each.most {
			t.Errorf("%s: %v, %v", each.whatItIsLike, delay, ok)
		}
	}
}

func TestWhatIsSafeToRepeat(t *testing.T) {
	success := &millpondv1.TaskReport{
		Attempt: 1, AddSuccessCount: 3, Report: &millpondv1.TaskReport_Success_{Success: &millpondv1.TaskReport_Success{}},
	}
	heartbeat := &millpondv1.TaskReport{
		Attempt: 1, Report: &millpondv1.TaskReport_Heartbeat_{Heartbeat: &millpondv1.TaskReport_Heartbeat{}},
	}
	counting := proto.CloneOf(heartbeat)
	counting.AddFailureCount = 1
	ofAnyAttempt := proto.CloneOf(success)
	ofAnyAttempt.Attempt = 0
	reports := func(reports ...*millpondv1.TaskReport) proto.Message {
		return &millpondv1.ReportTasksRequest{Reports: reports}
	}
	for _, each := range []struct {
		method  string
		request proto.Message
		want    bool
	}{
		{millpondv1.TaskService_GetTask_FullMethodName, &millpondv1.GetTaskRequest{}, true},
		{millpondv1.EventService_ListEvents_FullMethodName, &millpondv1.ListEventsRequest{}, true},
		{millpondv1.TaskService_CreateTasks_FullMethodName, &millpondv1.CreateTasksRequest{RequestId: "x"}, true},
		{millpondv1.TaskService_CreateTasks_FullMethodName, &millpondv1.CreateTasksRequest{}, false},
		{millpondv1.WorkerService_ExtendLeases_FullMethodName, &millpondv1.ExtendLeasesRequest{}, true},
		{millpondv1.WorkerService_ClaimTasks_FullMethodName, &millpondv1.ClaimTasksRequest{}, false},
		{millpondv1.TaskService_ReportTasks_FullMethodName, reports(success, heartbeat), true},
		{millpondv1.TaskService_ReportTasks_FullMethodName, reports(success, counting), false},
		{millpondv1.TaskService_ReportTasks_FullMethodName, reports(ofAnyAttempt), false},
		{"/somebody.Else/DoesSomething", &millpondv1.GetTaskRequest{}, false},
	} {
		if got := isSafeToRepeat(each.method, each.request); got != each.want {
			t.Errorf("%s of %v: %v", each.method, each.request, got)
		}
	}
}

func TestARequestIDIsFilledInAndTheMessageOfTheCallerLeftAlone(t *testing.T) {
	request := &millpondv1.CreateTasksRequest{Tasks: []*millpondv1.NewTask{{Key: "a"}}, ValidateOnly: true}
	filled, ok := withRequestID(request).(*millpondv1.CreateTasksRequest)
	if !ok || len(filled.GetRequestId()) != 36 || request.GetRequestId() != "" {
		t.Fatalf("it is %v of %v", filled, request)
	}
	filled.RequestId = ""
	if !proto.Equal(filled, request) {
		t.Errorf("the rest is %v", filled)
	}
	given := &millpondv1.CreateTasksRequest{RequestId: "mine"}
	if withRequestID(given) != proto.Message(given) {
		t.Error("an id that was given is replaced")
	}
	again, ok := withRequestID(request).(*millpondv1.CreateTasksRequest)
	if !ok || len(again.GetRequestId()) != 36 || again == filled {
		t.Errorf("another call gets %q", again.GetRequestId())
	}
}

func TestABrokenConnectionIsKnownFromARefusal(t *testing.T) {
	broken := newError(status.Error(codes.Unavailable, "error reading from server: EOF"), somewhere)
	if _, ok := delayBeforeRepeat(broken, 3); !ok {
		t.Error("it is not repeated")
	}
	if _, ok := delayBeforeRepeat(newError(status.Error(codes.NotFound, "no"), somewhere), 3); ok {
		t.Error("a refusal is repeated")
	}
}

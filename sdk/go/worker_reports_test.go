package millpond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answering answers each report as a function says.
func answering(
	answer func(*millpondv1.TaskReport) *millpondv1.ReportResult,
) func(context.Context, *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
	return func(_ context.Context, r *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
		response := &millpondv1.ReportTasksResponse{}
		for _, report := range r.GetReports() {
			response.Results = append(response.Results, answer(report))
		}
		return response, nil
	}
}

func TestReportsAreCollectedWhileACallIsInFlightAndKeepTheirOrder(t *testing.T) {
	b := newBench(t)
	b.options.Slots = 10
	inFlight, goOn := make(chan struct{}, 100), make(chan struct{})
	var mu sync.Mutex
	var calls [][]string
	b.tasks.report = func(_ context.Context, r *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
		response := &millpondv1.ReportTasksResponse{}
		var names []string
		for _, report := range r.GetReports() {
			names = append(names, report.GetTaskId()+fmt.Sprintf(" %T", report.GetReport())[len(" *millpondv1.TaskReport_"):])
			response.Results = append(response.Results, taken(report))
		}
		mu.Lock()
		calls = append(calls, names)
		mu.Unlock()
		if !r.GetBrief() {
			t.Error("it wants whole tasks")
		}
		inFlight <- struct{}{}
		<-goOn
		return response, nil
	}
	waiting := make(chan struct{}, 10)
	b.start(func(ctx context.Context, task *Task) (any, error) {
		if task.ID() == "0" {
			return nil, nil
		}
		waiting <- struct{}{}
		return nil, task.Heartbeat(ctx, map[string]int{"percent": 50})
	})
	s := b.begin()
	s.credit()
	s.assign("0")
	next(t, inFlight, "report")
	s.assign("1", "2", "3")
	for range 3 {
		next(t, waiting, "start")
	}
	close(goOn)
	b.worker.Stop()
	mu.Lock()
	defer mu.Unlock()
	last := map[string]string{}
	count := 0
	for _, names := range calls {
		for _, name := range names {
			id, kind, _ := strings.Cut(name, " ")
			if kind == "Heartbeat_" && last[id] != "" {
				t.Errorf("the heartbeat of %s comes behind its %s", id, last[id])
			}
			last[id] = kind
			count++
		}
	}
	if count != 7 || len(calls) > 7 {
		t.Errorf("calls were %v", calls)
	}
}

func TestAReportThatIsRefusedAloneStopsNoOthers(t *testing.T) {
	b := newBench(t)
	b.options.Slots = 10
	first, goOn := make(chan struct{}, 100), make(chan struct{})
	b.tasks.report = func(_ context.Context, r *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
		first <- struct{}{}
		<-goOn
		response := &millpondv1.ReportTasksResponse{}
		for _, report := range r.GetReports() {
			if report.GetSuccess().GetOutput().GetStringValue() == "bad" {
				return nil, refusal(codes.InvalidArgument, "INVALID_FIELD", "reports[?] is bad")
			}
			response.Results = append(response.Results, taken(report))
		}
		for _, report := range r.GetReports() {
			b.reports <- report
		}
		return response, nil
	}
	b.start(func(_ context.Context, task *Task) (any, error) { return task.ID(), nil })
	s := b.begin()
	s.credit()
	s.assign("first")
	next(t, first, "report")
	s.assign("a", "b", "bad", "c", "d")
	close(goOn)
	outputs := map[string]string{}
	for range 6 {
		report := next(t, b.reports, "report")
		outputs[report.GetTaskId()] = report.GetSuccess().GetOutput().GetStringValue() + report.GetFailure().GetCode()
	}
	want := map[string]string{"first": "first", "a": "a", "b": "b", "bad": "OUTPUT_REFUSED", "c": "c", "d": "d"}
	if fmt.Sprint(outputs) != fmt.Sprint(want) {
		t.Errorf("what came is %v", outputs)
	}
}

func TestAReportIsSentAgainWhileTheServerIsAway(t *testing.T) {
	b := newBench(t)
	var calls atomic.Int32
	take := b.tasks.report
	b.tasks.report = func(
		ctx context.Context, r *millpondv1.ReportTasksRequest,
	) (*millpondv1.ReportTasksResponse, error) {
		if calls.Add(1) <= attemptsOfCall+1 {
			return nil, status.Error(codes.Unavailable, "away")
		}
		return take(ctx, r)
	}
	b.start(func(context.Context, *Task) (any, error) { return 7, nil })
	s := b.begin()
	s.credit()
	s.assign("t")
	if report := next(t, b.reports, "report"); report.GetSuccess() == nil {
		t.Errorf("it is %v", report)
	}
	if err := next(t, b.errors, "error"); !IsTransient(err) {
		t.Errorf("%v was told", err)
	}
}

func TestWhatBecomesOfARefusedReport(t *testing.T) {
	invalid := refused(millpondv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "too large")
	for name, each := range map[string]struct {
		result *millpondv1.ReportResult
		again  bool
	}{
		"an output that is too large": {invalid, true},
		"a task that has ended":       {refused(millpondv1.ErrorReason_ERROR_REASON_TASK_ENDED, "over"), false},
		"another attempt":             {refused(millpondv1.ErrorReason_ERROR_REASON_STALE_ATTEMPT, "over"), false},
		"a task that is gone":         {refused(millpondv1.ErrorReason_ERROR_REASON_TASK_NOT_FOUND, "gone"), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.tasks.report = answering(func(report *millpondv1.TaskReport) *millpondv1.ReportResult {
				b.reports <- report
				if report.GetSuccess() != nil {
					return each.result
				}
				return taken(report)
			})
			b.start(func(context.Context, *Task) (any, error) { return "large", nil })
			s := b.begin()
			s.credit()
			s.assign("t")
			next(t, b.reports, "report")
			b.worker.Stop()
			if each.again != (len(b.reports) == 1) {
				t.Fatalf("%d more reports came", len(b.reports))
			}
			if each.again {
				failure := (<-b.reports).GetFailure()
				if failure.GetCode() != "OUTPUT_REFUSED" || !strings.Contains(failure.GetMessage(), "too large") {
					t.Errorf("instead came %v", failure)
				}
			}
		})
	}
}

func TestACallThatFailsForAnotherReasonThanItsContent(t *testing.T) {
	for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.Internal} {
		t.Run(code.String(), func(t *testing.T) {
			b := newBench(t)
			b.tasks.report = func(
				_ context.Context, r *millpondv1.ReportTasksRequest,
			) (*millpondv1.ReportTasksResponse, error) {
				b.reports <- r.GetReports()[0]
				return nil, status.Error(code, "not now")
			}
			b.start(func(context.Context, *Task) (any, error) { return "done", nil })
			s := b.begin()
			s.credit()
			s.assign("t")
			next(t, b.reports, "report")
			b.worker.Stop()
			if len(b.reports) != 0 {
				t.Fatalf("%v was reported instead", <-b.reports)
			}
		})
	}
}

func TestAHeartbeatTellsWhatTheServerSays(t *testing.T) {
	b := newBench(t)
	answers := make(chan *millpondv1.ReportResult, 3)
	b.tasks.report = answering(func(report *millpondv1.TaskReport) *millpondv1.ReportResult {
		b.reports <- report
		if report.GetHeartbeat() != nil {
			return <-answers
		}
		return taken(report)
	})
	told := make(chan error, 3)
	b.start(func(ctx context.Context, task *Task) (any, error) {
		told <- task.Heartbeat(ctx, 0.5)
		told <- task.Heartbeat(ctx, make(chan int))
		told <- task.Heartbeat(context.Background(), nil)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	answers <- taken(&millpondv1.TaskReport{})
	answers <- refused(millpondv1.ErrorReason_ERROR_REASON_STALE_ATTEMPT, "another one")
	s := b.begin()
	s.credit()
	s.assign("t")
	if err := next(t, told, "answer"); err != nil {
		t.Errorf("one that is taken: %v", err)
	}
	if err := next(t, told, "answer"); err == nil || !strings.Contains(err.Error(), "no JSON") {
		t.Errorf("one that is no JSON: %v", err)
	}
	if err := next(t, told, "answer"); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("one that is refused: %v", err)
	}
	if progress := next(t, b.reports, "heartbeat").GetHeartbeat().GetProgress(); progress.GetNumberValue() != 0.5 {
		t.Errorf("the progress is %v", progress)
	}
	s.credit()
	if report := next(t, b.reports, "heartbeat"); report.GetHeartbeat().GetProgress() != nil || len(b.reports) > 0 {
		t.Errorf("%v came, and %d more", report, len(b.reports))
	}
}

func TestLinesAndCountsAreInBeforeTheReport(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var order []string
	ids := map[string]int{}
	note := func(id, what string) bool {
		mu.Lock()
		defer mu.Unlock()
		if id != "" {
			ids[id]++
			if ids[id] == 1 {
				// Its answer is lost.
				return false
			}
		}
		order = append(order, what)
		return true
	}
	lost := status.Error(codes.Unavailable, "lost")
	b.workers.append = func(_ context.Context, r *millpondv1.AppendLogsRequest) (*millpondv1.AppendLogsResponse, error) {
		var lines []string
		for _, entry := range r.GetEntries() {
			lines = append(lines, Name(entry.GetLevel())+" "+entry.GetMessage())
		}
		if !note(r.GetRequestId(), strings.Join(lines, ", ")) {
			return nil, lost
		}
		return &millpondv1.AppendLogsResponse{}, nil
	}
	b.tasks.count = func(_ context.Context, r *millpondv1.AddCountsRequest) (*millpondv1.AddCountsResponse, error) {
		if !note(r.GetRequestId(), fmt.Sprint("counts ", r.GetCounts()[0].GetSuccess(), r.GetCounts()[0].GetFailure())) {
			return nil, lost
		}
		return &millpondv1.AddCountsResponse{}, nil
	}
	b.tasks.report = answering(func(report *millpondv1.TaskReport) *millpondv1.ReportResult {
		note("", "report")
		b.reports <- report
		return taken(report)
	})
	b.start(func(_ context.Context, task *Task) (any, error) {
		task.Logger().Info("one")
		task.Logger().Error("two")
		if err := task.Count(-1, 0); err == nil {
			t.Error("a negative count is taken")
		}
		return nil, errors.Join(task.Count(3, 0), task.Count(2, 1))
	})
	s := b.begin()
	s.credit()
	s.assign("t")
	if report := next(t, b.reports, "report"); report.GetSuccess() == nil {
		t.Errorf("the report is %v", report)
	}
	mu.Lock()
	defer mu.Unlock()
	got := strings.Join(order, "; ")
	if got != "counts 5 1; INFO one, ERROR two; report" && got != "INFO one, ERROR two; counts 5 1; report" {
		t.Errorf("what came is %s", got)
	}
	for id, times := range ids {
		if times != 2 {
			t.Errorf("request id %s came %d times", id, times)
		}
	}
}

func TestALogOfAnotherAttemptLosesTheLease(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.workers.append = func(context.Context, *millpondv1.AppendLogsRequest) (*millpondv1.AppendLogsResponse, error) {
		return nil, refusal(codes.FailedPrecondition, "STALE_ATTEMPT", "another one")
	}
	b.start(func(ctx context.Context, task *Task) (any, error) {
		task.Log(0, "a line")
		return h.handle(ctx, task)
	})
	s := b.begin()
	s.credit()
	s.assign("t")
	if cause := next(t, h.causes, "abort"); !errors.Is(cause, ErrLeaseLost) {
		t.Errorf("it was told %v", cause)
	}
	s.credit()
	if len(b.reports) > 0 {
		t.Errorf("%v is reported", <-b.reports)
	}
}

func TestAReportWaitsForAServerThatAsksForALongDelay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.options.StopGrace = -1
	b.tasks.report = func(_ context.Context, r *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
		b.reports <- r.GetReports()[0]
		return nil, refusal(codes.Unavailable, "STORE_UNAVAILABLE", "later", retryInfo(time.Hour))
	}
	b.start(func(context.Context, *Task) (any, error) { return "output", nil })
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, b.errors, "error")
	b.worker.Stop()
	for len(b.reports) > 0 {
		if report := <-b.reports; report.GetSuccess() == nil {
			t.Errorf("%v is reported instead", report)
		}
	}
}

func TestAHeartbeatThatNobodyWaitsForIsNotSent(t *testing.T) {
	b := newBench(t)
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	report := b.tasks.report
	b.tasks.report = func(ctx context.Context, r *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
		arrived <- struct{}{}
		<-goOn
		return report(ctx, r)
	}
	b.start(func(ctx context.Context, task *Task) (any, error) {
		first := make(chan error, 1)
		go func() { first <- task.Heartbeat(ctx, "in flight") }()
		<-arrived
		ended, end := context.WithCancel(ctx)
		end()
		for range 3 {
			if err := task.Heartbeat(ended, "given up"); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		}
		close(goOn)
		return nil, <-first
	})
	s := b.begin()
	s.credit()
	s.assign("t")
	if heartbeat := next(t, b.reports, "report").GetHeartbeat(); heartbeat.GetProgress().GetStringValue() != "in flight" {
		t.Errorf("it is %v", heartbeat)
	}
	if report := next(t, b.reports, "report"); report.GetSuccess() == nil {
		t.Errorf("%v is reported", report)
	}
}

func TestRefusedCountsAreTold(t *testing.T) {
	b := newBench(t)
	b.tasks.count = func(_ context.Context, r *millpondv1.AddCountsRequest) (*millpondv1.AddCountsResponse, error) {
		reason := millpondv1.ErrorReason_ERROR_REASON_TASK_ENDED
		rejection := &millpondv1.CountRejection{Error: &millpondv1.ItemError{Reason: reason, Message: "over"}}
		return &millpondv1.AddCountsResponse{Rejections: []*millpondv1.CountRejection{rejection}}, nil
	}
	b.start(func(_ context.Context, task *Task) (any, error) { return nil, task.Count(1, 0) })
	s := b.begin()
	s.credit()
	s.assign("t")
	if err := next(t, b.errors, "error"); !strings.Contains(err.Error(), "t were refused: TASK_ENDED: over") {
		t.Errorf("%v was told", err)
	}
	next(t, b.reports, "report")
}

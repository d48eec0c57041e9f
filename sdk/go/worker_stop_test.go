package millpond

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAStopTakesNoMoreAndLetsHandlersFinish(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	stopped := make(chan struct{})
	go func() {
		b.worker.Stop()
		close(stopped)
	}()
	if request := s.next("drain"); request.GetDrain() == nil {
		t.Errorf("not a drain came but %v", request)
	}
	// What was on its way when the server read the drain.
	s.assign("late")
	if task := next(t, h.started, "start"); task.ID() != "late" {
		t.Errorf("%s began", task.ID())
	}
	close(h.released)
	next(t, b.reports, "report")
	next(t, b.reports, "report")
	next(t, stopped, "end of the stop")
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
	for request := range s.requests {
		t.Errorf("%v came behind the drain", request)
	}
}

func TestTheEndOfRunsContextStopsTheWorkerToo(t *testing.T) {
	type key struct{}
	b := newBench(t)
	server := serve(t, b.tasks, nil, b.workers)
	worker, err := NewWorker(server.client(t, nil), b.options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	drained := make(chan struct{})
	worker.Handle("k", func(inner context.Context, task *Task) (any, error) {
		cancel()
		<-drained
		return inner.Value(key{}), inner.Err()
	})
	go func() { b.ended <- worker.Run(ctx) }()
	s := b.begin()
	s.credit()
	s.assign("t")
	s.next("drain")
	close(drained)
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if report := next(t, b.reports, "report"); report.GetSuccess().GetOutput().GetStringValue() != "value" {
		t.Errorf("the report is %v", report)
	}
	leavesNothingBehind(t)
}

func TestHandlersThatOutliveTheGraceAreToldThatTheWorkerStops(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.options.StopGrace = -1
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	b.worker.Stop()
	if cause := next(t, h.causes, "abort"); !errors.Is(cause, ErrWorkerStopped) {
		t.Errorf("it was told %v", cause)
	}
	if failure := next(t, b.reports, "report").GetFailure(); failure.GetCode() != "WORKER_STOPPED" {
		t.Errorf("the report is %v", failure)
	}
}

func TestAWorkerEndsThoughAHandlerNeverReturns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.options.StopGrace = -1
	started, goOn := make(chan *Task, 1), make(chan struct{})
	over := make(chan error, 1)
	b.start(func(ctx context.Context, task *Task) (any, error) {
		started <- task
		<-goOn
		// Nobody takes these any more, and nothing waits for ever.
		task.Log(0, "too late")
		over <- errors.Join(task.Count(1, 1), task.Heartbeat(context.Background(), nil))
		return nil, nil
	})
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, started, "start")
	b.worker.Stop()
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
	close(goOn)
	if err := next(t, over, "end of the handler"); !errors.Is(err, errRunEnded) {
		t.Errorf("the handler is told %v", err)
	}
	if len(b.reports) > 0 {
		t.Errorf("%v is reported", <-b.reports)
	}
}

func TestAStopDoesNotWaitForAServerThatIsAwayOrNeverAnswers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for name, address := range map[string]string{"away": "127.0.0.1:1", "silent": silent.Addr().String()} {
		for _, disableStream := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				b, h := newBench(t), newHeld()
				b.options.DisableStream = disableStream
				b.startAt(address, h.handle)
				eventually(t, "it has begun", func() bool { return b.hasRun() })
				b.worker.Stop()
				if err := next(t, b.ended, "end"); err != nil {
					t.Errorf("it ended with %v", err)
				}
			})
		}
	}
}

func (b *bench) hasRun() bool {
	b.worker.mu.Lock()
	defer b.worker.mu.Unlock()
	return b.worker.hasRun
}

func TestAStopDoesNotWaitForAStreamWithoutAWelcome(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := next(t, b.sessions, "stream")
	b.worker.Stop()
	next(t, s.stream.Context().Done(), "end of the stream")
}

func TestAReportThatCannotBeSentIsGivenUpWithTheWorker(t *testing.T) {
	t.Parallel()
	b, h := newBench(t), newHeld()
	b.options.StopGrace = -1
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	b.server.server.Stop()
	b.worker.Stop()
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestAWorkerThatIsRefusedLetsItsHandlersFinish(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.start(h.handle)
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, h.started, "start")
	s.end <- status.Error(codes.PermissionDenied, "no more")
	close(h.released)
	next(t, b.reports, "report")
	if err := next(t, b.ended, "end"); codeOf(err) != codes.PermissionDenied {
		t.Errorf("it ended with %v", err)
	}
}

func TestAWorkerEndsWhenItsClientIsClosed(t *testing.T) {
	for _, disableStream := range []bool{false, true} {
		b, h := newBench(t), newHeld()
		b.options.DisableStream = disableStream
		server := serve(t, b.tasks, nil, b.workers)
		client := server.client(t, nil)
		worker, err := NewWorker(client, b.options)
		if err != nil {
			t.Fatal(err)
		}
		worker.Handle("k", h.handle)
		client.Close()
		go func() { b.ended <- worker.Run(context.Background()) }()
		if err := next(t, b.ended, "end"); codeOf(err) != codes.Canceled {
			t.Errorf("it ended with %v", err)
		}
		leavesNothingBehind(t)
	}
}

func TestAWorkerRunsOnce(t *testing.T) {
	client := clientOf(t, "127.0.0.1:1", nil)
	handler := func(context.Context, *Task) (any, error) { return nil, nil }
	worker, err := NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no handler") {
		t.Errorf("without a handler: %v", err)
	}
	worker.Handle("k", handler)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := worker.Run(ctx); err != nil {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := worker.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
	worker.Stop()
	panics(t, "a handler that comes too late", func() { worker.Handle("other", handler) })
}

func TestAWorkerThatWasStoppedBeforeDoesNotBegin(t *testing.T) {
	worker, err := NewWorker(clientOf(t, "127.0.0.1:1", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	worker.Handle("k", func(context.Context, *Task) (any, error) { return nil, nil })
	panics(t, "a second handler of a kind", func() { worker.Handle("k", nil) })
	worker.Stop()
	worker.Stop()
	if err := worker.Run(t.Context()); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestALeaseOfLessThanNothingIsRefused(t *testing.T) {
	if _, err := NewWorker(clientOf(t, "127.0.0.1:1", nil), &WorkerOptions{Lease: -1}); err == nil {
		t.Error("it is taken")
	}
}

func panics(t *testing.T, what string, do func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s is taken", what)
		}
	}()
	do()
}

func TestTheDefaultsOfAWorker(t *testing.T) {
	client := clientOf(t, "127.0.0.1:1", nil)
	worker, err := NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := worker.options
	if o.Slots != 10 || o.StopGrace != 30*time.Second || o.Lease != 30*time.Second || o.SilenceMax != 45*time.Second ||
		o.StreamRetry != 30*time.Second || o.ClaimWait != 30*time.Second || strings.Count(worker.ID(), "-") < 2 {
		t.Errorf("they are %+v", o)
	}
	for _, slots := range []int{-1, 10_001} {
		_, err := NewWorker(client, &WorkerOptions{Slots: slots})
		if err == nil || !strings.Contains(err.Error(), "slots") {
			t.Errorf("%d slots: %v", slots, err)
		}
	}
}

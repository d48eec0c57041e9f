package millpond

import (
	"context"
	"fmt"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// bench is a worker and the server that it works for, of which each test plays the part.
type bench struct {
	t       *testing.T
	tasks   *tasksFake
	workers *workersFake
	options *WorkerOptions
	server  *fakeServer
	worker  *Worker
	// sessions are the streams of the worker, as they come.
	sessions chan *session
	// reports are what has been reported, each taken unless a test says otherwise.
	reports chan *millpondv1.TaskReport
	// errors are those that the worker told of.
	errors chan error
	// ended is what Run returned.
	ended chan error
}

// newBench makes a bench on which nothing runs yet.
func newBench(t *testing.T) *bench {
	b := &bench{
		t: t, sessions: make(chan *session, 100), reports: make(chan *millpondv1.TaskReport, 1000),
		errors: make(chan error, 1000), ended: make(chan error, 1),
	}
	b.options = &WorkerOptions{ID: "w", Slots: 2, OnError: func(err error) {
		select {
		case b.errors <- err:
		default:
		}
	}}
	b.tasks = &tasksFake{
		report: func(_ context.Context, r *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error) {
			answer := &millpondv1.ReportTasksResponse{}
			for _, report := range r.GetReports() {
				b.reports <- report
				answer.Results = append(answer.Results, taken(report))
			}
			return answer, nil
		},
	}
	b.workers = &workersFake{work: func(stream workStreamServer) error { return newSession(b, stream).serve() }}
	return b
}

// start runs a worker with one handler of kind "k", until the test ends or stops it.
func (b *bench) start(handler Handler) {
	b.t.Helper()
	b.server = serve(b.t, b.tasks, nil, b.workers)
	b.startAt(b.server.address, handler)
}

func (b *bench) startAt(address string, handler Handler) {
	b.t.Helper()
	worker, err := NewWorker(clientOf(b.t, address, nil), b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	worker.Handle("k", handler)
	b.worker = worker
	go func() { b.ended <- worker.Run(context.Background()) }()
	b.t.Cleanup(func() {
		worker.Stop()
		leavesNothingBehind(b.t)
	})
}

func taken(report *millpondv1.TaskReport) *millpondv1.ReportResult {
	task := &millpondv1.Task{TaskId: report.GetTaskId()}
	return &millpondv1.ReportResult{Result: &millpondv1.ReportResult_Task{Task: task}}
}

func refused(reason millpondv1.ErrorReason, message string) *millpondv1.ReportResult {
	return &millpondv1.ReportResult{Result: &millpondv1.ReportResult_Error{
		Error: &millpondv1.ItemError{Reason: reason, Message: message},
	}}
}

func assignments(taskIDs ...string) []*millpondv1.Assignment {
	var list []*millpondv1.Assignment
	for _, id := range taskIDs {
		list = append(list, &millpondv1.Assignment{Task: &millpondv1.Task{TaskId: id, Kind: "k"}, Attempt: 1})
	}
	return list
}

// session is one stream of a worker, as the server sees it.
type session struct {
	bench  *bench
	stream workStreamServer
	// requests are what the worker says; closed at its end.
	requests chan *millpondv1.WorkRequest
	// end ends the stream from the server's side.
	end chan error
}

func newSession(b *bench, stream workStreamServer) *session {
	return &session{
		bench: b, stream: stream, requests: make(chan *millpondv1.WorkRequest, 1000), end: make(chan error, 1),
	}
}

// serve hands the session to the test, and ends it when the test or the worker does.
func (s *session) serve() error {
	s.bench.sessions <- s
	isClosed := make(chan struct{})
	go func() {
		defer close(isClosed)
		defer close(s.requests)
		for {
			request, err := s.stream.Recv()
			if err != nil {
				return
			}
			s.requests <- request
		}
	}()
	select {
	case err := <-s.end:
		return err
	case <-isClosed:
		return nil
	}
}

// next is what the worker says next.
func (s *session) next(what string) *millpondv1.WorkRequest {
	s.bench.t.Helper()
	return next(s.bench.t, s.requests, what)
}

func (s *session) send(response *millpondv1.WorkResponse) {
	s.bench.t.Helper()
	if err := s.stream.Send(response); err != nil {
		s.bench.t.Errorf("the stream takes nothing: %v", err)
	}
}

// welcome welcomes the worker, with a heartbeat interval; the lease is an hour.
func (s *session) welcome(interval time.Duration) {
	s.send(&millpondv1.WorkResponse{Message: &millpondv1.WorkResponse_Welcome{Welcome: &millpondv1.WorkerWelcome{
		HeartbeatInterval: durationpb.New(interval), Lease: durationpb.New(time.Hour),
	}}})
}

func (s *session) assign(taskIDs ...string) {
	s.send(&millpondv1.WorkResponse{Message: &millpondv1.WorkResponse_Assignments{
		Assignments: &millpondv1.AssignmentList{Assignments: assignments(taskIDs...)},
	}})
}

// credit is the credit that the worker gives next; heartbeats come in between.
func (s *session) credit() int32 {
	s.bench.t.Helper()
	for {
		request := s.next("credit")
		if credit := request.GetCredit(); credit != nil {
			return credit.GetTasks()
		}
		if request.GetHeartbeat() == nil {
			s.bench.t.Fatalf("not credit came but %v", request)
		}
	}
}

// begin takes a session through hello, welcome and the first heartbeat, which names attempts.
func (b *bench) begin(named ...string) *session {
	b.t.Helper()
	s := next(b.t, b.sessions, "stream")
	hello := s.next("hello").GetHello()
	if hello.GetWorkerId() != "w" || hello.GetSlots() != int32(b.options.Slots) || fmt.Sprint(hello.GetKinds()) != "[k]" {
		b.t.Errorf("the worker says %v", hello)
	}
	s.welcome(time.Hour)
	request := s.next("heartbeat")
	if request.GetHeartbeat() == nil {
		b.t.Fatalf("not a heartbeat came but %v", request)
	}
	var got []string
	for _, lease := range request.GetHeartbeat().GetLeases() {
		got = append(got, lease.GetTaskId())
	}
	if fmt.Sprint(got) != fmt.Sprint(named) {
		b.t.Errorf("the heartbeat names %v, not %v", got, named)
	}
	return s
}

// held is a handler that tells of its start and then waits for its context or its release.
type held struct {
	started  chan *Task
	released chan struct{}
	causes   chan error
}

func newHeld() *held {
	return &held{started: make(chan *Task, 100), released: make(chan struct{}), causes: make(chan error, 100)}
}

func (h *held) handle(ctx context.Context, task *Task) (any, error) {
	h.started <- task
	select {
	case <-h.released:
		return nil, nil
	case <-ctx.Done():
		h.causes <- context.Cause(ctx)
		return nil, ctx.Err()
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/millpond/millpond/sdk/go"
)

// worker is a worker of the SDK, and what has been seen of it.
type worker struct {
	sdk *millpond.Worker
	// released is closed when handlers that hold may go on.
	released chan struct{}
	release  sync.Once
	done     chan struct{}

	mu     sync.Mutex
	events []event
	errors []string
	err    error
}

type event struct {
	Type    string          `json:"type"`
	TaskID  string          `json:"taskId"`
	Kind    string          `json:"kind"`
	Attempt int32           `json:"attempt"`
	Input   json.RawMessage `json:"input,omitempty"`
	Reason  string          `json:"reason,omitempty"`
}

func (r *runner) openWorker(_ context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		Client, Worker, WorkerID string
		Handlers                 map[string]action
		Slots                    *int
		Labels                   map[string]string
		Stream                   *bool
		LeaseMs                  int64
		StopGraceMs              *int64
		StopOnSigterm            bool
		SilenceMaxMs             int64
		StreamRetryMs            *int64
	}](line)
	if err != nil {
		return nil, err
	}
	client, err := r.clients.get(fields.Client)
	if err != nil {
		return nil, err
	}
	w := &worker{released: make(chan struct{}), done: make(chan struct{})}
	options := &millpond.WorkerOptions{
		ID: fields.WorkerID, Slots: givenSlots(fields.Slots), Labels: fields.Labels, OnError: w.noteError,
		DisableStream: fields.Stream != nil && !*fields.Stream, Lease: milliseconds(fields.LeaseMs),
		StopGrace: givenMilliseconds(fields.StopGraceMs), StreamRetry: givenMilliseconds(fields.StreamRetryMs),
		SilenceMax: milliseconds(fields.SilenceMaxMs),
	}
	if fields.StopOnSigterm {
		options.StopSignals = []os.Signal{syscall.SIGTERM}
	}
	if w.sdk, err = millpond.NewWorker(client, options); err != nil {
		return nil, err
	}
	for kind, action := range fields.Handlers {
		w.sdk.Handle(kind, w.handler(action))
	}
	go w.run()
	r.workers.put(fields.Worker, w)
	return map[string]string{"workerId": w.sdk.ID()}, nil
}

// givenSlots is a number of slots where 0 is another one than none: the SDK takes 0 for its default.
func givenSlots(slots *int) int {
	switch {
	case slots == nil:
		return 0
	case *slots == 0:
		return -1
	default:
		return *slots
	}
}

func (w *worker) run() {
	err := w.sdk.Run(context.Background())
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	close(w.done)
}

func (w *worker) stop() {
	w.sdk.Stop()
	<-w.done
}

func (w *worker) noteError(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors = append(w.errors, err.Error())
}

func (w *worker) note(task *millpond.Task, event event) {
	event.TaskID, event.Kind, event.Attempt = task.ID(), task.Kind(), task.Attempt()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event)
}

// handler does what an action says, and notes what happens to it.
func (w *worker) handler(action action) millpond.Handler {
	return func(ctx context.Context, task *millpond.Task) (any, error) {
		started := event{Type: "started"}
		if input := task.Assignment().GetTask().GetInput(); input != nil {
			text, err := toJSON(input)
			if err != nil {
				return nil, err
			}
			started.Input = text
		}
		w.note(task, started)
		noteAbort := sync.OnceFunc(func() {
			w.note(task, event{Type: "aborted", Reason: abortReason(ctx)})
		})
		stop := context.AfterFunc(ctx, noteAbort)
		defer func() {
			stop()
			if ctx.Err() != nil {
				noteAbort()
			}
			w.note(task, event{Type: "ended"})
		}()
		return action.do(ctx, task, w.released)
	}
}

func abortReason(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, millpond.ErrCancelRequested):
		return "CANCEL_REQUESTED"
	case errors.Is(cause, millpond.ErrLeaseLost):
		return "LEASE_LOST"
	case errors.Is(cause, millpond.ErrWorkerStopped):
		return "WORKER_STOPPED"
	default:
		return cause.Error()
	}
}

func (r *runner) workerOf(line json.RawMessage) (*worker, error) {
	fields, err := decoded[struct{ Worker string }](line)
	if err != nil {
		return nil, err
	}
	return r.workers.get(fields.Worker)
}

func (r *runner) releaseWorker(_ context.Context, line json.RawMessage) (any, error) {
	w, err := r.workerOf(line)
	if err != nil {
		return nil, err
	}
	w.release.Do(func() { close(w.released) })
	return none{}, nil
}

func (r *runner) stateOfWorker(_ context.Context, line json.RawMessage) (any, error) {
	w, err := r.workerOf(line)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	state := map[string]any{
		"events": append([]event{}, w.events...), "errors": append([]string{}, w.errors...), "done": nil,
	}
	select {
	case <-w.done:
		state["done"] = none{}
		if w.err != nil {
			state["done"] = map[string]any{"error": describe(w.err)}
		}
	default:
	}
	return state, nil
}

func (r *runner) stopWorker(_ context.Context, line json.RawMessage) (any, error) {
	w, err := r.workerOf(line)
	if err != nil {
		return nil, err
	}
	w.stop()
	return none{}, nil
}

// pause waits until the context ends, with its error, or what is awaited comes.
func pause[T any](ctx context.Context, awaited <-chan T) error {
	select {
	case <-awaited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func after(ms int64) <-chan time.Time {
	return time.After(milliseconds(ms))
}

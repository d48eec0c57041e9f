package millpond

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"
)

// WorkerOptions says who a worker is and how much it takes on. The zero value is fine.
type WorkerOptions struct {
	// ID is the worker's own name, unique among those connected; "": host, process id and a random part.
	ID string
	// Slots is how many tasks it executes at the same time, 1 to 10,000; 0: 10.
	Slots int
	// Labels are compared with those that a task requires.
	Labels map[string]string
	// StopSignals are signals of which the first one stops the worker, as Stop does; the next one does what it would
	// without a worker. os.Interrupt and syscall.SIGTERM are the usual ones; none: signals are left alone.
	StopSignals []os.Signal
	// StopGrace is how long handlers may go on when the worker stops, before their context ends; 0: 30 s, negative: none.
	StopGrace time.Duration
	// OnError is told what went wrong and is being dealt with: a server that is away, a report that was refused, a
	// handler that panicked. It is called by one goroutine, for one error after the other, and holds up nothing: it may
	// call Stop. Of more than 1,000 errors that wait for it the further ones are only counted. Nil: nobody is told.
	OnError func(error)

	// DisableStream makes it claim tasks by calls. Otherwise it takes them by a stream, where one passes to the server.
	DisableStream bool
	// StreamRetry is how long it claims by calls, where no stream passed, before it tries the stream again; twice as long
	// after each failure, up to twenty times. 0: 30 s, up to 10 minutes; negative: at once.
	StreamRetry time.Duration
	// SilenceMax is how long the stream may say nothing before it is taken for broken; 0: 45 s, negative: for ever. The
	// server speaks every 15 s.
	SilenceMax time.Duration
	// Lease is how long the server waits before it gives the tasks of a silent worker to others, where they are claimed
	// by calls, from 1 s to 1 h; 0: 30 s.
	Lease time.Duration
	// ClaimWait is how long one claim waits for a task, at most 60 s; 0: 30 s, negative: it does not wait.
	ClaimWait time.Duration
}

// Worker takes tasks of the kinds that it has handlers for, runs them and reports what became of them. It runs once.
type Worker struct {
	client   *Client
	options  WorkerOptions
	handlers map[string]Handler

	mu      sync.Mutex
	hasRun  bool
	stopped bool
	// stop is closed when it is to stop, done when it has.
	stop chan struct{}
	done chan struct{}
}

const (
	defaultSlots       = 10
	slotsMax           = 10_000
	defaultGrace       = 30 * time.Second
	defaultLease       = 30 * time.Second
	defaultClaimWait   = 30 * time.Second
	defaultStreamRetry = 30 * time.Second
)

// NewWorker makes a worker that takes tasks from the client's server; nil options are the defaults. It fails for a
// number of slots, or a lease, that no worker has. Name its handlers, then call Run.
func NewWorker(client *Client, options *WorkerOptions) (*Worker, error) {
	w := &Worker{
		client: client, handlers: map[string]Handler{}, stop: make(chan struct{}), done: make(chan struct{}),
	}
	if options != nil {
		w.options = *options
	}
	o := &w.options
	if o.Slots == 0 {
		o.Slots = defaultSlots
	}
	if o.Slots < 1 || o.Slots > slotsMax {
		return nil, fmt.Errorf("millpond: a worker has from 1 to %d slots, not %d", slotsMax, o.Slots)
	}
	if o.Lease < 0 {
		return nil, fmt.Errorf("millpond: a lease lasts from 1 s to 1 h, not %v", o.Lease)
	}
	if o.ID == "" {
		o.ID = newWorkerID()
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	o.Labels = maps.Clone(o.Labels)
	o.StopSignals = slices.Clone(o.StopSignals)
	o.StopGrace = orDefault(o.StopGrace, defaultGrace)
	o.StreamRetry = orDefault(o.StreamRetry, defaultStreamRetry)
	o.SilenceMax = silenceOrDefault(o.SilenceMax)
	o.Lease = orDefault(o.Lease, defaultLease)
	o.ClaimWait = orDefault(o.ClaimWait, defaultClaimWait)
	return w, nil
}

func newWorkerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), newUUID()[:8])
}

// orDefault is a duration that was given: 0 is the default, a negative one none at all.
func orDefault(given, standard time.Duration) time.Duration {
	if given == 0 {
		return standard
	}
	return max(0, given)
}

// ID is the worker's name.
func (w *Worker) ID() string {
	return w.options.ID
}

// Handle names the handler of a kind of task. It panics when the kind has one, and when the worker has been started.
func (w *Worker) Handle(kind string, handler Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hasRun {
		panic(fmt.Sprintf("millpond: the handler of %q comes too late: the worker has started", kind))
	}
	if _, isTaken := w.handlers[kind]; isTaken {
		panic(fmt.Sprintf("millpond: kind %q has a handler already", kind))
	}
	w.handlers[kind] = handler
}

// Run takes tasks until the context ends, Stop is called, or one of StopSignals comes; then it takes no more, lets
// handlers finish (StopGrace), ends the context of those that have not with [ErrWorkerStopped], sends the last
// reports, and returns nil, at most 5 s later even if a handler never returns. The contexts of handlers have the
// values of this one, not its end. OnError has been told all then, unless that takes more than a second.
//
// A server that is away is waited for. Run stops in the same way, and returns the error, when the server refuses the
// worker for good: its credentials, what it says of itself, or because another worker of its name has come; and when
// the client is closed.
func (w *Worker) Run(ctx context.Context) error {
	isFirst, err := w.start()
	if !isFirst {
		return err
	}
	defer close(w.done)
	signals := make(chan os.Signal, 1)
	if len(w.options.StopSignals) > 0 {
		signal.Notify(signals, w.options.StopSignals...)
		defer signal.Stop(signals)
	}
	run := newWorkerRun(ctx, w)
	failed := run.begin()
	select {
	case <-ctx.Done():
	case <-w.stop:
	case <-signals:
	case err = <-failed:
	}
	signal.Stop(signals)
	run.end()
	return err
}

// start tells whether the worker is to run now; if not, with what Run returns.
func (w *Worker) start() (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.hasRun:
		return false, errors.New("millpond: the worker has been started already")
	case len(w.handlers) == 0:
		return false, errors.New("millpond: the worker has no handler; name one with Handle")
	case w.stopped:
		return false, nil
	}
	w.hasRun = true
	return true, nil
}

// Stop stops the worker as the end of Run's context does, and returns when Run has ended; at once when it has not
// begun: then it does not begin. A handler that calls it waits for itself.
func (w *Worker) Stop() {
	w.mu.Lock()
	if !w.stopped {
		w.stopped = true
		close(w.stop)
	}
	hasRun := w.hasRun
	w.mu.Unlock()
	if hasRun {
		<-w.done
	}
}

package millpond

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

// Why a handler should stop: [context.Cause] of its context is one of these, or wraps it with what the server said.
var (
	// ErrCancelRequested: the task was canceled, or the attempt has timed out. Nothing is reported for it.
	ErrCancelRequested = errors.New("the attempt was canceled")
	// ErrLeaseLost: another worker may have the attempt. Nothing is reported for it.
	ErrLeaseLost = errors.New("the lease was lost")
	// ErrWorkerStopped: the worker stops, and its grace is over. A handler that ends by it fails with code
	// WORKER_STOPPED.
	ErrWorkerStopped = errors.New("the worker stops")
)

// leaseKey names an attempt.
type leaseKey struct {
	taskID string
	number int32
}

func keyOf(lease interface {
	GetTaskId() string
	GetAttempt() int32
}) leaseKey {
	return leaseKey{lease.GetTaskId(), lease.GetAttempt()}
}

func (k leaseKey) lease() *millpondv1.LeaseRef {
	return &millpondv1.LeaseRef{TaskId: k.taskID, Attempt: k.number}
}

// attempt is one execution of a task by this worker, from its assignment to the answer to its closing report.
type attempt struct {
	key        leaseKey
	kind       string
	assignment *millpondv1.Assignment
	// ctx is the handler's.
	ctx    context.Context
	cancel context.CancelCauseFunc
	log    logBuffer

	mu           sync.Mutex
	leaseExpires time.Time
	// counted is the last batch of counts with some of its own.
	counted *countBatch
}

func newAttempt(ctx context.Context, assignment *millpondv1.Assignment, leaseExpires time.Time) *attempt {
	task := assignment.GetTask()
	a := &attempt{
		key:          leaseKey{task.GetTaskId(), assignment.GetAttempt()},
		kind:         task.GetKind(),
		assignment:   assignment,
		leaseExpires: leaseExpires,
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// abort tells the handler to stop. Only the first call counts.
func (a *attempt) abort(cause error) {
	a.cancel(cause)
}

// isDisowned tells whether the attempt is no longer this worker's to report on.
func (a *attempt) isDisowned() bool {
	cause := context.Cause(a.ctx)
	return errors.Is(cause, ErrCancelRequested) || errors.Is(cause, ErrLeaseLost)
}

// extend notes until when the lease lasts.
func (a *attempt) extend(expires time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaseExpires = expires
}

// expire aborts the attempt if its lease has run out.
func (a *attempt) expire(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.After(a.leaseExpires) {
		a.abort(fmt.Errorf("%w: it ran out before it was extended", ErrLeaseLost))
	}
}

// run runs the handler to its end, whichever that is, and hands over the closing report. What panicked is told, with
// its stack.
func (a *attempt) run(handler Handler, task *Task, onPanic func(error), end func(*millpondv1.TaskReport)) {
	var report *millpondv1.TaskReport
	// Also of a handler that ends its goroutine (runtime.Goexit).
	defer func() {
		if report == nil {
			err := panicError(recover())
			onPanic(fmt.Errorf("the handler of %q panicked: %w\n%s", a.kind, err, debug.Stack()))
			report = a.failure(a.describePanic(err))
		}
		end(report)
	}()
	output, err := handler(a.ctx, task)
	if err != nil {
		report = a.failure(a.describe(err))
	} else {
		report = a.success(output)
	}
}

// describePanic is the failure to report for what a handler panicked with, of which methods may panic, too.
func (a *attempt) describePanic(err error) (failure *millpondv1.TaskReport_Failure) {
	defer func() {
		if recover() != nil {
			failure = &millpondv1.TaskReport_Failure{Message: wireText(fmt.Sprint(err), messageMax)}
		}
	}()
	return a.describe(err)
}

func panicError(value any) error {
	if err, ok := value.(error); ok {
		return err
	}
	if value == nil {
		return errors.New("the handler ended its goroutine")
	}
	return errors.New(fmt.Sprint(value))
}

func (a *attempt) success(output any) *millpondv1.TaskReport {
	value, err := optionalValue(output)
	if err != nil {
		return a.failure(a.describe(&TaskError{
			Message: fmt.Sprintf("the handler's output is no JSON: %v", err), Code: codeOutputNotJSON, NonRetryable: true,
		}))
	}
	success := &millpondv1.TaskReport_Success{Output: value}
	return a.report(&millpondv1.TaskReport{Report: &millpondv1.TaskReport_Success_{Success: success}})
}

func (a *attempt) failure(failure *millpondv1.TaskReport_Failure) *millpondv1.TaskReport {
	return a.report(&millpondv1.TaskReport{Report: &millpondv1.TaskReport_Failure_{Failure: failure}})
}

// report names the attempt in a report on it.
func (a *attempt) report(report *millpondv1.TaskReport) *millpondv1.TaskReport {
	report.TaskId, report.Attempt = a.key.taskID, a.key.number
	return report
}

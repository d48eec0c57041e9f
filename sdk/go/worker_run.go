package millpond

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// abandonAfter is how long aborted handlers and their reports may take before the worker ends without them.
const abandonAfter = 5 * time.Second

// workerRun is a worker from its start to its end.
type workerRun struct {
	worker *Worker
	// values are those of handlers' contexts. ctx ends when the run does, taking when no more tasks are taken.
	values, ctx, taking context.Context
	cancel              context.CancelFunc
	takeNoMore          context.CancelFunc
	// group is what works for the run, and takers what takes tasks for it. Handlers are in neither: one may never return.
	group, takers group
	errors        *errorListener
	roster        *roster
	reports       *reportQueue
	logs          *logQueue
	counts        *countQueue
	stream        *workStream
	leases        *leaseKeeper
}

func newWorkerRun(ctx context.Context, worker *Worker) *workerRun {
	r := &workerRun{worker: worker, values: context.WithoutCancel(ctx), roster: newRoster(worker.options.Slots)}
	r.ctx, r.cancel = context.WithCancel(r.values)
	r.taking, r.takeNoMore = context.WithCancel(r.ctx)
	client, options := worker.client, &worker.options
	r.errors = &errorListener{tell: options.OnError}
	onError := r.errors.add
	r.reports = &reportQueue{ctx: r.ctx, client: client, group: &r.group, onError: onError}
	r.logs = newLogQueue(r.ctx, client, &r.group, onError)
	r.counts = &countQueue{ctx: r.ctx, client: client, group: &r.group, onError: onError}
	r.leases = &leaseKeeper{
		ctx: r.ctx, client: client, group: &r.group, roster: r.roster, workerID: options.ID, lease: options.Lease,
		interval: make(chan time.Duration), onError: onError,
	}
	r.stream = &workStream{
		ctx: r.ctx, taking: r.taking, client: client, roster: r.roster, retry: options.StreamRetry,
		silenceMax: options.SilenceMax, begin: r.beginAttempt, onWelcome: r.leases.every, onError: onError,
		hello: &millpondv1.WorkerHello{
			WorkerId: options.ID, Kinds: r.kinds(), Labels: options.Labels, Slots: int32(options.Slots),
		},
	}
	r.leases.stream = r.stream
	return r
}

func (r *workerRun) kinds() []string {
	return slices.Sorted(maps.Keys(r.worker.handlers))
}

// begin begins to take tasks; what it answers tells when the server refuses for good.
func (r *workerRun) begin() <-chan error {
	options := &r.worker.options
	failed := make(chan error, claimsMax+1)
	take := func(run func() error) {
		r.takers.start(func() {
			if err := run(); err != nil {
				failed <- err
			}
		})
	}
	r.group.start(r.leases.run)
	if !options.DisableStream {
		r.roster.pauseClaims(true)
		take(r.stream.run)
	}
	claims := &claimLoop{
		ctx: r.taking, client: r.worker.client, roster: r.roster, begin: r.beginAttempt, onError: r.errors.add,
		request: &millpondv1.ClaimTasksRequest{
			WorkerId: options.ID, Kinds: r.kinds(), Labels: options.Labels,
			WaitTimeout: durationpb.New(options.ClaimWait), Lease: durationpb.New(options.Lease),
		},
	}
	for range claimsMax {
		take(claims.run)
	}
	return failed
}

// beginAttempt begins what the server has handed out, whose lease lasts about so long from now.
func (r *workerRun) beginAttempt(assignment *millpondv1.Assignment, lease time.Duration, wasPromised bool) {
	// The lease began before the answer came, and the server's clock cannot be compared: a third is kept in reserve.
	a := newAttempt(r.values, assignment, time.Now().Add(lease*2/3))
	r.roster.begin(a, wasPromised)
	handler, ok := r.worker.handlers[a.kind]
	if !ok {
		handler = refuseKind
	}
	go a.run(handler, &Task{attempt: a, run: r}, r.errors.add, func(report *millpondv1.TaskReport) {
		r.roster.handlerEnded()
		r.close(a, report)
		a.cancel(context.Canceled)
		r.roster.remove(a)
	})
}

// refuseKind fails an attempt of a kind that was not asked for.
func refuseKind(_ context.Context, task *Task) (any, error) {
	return nil, fmt.Errorf("the worker has no handler for kind %q", task.Kind())
}

// close ends an attempt whose handler has ended: a task that has ended takes no counts, and its last lines are there
// when it has ended for everybody, so its report goes when these are in, or have failed for good.
func (r *workerRun) close(a *attempt, report *millpondv1.TaskReport) {
	if !a.isDisowned() {
		r.counts.finish(a)
	}
	r.logs.finish(a)
	for report != nil && !a.isDisowned() {
		answer := <-r.reports.add(report)
		report = r.reportInstead(a, report, r.takeAnswer(a, answer))
	}
}

// takeAnswer does what the server's answer to a report asks for, and answers why the report was refused.
func (r *workerRun) takeAnswer(a *attempt, answer reportAnswer) error {
	if answer.err != nil {
		if r.ctx.Err() == nil {
			r.errors.add(answer.err)
		}
		return answer.err
	}
	if answer.result.GetCancelRequested() {
		a.abort(cancelCause(""))
	}
	refusal := answer.result.GetError()
	if refusal == nil {
		return nil
	}
	err := &reportRefused{a.key.taskID, refusal}
	switch refusal.GetReason() {
	case millpondv1.ErrorReason_ERROR_REASON_TASK_ENDED:
		// Of a closing report: its first answer was lost. Of a heartbeat: somebody else ended the task.
		a.abort(cancelCause(refusal.GetMessage()))
		return err
	case millpondv1.ErrorReason_ERROR_REASON_STALE_ATTEMPT, millpondv1.ErrorReason_ERROR_REASON_LEASE_LOST:
		a.abort(fmt.Errorf("%w: %s", ErrLeaseLost, refusal.GetMessage()))
	}
	r.errors.add(err)
	return err
}

// reportRefused is a report that the server did not take.
type reportRefused struct {
	taskID  string
	refusal *millpondv1.ItemError
}

func (e *reportRefused) Error() string {
	reason := Name(e.refusal.GetReason())
	return fmt.Sprintf("the report on task %s was refused: %s: %s", e.taskID, reason, e.refusal.GetMessage())
}

// reportInstead is what can be said instead of a closing report that was refused as it is; nil: nothing is left to say.
func (r *workerRun) reportInstead(a *attempt, report *millpondv1.TaskReport, err error) *millpondv1.TaskReport {
	if err == nil || r.ctx.Err() != nil || errors.Is(err, errRunEnded) {
		return nil
	}
	message := err.Error()
	if refused := (*reportRefused)(nil); errors.As(err, &refused) {
		if refused.refusal.GetReason() != millpondv1.ErrorReason_ERROR_REASON_INVALID_FIELD {
			return nil
		}
		message = refused.refusal.GetMessage()
	} else if !blamesContent(err) {
		return nil
	}
	if failure := failureInstead(report, message); failure != nil {
		return a.failure(failure)
	}
	return nil
}

// end takes no more tasks, lets handlers finish, and ends the run.
func (r *workerRun) end() {
	r.takeNoMore()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.drain()
	}()
	if !isClosedWithin(drained, r.worker.options.StopGrace) {
		r.roster.abortAll(ErrWorkerStopped)
		isClosedWithin(drained, abandonAfter)
	}
	r.cancel()
	<-drained
	r.takers.close()
	r.group.close()
	r.errors.flush()
}

// drain waits until nothing is under way. A stream takes heartbeats until the last attempt has ended; what was on its
// way when it was told to bring no more has come when it is closed.
func (r *workerRun) drain() {
	r.waitUntilIdle()
	r.stream.close()
	r.takers.close()
	r.waitUntilIdle()
}

// waitUntilIdle waits until no attempt is under way, or the run ends.
func (r *workerRun) waitUntilIdle() {
	for {
		changes := r.roster.changes()
		if r.roster.isIdle() || r.ctx.Err() != nil {
			return
		}
		select {
		case <-changes:
		case <-r.ctx.Done():
		}
	}
}

func isClosedWithin(closed <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
		return true
	case <-timer.C:
		return false
	}
}

package millpond

import (
	"context"
	"fmt"
	"slices"
	"sync"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// Bounds of one ReportTasks call: the contract's number of reports, and bytes well below what servers accept.
const (
	reportsMax     = 1_000
	reportBytesMax = 2 << 20
)

// reportQueue sends reports in few calls: what is reported while a call is in flight goes together into the next.
// Reports arrive in their order. While the server is away it goes on trying, until its context ends.
type reportQueue struct {
	ctx     context.Context
	client  *Client
	group   *group
	onError func(error)

	mu        sync.Mutex
	waiting   []*queuedReport
	isSending bool
}

// queuedReport is a report that waits to be sent, and where its answer goes.
type queuedReport struct {
	report *millpondv1.TaskReport
	answer chan reportAnswer
}

// reportAnswer is the server's answer to a report, or with what the call failed.
type reportAnswer struct {
	result *millpondv1.ReportResult
	err    error
}

// add queues a report; what it answers gets one answer, always.
func (q *reportQueue) add(report *millpondv1.TaskReport) <-chan reportAnswer {
	queued := &queuedReport{report: report, answer: make(chan reportAnswer, 1)}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.isSending:
		q.waiting = append(q.waiting, queued)
	case q.group.start(q.sendWaiting):
		q.isSending = true
		q.waiting = append(q.waiting, queued)
	default:
		queued.answer <- reportAnswer{err: errRunEnded}
	}
	return queued.answer
}

// withdraw takes a report back whose answer nobody waits for, if it has not been sent.
func (q *reportQueue) withdraw(answer <-chan reportAnswer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// A new list: a batch that is being sent may share the old one.
	q.waiting = slices.DeleteFunc(slices.Clone(q.waiting), func(queued *queuedReport) bool {
		return queued.answer == answer
	})
}

// sendWaiting sends until nothing waits.
func (q *reportQueue) sendWaiting() {
	for {
		batch := q.takeBatch()
		if len(batch) == 0 {
			return
		}
		q.deliver(batch)
	}
}

// takeBatch takes the next reports, in order. None: this was the end of sending.
func (q *reportQueue) takeBatch() []*queuedReport {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes, count := 0, 0
	for _, queued := range q.waiting {
		bytes += proto.Size(queued.report)
		if count == reportsMax || count > 0 && bytes > reportBytesMax {
			break
		}
		count++
	}
	batch := q.waiting[:count:count]
	q.waiting = q.waiting[count:]
	q.isSending = count > 0
	return batch
}

// deliver sends a batch. A call that is refused as a whole may have one report to blame: each half gets its own answer.
func (q *reportQueue) deliver(batch []*queuedReport) {
	results, err := q.call(batch)
	if err != nil && len(batch) > 1 && blamesOne(err) && q.ctx.Err() == nil {
		q.deliver(batch[:len(batch)/2])
		q.deliver(batch[len(batch)/2:])
		return
	}
	if err == nil && len(results) != len(batch) {
		err = fmt.Errorf("the server answered %d of %d reports", len(results), len(batch))
	}
	for index, queued := range batch {
		if err != nil {
			queued.answer <- reportAnswer{err: err}
		} else {
			queued.answer <- reportAnswer{result: results[index]}
		}
	}
}

// blamesOne tells whether a call may have been refused because of one report in it, and not because of who calls.
func blamesOne(err error) bool {
	failure := asError(err)
	return failure == nil || failure.Code != codes.Unauthenticated && failure.Code != codes.PermissionDenied &&
		failure.Code != codes.Unimplemented
}

// blamesContent tells whether a call was refused because of what it says, and not because of who calls or of a fault of the
// server; what cannot be encoded is refused before it is sent.
func blamesContent(err error) bool {
	failure := asError(err)
	return failure == nil || failure.Code == codes.InvalidArgument || failure.Code == codes.ResourceExhausted ||
		failure.Code == codes.OutOfRange
}

// call makes one call, again and again while the server is away.
func (q *reportQueue) call(batch []*queuedReport) ([]*millpondv1.ReportResult, error) {
	request := &millpondv1.ReportTasksRequest{Brief: true}
	for _, queued := range batch {
		request.Reports = append(request.Reports, queued.report)
	}
	var results []*millpondv1.ReportResult
	err := untilDone(q.ctx, q.onError, func() error {
		answer, err := q.client.Tasks.ReportTasks(q.ctx, request)
		results = answer.GetResults()
		return err
	})
	return results, err
}

// untilDone makes a call until it succeeds, the context ends, or it fails with what repeating cannot mend. The call
// must be safe to repeat.
func untilDone(ctx context.Context, onError func(error), call func() error) error {
	for failures := 1; ; failures++ {
		err := call()
		if err == nil || ctx.Err() != nil {
			return err
		}
		delay, canMend := delayBeforeGoingOn(err, failures)
		if !canMend {
			return err
		}
		onError(err)
		if !sleep(ctx, delay) {
			return err
		}
	}
}

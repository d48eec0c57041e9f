package millpond

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

const (
	// countLinger is how long a count waits for others before it is sent.
	countLinger = 200 * time.Millisecond
	// countsMax is the contract's number of tasks in one call.
	countsMax = 10_000
)

// countQueue sends what handlers count in few calls: counts wait a moment for others, and while a call is in flight.
// What is added to one task meanwhile is summed up.
type countQueue struct {
	ctx     context.Context
	client  *Client
	group   *group
	onError func(error)

	mu sync.Mutex
	// waiting are batches that have not been sent; only the last one takes counts.
	waiting   []*countBatch
	isSending bool
}

// countBatch is the counts of one call.
type countBatch struct {
	deltas []*millpondv1.CountDelta
	byTask map[string]*millpondv1.CountDelta
	// hurry says that the report of an attempt waits for it.
	hurry chan struct{}
	// done is closed when its counts are in, or have failed for good.
	done chan struct{}
}

func newCountBatch() *countBatch {
	return &countBatch{
		byTask: map[string]*millpondv1.CountDelta{}, hurry: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// add counts for the task of an attempt.
func (q *countQueue) add(a *attempt, success, failure int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.isSending && !q.group.start(q.sendAll) {
		return errRunEnded
	}
	q.isSending = true
	batch := q.batchFor(a.key.taskID)
	delta := batch.byTask[a.key.taskID]
	if delta == nil {
		delta = &millpondv1.CountDelta{TaskId: a.key.taskID}
		batch.byTask[a.key.taskID] = delta
		batch.deltas = append(batch.deltas, delta)
	}
	if success > math.MaxInt64-delta.GetSuccess() || failure > math.MaxInt64-delta.GetFailure() {
		return errors.New("millpond: the counts of a task have 64 bits")
	}
	delta.Success += success
	delta.Failure += failure
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counted = batch
	return nil
}

// batchFor is the batch that takes counts for a task.
func (q *countQueue) batchFor(taskID string) *countBatch {
	if len(q.waiting) > 0 {
		last := q.waiting[len(q.waiting)-1]
		if _, isIn := last.byTask[taskID]; isIn || len(last.deltas) < countsMax {
			return last
		}
	}
	batch := newCountBatch()
	q.waiting = append(q.waiting, batch)
	return batch
}

// finish waits until what an attempt has counted is in, or has failed for good.
func (q *countQueue) finish(a *attempt) {
	a.mu.Lock()
	batch := a.counted
	a.mu.Unlock()
	if batch == nil {
		return
	}
	select {
	case batch.hurry <- struct{}{}:
	default:
	}
	<-batch.done
}

// sendAll sends batches until none waits.
func (q *countQueue) sendAll() {
	for {
		batch := q.next()
		if batch == nil {
			return
		}
		q.linger(batch)
		q.mu.Lock()
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		q.send(batch)
		close(batch.done)
	}
}

// next is the batch to send next; nil: none waits, and this was the end of sending.
func (q *countQueue) next() *countBatch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.isSending = false
		return nil
	}
	return q.waiting[0]
}

func (q *countQueue) linger(batch *countBatch) {
	timer := time.NewTimer(countLinger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-batch.hurry:
	case <-q.ctx.Done():
	}
}

// send makes one call, again and again while the server is away, with one request id: nothing is counted twice.
func (q *countQueue) send(batch *countBatch) {
	request := &millpondv1.AddCountsRequest{RequestId: newUUID(), Counts: batch.deltas}
	err := untilDone(q.ctx, q.onError, func() error {
		answer, err := q.client.Tasks.AddCounts(q.ctx, request)
		for _, rejection := range answer.GetRejections() {
			q.rejected(batch, rejection)
		}
		return err
	})
	if err != nil && q.ctx.Err() == nil {
		q.onError(fmt.Errorf("counts of %d tasks are lost: %w", len(batch.deltas), err))
	}
}

func (q *countQueue) rejected(batch *countBatch, rejection *millpondv1.CountRejection) {
	task := "?"
	if index := int(rejection.GetIndex()); index < len(batch.deltas) {
		task = batch.deltas[index].GetTaskId()
	}
	failure := rejection.GetError()
	q.onError(fmt.Errorf("counts of task %s were refused: %s: %s", task, Name(failure.GetReason()), failure.GetMessage()))
}

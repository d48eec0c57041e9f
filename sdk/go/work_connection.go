package millpond

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// defaultHeartbeat is the interval where a welcome names none.
const defaultHeartbeat = 10 * time.Second

// workCall is the stream as grpc-go knows it.
type workCall = interface {
	Send(*millpondv1.WorkRequest) error
	Recv() (*millpondv1.WorkResponse, error)
	CloseSend() error
}

// workConnection is one stream of a worker, from hello to its end. One goroutine sends and one receives.
type workConnection struct {
	stream *workStream
	// streak is told of what comes, by run.
	streak *failureStreak
	ctx    context.Context
	cancel context.CancelCauseFunc
	// wake says that there is something to send.
	wake  chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	queue []*millpondv1.WorkRequest
	// lease is how long a heartbeat extends, once it is welcomed.
	lease time.Duration
	// credit is given and not used.
	credit       int
	isWelcomed   bool
	takesNoMore  bool
	sendsNoMore  bool
	serverDrains bool
}

// errLate is why a stream without a welcome is given up.
var errLate = status.Errorf(codes.DeadlineExceeded, "no welcome came within %v", welcomeMax)

func newWorkConnection(stream *workStream, streak *failureStreak) *workConnection {
	c := &workConnection{stream: stream, streak: streak, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(stream.ctx)
	c.enqueue(&millpondv1.WorkRequest{Message: &millpondv1.WorkRequest_Hello{Hello: stream.hello}})
	return c
}

// run answers why the stream ended; io.EOF: the server ended it in good order.
func (c *workConnection) run() error {
	defer close(c.ended)
	defer c.cancel(context.Canceled)
	call, err := c.stream.client.Workers.Work(c.ctx)
	if err != nil {
		return c.cause(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.sendAll(call)
	}()
	err = c.receiveAll(call)
	c.cancel(context.Canceled)
	<-sent
	c.stream.roster.withdrawCredit(c.unusedCredit())
	return c.cause(err)
}

// cause is an Error that says why this side gave up, where it did.
func (c *workConnection) cause(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if given := context.Cause(c.ctx); given != nil && !errors.Is(given, context.Canceled) {
		err = given
	}
	return newError(err, c.stream.client.address)
}

// receiveAll takes what the server says, to its end.
func (c *workConnection) receiveAll(call workCall) error {
	timer := time.AfterFunc(welcomeMax, func() { c.cancel(errLate) })
	for {
		response, err := call.Recv()
		timer.Stop()
		if err != nil {
			return err
		}
		c.take(response)
		// Whoever stands in between may keep a connection to a server that has gone. Then heartbeats extend nothing,
		// whatever this side believes.
		timer = time.AfterFunc(c.stream.silenceMax, func() {
			c.cancel(status.Errorf(codes.Unavailable, "no message for %v", c.stream.silenceMax))
		})
	}
}

func (c *workConnection) take(response *millpondv1.WorkResponse) {
	roster := c.stream.roster
	switch message := response.GetMessage().(type) {
	case *millpondv1.WorkResponse_Welcome:
		c.welcomed(message.Welcome)
	case *millpondv1.WorkResponse_Assignments:
		if len(message.Assignments.GetAssignments()) > 0 {
			c.streak.progressed()
		}
		for _, assignment := range message.Assignments.GetAssignments() {
			c.stream.begin(assignment, c.lease, c.useCredit())
		}
	case *millpondv1.WorkResponse_Cancel:
		if attempt := roster.find(keyOf(message.Cancel)); attempt != nil {
			attempt.abort(cancelCause(message.Cancel.GetReason()))
		}
	case *millpondv1.WorkResponse_LeaseLost:
		if attempt := roster.find(keyOf(message.LeaseLost.GetLease())); attempt != nil {
			attempt.abort(fmt.Errorf("%w: the attempt is no longer this worker's", ErrLeaseLost))
		}
	case *millpondv1.WorkResponse_Drain:
		// Another stream is made; nothing waits for an answer of this one.
		c.mu.Lock()
		c.serverDrains = true
		c.mu.Unlock()
		c.endSending()
	}
}

// welcomed begins the work: the server learns first what is under way, then how much more it may bring.
func (c *workConnection) welcomed(welcome *millpondv1.WorkerWelcome) {
	interval := welcome.GetHeartbeatInterval().AsDuration()
	if interval <= 0 {
		interval = defaultHeartbeat
	}
	lease := welcome.GetLease().AsDuration()
	if lease <= 0 {
		lease = 2 * interval
	}
	c.streak.welcomed(time.Now())
	c.mu.Lock()
	c.lease, c.isWelcomed = lease, true
	c.queueHeartbeat(c.stream.roster.all())
	c.mu.Unlock()
	c.wakeUp()
	c.stream.roster.pauseClaims(true)
	c.stream.onWelcome(interval)
	if c.stream.taking.Err() != nil {
		c.drain()
	}
}

// sendAll sends what is due, and credit for what is free, until nothing more is to be sent or the stream has ended.
func (c *workConnection) sendAll(call workCall) {
	for {
		changes := c.stream.roster.changes()
		due, isLast := c.due()
		for _, request := range due {
			// Why it failed is what is received.
			if err := call.Send(request); err != nil {
				return
			}
		}
		if isLast {
			// As above.
			_ = call.CloseSend()
			return
		}
		select {
		case <-c.wake:
		case <-changes:
		case <-c.ctx.Done():
			return
		}
	}
}

// due is what is to be sent now, and whether it is the last.
func (c *workConnection) due() (requests []*millpondv1.WorkRequest, isLast bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests, c.queue = c.queue, nil
	if !c.isWelcomed || c.takesNoMore || c.sendsNoMore || c.stream.taking.Err() != nil {
		return requests, c.sendsNoMore
	}
	if tasks := c.stream.roster.promiseCredit(creditMax - c.credit); tasks > 0 {
		c.credit += tasks
		credit := &millpondv1.WorkerCredit{Tasks: int32(tasks)}
		requests = append(requests, &millpondv1.WorkRequest{Message: &millpondv1.WorkRequest_Credit{Credit: credit}})
	}
	return requests, false
}

// useCredit takes one of the credit for an assignment; false: it is beyond the credit.
func (c *workConnection) useCredit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.credit == 0 {
		return false
	}
	c.credit--
	return true
}

func (c *workConnection) unusedCredit() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credit
}

// heartbeat names the attempts that live; false: nobody takes it.
func (c *workConnection) heartbeat(attempts []*attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isWelcomed || c.sendsNoMore {
		return false
	}
	c.queueHeartbeat(attempts)
	c.wakeUp()
	return true
}

// queueHeartbeat queues heartbeats that name attempts, and extends their leases. The connection is locked.
func (c *workConnection) queueHeartbeat(attempts []*attempt) {
	expires := time.Now().Add(c.lease)
	leases := make([]*millpondv1.LeaseRef, 0, len(attempts))
	for _, each := range attempts {
		each.extend(expires)
		leases = append(leases, each.key.lease())
	}
	parts := slices.Collect(slices.Chunk(leases, leasesMax))
	if len(parts) == 0 {
		// Without attempts it says that the worker lives.
		parts = append(parts, nil)
	}
	for _, part := range parts {
		heartbeat := &millpondv1.WorkerHeartbeat{Leases: part}
		c.queue = append(c.queue, &millpondv1.WorkRequest{
			Message: &millpondv1.WorkRequest_Heartbeat{Heartbeat: heartbeat},
		})
	}
}

// drain takes no more tasks. A stream that has not been welcomed has brought none, and is given up.
func (c *workConnection) drain() {
	c.mu.Lock()
	isWelcomed, isFirst := c.isWelcomed, !c.takesNoMore
	c.takesNoMore = true
	c.mu.Unlock()
	if !isWelcomed {
		c.cancel(context.Canceled)
	} else if isFirst {
		c.enqueue(&millpondv1.WorkRequest{Message: &millpondv1.WorkRequest_Drain{Drain: &millpondv1.WorkerDrain{}}})
	}
}

// close ends the stream from this side, and waits for its end.
func (c *workConnection) close() {
	c.endSending()
	timer := time.AfterFunc(streamCloseMax, func() { c.cancel(context.Canceled) })
	defer timer.Stop()
	<-c.ended
}

func (c *workConnection) enqueue(request *millpondv1.WorkRequest) {
	c.mu.Lock()
	if !c.sendsNoMore {
		c.queue = append(c.queue, request)
	}
	c.mu.Unlock()
	c.wakeUp()
}

func (c *workConnection) endSending() {
	c.mu.Lock()
	c.sendsNoMore = true
	c.mu.Unlock()
	c.wakeUp()
}

func (c *workConnection) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *workConnection) wasWelcomed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isWelcomed
}

func (c *workConnection) wasDrained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.serverDrains
}

// wasAway tells whether the end of the stream says nothing about whether streams pass: the server cannot be reached, or
// not now.
func (c *workConnection) wasAway(err error) bool {
	if err == io.EOF {
		return c.wasWelcomed()
	}
	if errors.Is(context.Cause(c.ctx), errLate) {
		return false
	}
	switch codeOf(err) {
	case codes.Unavailable, codes.Aborted, codes.Canceled, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

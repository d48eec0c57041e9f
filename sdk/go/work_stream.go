package millpond

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
)

const (
	// welcomeMax is how long a welcome may take: a proxy that does not let messages through both ways never brings it.
	welcomeMax = 5 * time.Second
	// streamFailuresMax: from so many failures in a row on, none passes any more where one did: a proxy has come between,
	// for example.
	streamFailuresMax = 5
	// streamRetryGrowthMax is how many times the first delay the longest is.
	streamRetryGrowthMax = 20
	// streamCloseMax is how long the end of a stream may take once this side has ended it.
	streamCloseMax = 5 * time.Second
	// creditMax is the contract's bound.
	creditMax = 10_000
)

// workStream keeps a stream of the worker to a server, makes it anew when it is lost, and gives credit for free
// slots, never for more. Reports and logs do not go over it: calls of their own carry thousands of reports at a time
// and say of each, or of the call, why it was refused; and what is sent again is known by its request id.
//
//	trying ── welcome ──► passes ── is lost: tries again at once ──► passes
//	  ▲  └── refused, or silent ──► none passes: tasks are claimed ◄── five failures in a row, or UNIMPLEMENTED ──┘
//	  └──────── after a while, longer each time ──┘
//
// A server that is away says nothing about whether streams pass: it is waited for.
type workStream struct {
	// ctx ends all; taking ends when no more tasks are taken.
	ctx, taking context.Context
	client      *Client
	hello       *millpondv1.WorkerHello
	roster      *roster
	// retry is how long it waits before it tries again where none passed.
	retry      time.Duration
	silenceMax time.Duration
	begin      func(assignment *millpondv1.Assignment, lease time.Duration, wasPromised bool)
	onWelcome  func(interval time.Duration)
	onError    func(error)

	mu       sync.Mutex
	current  *workConnection
	isClosed bool
}

// run keeps a stream until it is closed. Where none passes, tasks are claimed, and it tries again later. It fails
// when the server refuses for good.
func (s *workStream) run() error {
	defer context.AfterFunc(s.taking, s.drain)()
	for misses := 0; ; misses++ {
		hasPassed, err := s.keep()
		if err != nil || s.isOver() {
			return err
		}
		if hasPassed {
			misses = 0
		}
		s.roster.pauseClaims(false)
		if !sleep(s.taking, streamRetryDelay(s.retry, misses)) {
			return nil
		}
	}
}

// keep keeps a stream until it is over, or none passes: an earlier version of the server, or a proxy that holds back
// what is sent. It answers whether one had passed.
func (s *workStream) keep() (hasPassed bool, err error) {
	var streak failureStreak
	for {
		connection := newWorkConnection(s, &streak)
		if !s.use(connection) {
			return hasPassed, nil
		}
		err := connection.run()
		s.use(nil)
		hasPassed = hasPassed || connection.wasWelcomed()
		if s.isOver() {
			return hasPassed, nil
		}
		if isFinalForStreams(err) || s.client.isClosed() {
			return hasPassed, err
		}
		failures := streak.ended(time.Now())
		mayPass := hasPassed && failures < streamFailuresMax && codeOf(err) != codes.Unimplemented
		if !mayPass && !connection.wasAway(err) {
			return hasPassed, nil
		}
		if err != io.EOF && !connection.wasDrained() {
			s.onError(err)
		}
		if !sleep(s.taking, jitteredDelay(failures)) {
			return hasPassed, nil
		}
	}
}

// use makes a connection the current one; false: it is too late for one.
func (s *workStream) use(connection *workConnection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if connection != nil && (s.isClosed || s.taking.Err() != nil) {
		return false
	}
	s.current = connection
	return true
}

func (s *workStream) connection() *workConnection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// isOver: who takes no more and has lost the stream extends leases by calls.
func (s *workStream) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isClosed || s.taking.Err() != nil
}

// drain takes no more tasks.
func (s *workStream) drain() {
	if connection := s.connection(); connection != nil {
		connection.drain()
	}
}

// heartbeat names the attempts that live, and extends their leases; false: there is no stream that takes it.
func (s *workStream) heartbeat(attempts []*attempt) bool {
	connection := s.connection()
	return connection != nil && connection.heartbeat(attempts)
}

// close ends the stream: whatever has been assigned has come when it returns.
func (s *workStream) close() {
	s.mu.Lock()
	s.isClosed = true
	connection := s.current
	s.mu.Unlock()
	if connection != nil {
		connection.close()
	}
}

// streamRetryDelay is how long to wait before a stream is tried again, after so many failures since one passed.
func streamRetryDelay(first time.Duration, misses int) time.Duration {
	return first * time.Duration(min(1<<min(misses, 10), streamRetryGrowthMax))
}

// isFinalForStreams tells of failures that will not change by connecting again.
func isFinalForStreams(err error) bool {
	switch codeOf(err) {
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied:
		return true
	}
	failure := asError(err)
	if failure == nil {
		return false
	}
	// Another worker of this name has come.
	_, isReplaced := failure.Metadata["worker_id"]
	return failure.Reason == millpondv1.ErrorReason_ERROR_REASON_LEASE_LOST && isReplaced
}

func codeOf(err error) codes.Code {
	if failure := asError(err); failure != nil {
		return failure.Code
	}
	return codes.OK
}

// cancelCause is why the server wants an attempt to stop.
func cancelCause(reason string) error {
	if reason == "" {
		reason = "the server asked to stop it"
	}
	return fmt.Errorf("%w: %s", ErrCancelRequested, reason)
}

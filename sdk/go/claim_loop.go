package millpond

import (
	"context"
	"math/rand/v2"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
)

const (
	// shortestWait: an empty answer that comes sooner, and before the wait that was asked for, is of a server that does
	// not wait. The pause after it is drawn between the other two, so that those who wait do not come back together.
	shortestWait  = 100 * time.Millisecond
	shortestPause = 750 * time.Millisecond
	longestPause  = 1250 * time.Millisecond
)

// claimLoop keeps claims waiting at the server for as many tasks as there are free slots, never for more.
type claimLoop struct {
	// ctx ends when no more tasks are taken.
	ctx     context.Context
	client  *Client
	roster  *roster
	request *millpondv1.ClaimTasksRequest
	begin   func(assignment *millpondv1.Assignment, lease time.Duration, wasPromised bool)
	onError func(error)
}

// run claims until the context ends. It fails when the server refuses for good, for example the credentials.
// [claimsMax] of them run at the same time.
func (l *claimLoop) run() error {
	for failures := 0; l.ctx.Err() == nil; {
		changes := l.roster.changes()
		promised := l.roster.promiseClaim()
		if promised == 0 {
			select {
			case <-changes:
			case <-l.ctx.Done():
			}
			continue
		}
		sent := time.Now()
		begun, err := l.claim(promised)
		switch {
		case err == nil:
			failures = 0
			if begun == 0 {
				pauseUnlessWaited(l.ctx, l.request.GetWaitTimeout().AsDuration(), time.Since(sent))
			}
		case l.ctx.Err() != nil:
		case isFinalForClaims(err) || l.client.isClosed():
			return err
		default:
			failures++
			l.onError(err)
			sleep(l.ctx, jitteredDelay(failures))
		}
	}
	return nil
}

// claim claims up to so many tasks, begins them and answers how many they are.
func (l *claimLoop) claim(promised int) (int, error) {
	unused := promised
	defer func() { l.roster.endClaim(unused) }()
	request := &millpondv1.ClaimTasksRequest{
		WorkerId: l.request.GetWorkerId(), Kinds: l.request.GetKinds(), Labels: l.request.GetLabels(),
		MaxTasks: int32(promised), WaitTimeout: l.request.GetWaitTimeout(), Lease: l.request.GetLease(),
	}
	answer, err := l.client.Workers.ClaimTasks(l.ctx, request)
	if err != nil {
		return 0, err
	}
	for _, assignment := range answer.GetAssignments() {
		l.begin(assignment, l.request.GetLease().AsDuration(), unused > 0)
		unused = max(0, unused-1)
	}
	return len(answer.GetAssignments()), nil
}

// pauseUnlessWaited pauses after an empty answer that came at once though a wait was asked for: asking again at once
// would only make both sides busy.
func pauseUnlessWaited(ctx context.Context, wait, took time.Duration) {
	if took >= shortestWait || wait > 0 && took >= wait {
		return
	}
	sleep(ctx, shortestPause+rand.N(longestPause-shortestPause))
}

// isFinalForClaims tells of answers to a claim that will not change by asking again.
func isFinalForClaims(err error) bool {
	failure := asError(err)
	if failure == nil {
		return false
	}
	switch failure.Code {
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return true
	default:
		return false
	}
}

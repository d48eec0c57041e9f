package millpond

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// leasesMax is the contract's number of leases in one message or call.
const leasesMax = 1_000

// leaseKeeper extends the leases of all attempts under way: by heartbeats of the worker's stream, or by calls, every
// quarter of a lease (one that fails leaves time for another). It aborts an attempt when the server says so, and when
// the lease may have run out because the server was away.
type leaseKeeper struct {
	ctx      context.Context
	client   *Client
	group    *group
	roster   *roster
	stream   *workStream
	workerID string
	lease    time.Duration
	onError  func(error)
	// interval is how often the server wants to hear of the worker.
	interval    chan time.Duration
	isExtending atomic.Bool
}

// run extends until the context ends.
func (k *leaseKeeper) run() {
	longest := max(k.lease/4, time.Millisecond)
	ticker := time.NewTicker(longest)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.extend()
		case interval := <-k.interval:
			ticker.Reset(min(interval, longest))
		case <-k.ctx.Done():
			return
		}
	}
}

// every sets the interval that the server asks for.
func (k *leaseKeeper) every(interval time.Duration) {
	select {
	case k.interval <- interval:
	case <-k.ctx.Done():
	}
}

// extend extends every lease once, unless that is under way.
func (k *leaseKeeper) extend() {
	now := time.Now()
	attempts := k.roster.all()
	for _, each := range attempts {
		each.expire(now)
	}
	// A heartbeat that is not taken ends the stream; the attempts that it names are extended by the next one, or by
	// calls.
	if k.stream.heartbeat(attempts) || len(attempts) == 0 || !k.isExtending.CompareAndSwap(false, true) {
		return
	}
	isStarted := k.group.start(func() {
		defer k.isExtending.Store(false)
		for part := range slices.Chunk(attempts, leasesMax) {
			if err := k.extendByCall(part); err != nil && k.ctx.Err() == nil {
				k.onError(err)
			}
		}
	})
	if !isStarted {
		k.isExtending.Store(false)
	}
}

func (k *leaseKeeper) extendByCall(attempts []*attempt) error {
	ctx, cancel := context.WithTimeout(k.ctx, k.lease)
	defer cancel()
	request := &millpondv1.ExtendLeasesRequest{WorkerId: k.workerID, Lease: durationpb.New(k.lease)}
	for _, each := range attempts {
		request.Leases = append(request.Leases, each.key.lease())
	}
	sent := time.Now()
	answer, err := k.client.Workers.ExtendLeases(ctx, request)
	if err != nil {
		return err
	}
	for index, result := range answer.GetResults()[:min(len(attempts), len(answer.GetResults()))] {
		each := attempts[index]
		switch {
		case result.GetCancelRequested():
			each.abort(cancelCause(""))
		case result.GetError() != nil:
			each.abort(fmt.Errorf("%w: %s", ErrLeaseLost, result.GetError().GetMessage()))
		default:
			each.extend(sent.Add(k.lease))
		}
	}
	return nil
}

package millpond

import (
	"context"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// defaultSilenceMax is how long a stream may say nothing; the server speaks every 15 s.
const defaultSilenceMax = 45 * time.Second

// silenceOrDefault is the silence that an option allows: 0 is the default, a negative one any.
func silenceOrDefault(given time.Duration) time.Duration {
	if given < 0 {
		return math.MaxInt64
	}
	return orDefault(given, defaultSilenceMax)
}

// silenceGuard gives up a connection that says nothing for too long, by its context.
type silenceGuard struct {
	cancel context.CancelCauseFunc
	ctx    context.Context
	max    time.Duration
	timer  *time.Timer
}

// newSilenceGuard watches from now on; the context that it answers is that of the connection.
func newSilenceGuard(ctx context.Context, silenceMax time.Duration) (context.Context, *silenceGuard) {
	guard := &silenceGuard{max: silenceMax}
	guard.ctx, guard.cancel = context.WithCancelCause(ctx)
	guard.timer = time.AfterFunc(silenceMax, func() {
		guard.cancel(status.Errorf(codes.Unavailable, "no message for %v", silenceMax))
	})
	return guard.ctx, guard
}

// listen begins to count anew.
func (g *silenceGuard) listen() {
	g.timer.Reset(g.max)
}

// pause counts no more until listen.
func (g *silenceGuard) pause() {
	g.timer.Stop()
}

// end ends the connection, if it has not ended.
func (g *silenceGuard) end() {
	g.timer.Stop()
	g.cancel(context.Canceled)
}

// cause is why the connection ended with err: the silence, or err itself.
func (g *silenceGuard) cause(err error) error {
	if said, ok := status.FromError(context.Cause(g.ctx)); ok && said.Code() == codes.Unavailable {
		return context.Cause(g.ctx)
	}
	return err
}

package millpond

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/proto"
)

// WatchOptions says how a watch deals with a connection that breaks. The zero value is fine.
type WatchOptions struct {
	// SilenceMax is how long a stream may say nothing before it is taken for broken; 0: 45 s, negative: for ever. The
	// server speaks every 15 s.
	SilenceMax time.Duration
	// OnInterrupted is told of each connection that broke, before the watch goes on.
	OnInterrupted func(error)
}

// Watch yields the messages of WatchEvents, in commit order. It goes on after a broken connection from the last
// cursor: nothing is lost and nothing is repeated. A snapshot that breaks off begins anew: its parts come again, so
// take them as the newest state of what they name.
//
// It ends when the loop is left, and with an error, its last pair, when the context ends or for what repeating cannot
// mend, such as CURSOR_EXPIRED. Ranged over again it begins anew.
//
//	for message, err := range client.Watch(ctx, request, nil) {
//		if err != nil {
//			return err
//		}
//		…
//	}
func (c *Client) Watch(
	ctx context.Context, request *millpondv1.WatchEventsRequest, options *WatchOptions,
) iter.Seq2[*millpondv1.WatchEventsResponse, error] {
	if options == nil {
		options = &WatchOptions{}
	}
	silenceMax := silenceOrDefault(options.SilenceMax)
	return func(yield func(*millpondv1.WatchEventsResponse, error) bool) {
		from := &millpondv1.WatchEventsRequest{}
		proto.Merge(from, request)
		var streak failureStreak
		for {
			err := c.watchOnce(ctx, from, silenceMax, &streak, yield)
			if errors.Is(err, errLeft) {
				return
			}
			if err := c.goOn(ctx, err, streak.ended(time.Now()), options.OnInterrupted); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// errLeft is the end of a stream whose consumer has left the loop.
var errLeft = errors.New("the consumer has left")

// watchOnce yields what one connection brings, moves the request's cursor on, and answers why it ended; io.EOF: the
// server ended it in good order.
func (c *Client) watchOnce(
	ctx context.Context, from *millpondv1.WatchEventsRequest, silenceMax time.Duration, streak *failureStreak,
	yield func(*millpondv1.WatchEventsResponse, error) bool,
) error {
	ctx, guard := newSilenceGuard(ctx, silenceMax)
	defer guard.end()
	stream, err := c.Events.WatchEvents(ctx, from)
	for err == nil {
		guard.listen()
		var message *millpondv1.WatchEventsResponse
		if message, err = stream.Recv(); err != nil {
			break
		}
		// What the consumer does with it may take long.
		guard.pause()
		streak.welcomed(time.Now())
		if isProgress(message) {
			streak.progressed()
		}
		if cursor := message.GetCursor(); cursor != "" {
			from.Cursor, from.Snapshot = cursor, false
		}
		if !yield(message, nil) {
			return errLeft
		}
	}
	return guard.cause(err)
}

// isProgress tells whether a message brings what nobody has to send again. Cursors move on by themselves, and a part of
// a snapshot comes again when it breaks off.
func isProgress(message *millpondv1.WatchEventsResponse) bool {
	return message.GetEvents() != nil || message.GetSnapshotDone() != nil
}

// goOn waits before a stream that ended with err, after so many failures in a row, is begun again. It answers the error
// with which all ends instead.
func (c *Client) goOn(ctx context.Context, err error, failures int, onInterrupted func(error)) error {
	delay := jitteredDelay(failures)
	if !errors.Is(err, io.EOF) && ctx.Err() == nil {
		failure := newError(err, c.address)
		var canMend bool
		if delay, canMend = delayBeforeGoingOn(failure, failures); !canMend {
			return failure
		}
		if onInterrupted != nil {
			onInterrupted(failure)
		}
	}
	if !sleep(ctx, delay) {
		return newError(ctx.Err(), c.address)
	}
	return nil
}

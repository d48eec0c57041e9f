package millpond

import (
	"context"
	"iter"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// LogOptions says which log is read, and for how long. The zero value is fine.
type LogOptions struct {
	// Attempt is the attempt whose log is read; 0: the current one, or the last.
	Attempt int32
	// Follow waits for more until the attempt is over. Otherwise what there is is read.
	Follow bool
	// OnInterrupted is told of each call that failed, before it is made again.
	OnInterrupted func(error)
}

const (
	logPage = 1_000
	logWait = 30 * time.Second
)

// Logs yields the lines of the log of a task's attempt, in order. Where lines were dropped at the server's bound, the
// last one says how many. It goes on after a broken connection: nothing is lost and nothing is repeated. It ends with
// an error, its last pair, when the context ends or for what repeating cannot mend, such as TASK_NOT_FOUND; and,
// unless it follows, when the server stays away for as long as a call is repeated.
func (c *Client) Logs(
	ctx context.Context, taskID string, options *LogOptions,
) iter.Seq2[*millpondv1.LogEntry, error] {
	if options == nil {
		options = &LogOptions{}
	}
	return func(yield func(*millpondv1.LogEntry, error) bool) {
		request := &millpondv1.ListLogsRequest{TaskId: taskID, Attempt: options.Attempt, PageSize: logPage}
		failures := 0
		for {
			sent := time.Now()
			page, err := c.Workers.ListLogs(ctx, request)
			if err != nil {
				failures++
				if options.Follow {
					err = c.goOn(ctx, err, failures, options.OnInterrupted)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			failures = 0
			for _, entry := range page.GetEntries() {
				if !yield(entry, nil) {
					return
				}
			}
			waits := options.Follow && !page.GetAttemptEnded()
			if len(page.GetEntries()) == 0 && !waits {
				return
			}
			if len(page.GetEntries()) == 0 && request.GetWaitTimeout() != nil {
				pauseUnlessWaited(ctx, logWait, time.Since(sent))
			}
			request.Cursor, request.WaitTimeout = page.GetNextCursor(), nil
			if waits {
				request.WaitTimeout = durationpb.New(logWait)
			}
		}
	}
}

package millpond

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// logLinger is how long a line waits for others before it is sent.
	logLinger = 200 * time.Millisecond
	// logCallsMax are the calls in flight at the same time, never two of one attempt: its lines stay in their order.
	logCallsMax = 8
	// logFinishMax is how long the report of an attempt waits for its last lines.
	logFinishMax = 5 * time.Second
	// logBytesMax is what may wait of all attempts.
	logBytesMax = 64 << 20
)

// logQueue sends what handlers log in few calls: lines wait a moment for others, and while a call of their attempt is
// in flight. A server that is away, or slower than the handlers, is waited for; what does not fit meanwhile is
// dropped, and a line says how many lines that were. An attempt that logs nothing costs nothing.
type logQueue struct {
	ctx     context.Context
	client  *Client
	group   *group
	onError func(error)
	calls   chan struct{}
	// bytes are what waits of all attempts.
	bytes atomic.Int64
}

func newLogQueue(ctx context.Context, client *Client, group *group, onError func(error)) *logQueue {
	calls := make(chan struct{}, logCallsMax)
	return &logQueue{ctx: ctx, client: client, group: group, onError: onError, calls: calls}
}

// add queues a line of an attempt: what is too long for one becomes several.
func (q *logQueue) add(a *attempt, level slog.Level, message string) {
	now := timestamppb.Now()
	buffer := &a.log
	buffer.mu.Lock()
	defer buffer.mu.Unlock()
	if buffer.isClosed {
		return
	}
	for _, piece := range linesOf(message) {
		entry := &millpondv1.LogEntry{LogTime: now, Level: logLevel(level), Message: piece}
		hasRoom := q.bytes.Add(bytesOf(entry)) <= logBytesMax
		if !buffer.add(entry, hasRoom) {
			q.bytes.Add(-bytesOf(entry))
		}
	}
	if buffer.sending != nil {
		buffer.hurryIfDue()
		return
	}
	sending := buffer.begin(q.ctx)
	buffer.hurryIfDue()
	if !q.group.start(func() { q.sendAll(a, sending) }) {
		buffer.end()
	}
}

// sendAll sends the lines of an attempt until none waits.
func (q *logQueue) sendAll(a *attempt, sending *logSending) {
	for {
		sending.linger()
		batch, ok := a.log.take()
		if !ok {
			return
		}
		isTaken := q.send(sending.ctx, a, batch.entries)
		q.bytes.Add(-batch.bytes)
		if !isTaken {
			q.bytes.Add(-a.log.close())
		}
	}
}

// linger waits for more lines, unless these are to be sent at once.
func (s *logSending) linger() {
	timer := time.NewTimer(logLinger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	case <-s.ctx.Done():
	}
}

// send makes one call, again and again while the server is away, with one request id: lines are not written twice.
// False: no more lines of the attempt are taken.
func (q *logQueue) send(ctx context.Context, a *attempt, entries []*millpondv1.LogEntry) bool {
	request := &millpondv1.AppendLogsRequest{
		TaskId: a.key.taskID, Attempt: a.key.number, Entries: entries, RequestId: newUUID(),
	}
	err := untilDone(ctx, q.onError, func() error {
		select {
		case q.calls <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-q.calls }()
		answer, err := q.client.Workers.AppendLogs(ctx, request)
		if answer.GetCancelRequested() {
			a.abort(cancelCause(""))
		}
		return err
	})
	if err == nil {
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	q.onError(fmt.Errorf("lines of the log of task %s are lost: %w", a.key.taskID, err))
	switch ReasonOf(err) {
	case millpondv1.ErrorReason_ERROR_REASON_STALE_ATTEMPT:
		a.abort(fmt.Errorf("%w: the task has another attempt", ErrLeaseLost))
		return false
	case millpondv1.ErrorReason_ERROR_REASON_TASK_NOT_FOUND, millpondv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED,
		millpondv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, millpondv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:
		return false
	default:
		return true
	}
}

// finish waits until the lines of an attempt whose handler has ended are sent, or given up after five seconds.
func (q *logQueue) finish(a *attempt) {
	sent := a.log.finish()
	if sent == nil {
		return
	}
	timer := time.NewTimer(logFinishMax)
	defer timer.Stop()
	select {
	case <-sent:
		return
	case <-timer.C:
		q.onError(fmt.Errorf("lines of the log of task %s may be lost: they could not be sent in time", a.key.taskID))
	case <-q.ctx.Done():
	}
	q.bytes.Add(-a.log.close())
}

func logLevel(level slog.Level) millpondv1.LogLevel {
	switch {
	case level < slog.LevelInfo:
		return millpondv1.LogLevel_LOG_LEVEL_DEBUG
	case level < slog.LevelWarn:
		return millpondv1.LogLevel_LOG_LEVEL_INFO
	case level < slog.LevelError:
		return millpondv1.LogLevel_LOG_LEVEL_WARN
	default:
		return millpondv1.LogLevel_LOG_LEVEL_ERROR
	}
}

// linesOf is the text of a message as the contract takes it, in pieces of its bound.
func linesOf(message string) []string {
	text := strings.ReplaceAll(strings.ToValidUTF8(message, "\uFFFD"), "\x00", "\u2400")
	if len(text) <= messageMax {
		return []string{text}
	}
	var pieces []string
	for characters := []rune(text); len(characters) > 0; {
		length := min(messageMax, len(characters))
		pieces = append(pieces, string(characters[:length]))
		characters = characters[length:]
	}
	return pieces
}

package millpond

import (
	"context"
	"fmt"
	"sync"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// Bounds of one call: the contract's number of lines, and bytes well below what servers accept.
	logLinesPerCall = 1_000
	logBytesPerCall = 1 << 20
	// What may wait of one attempt: what comes faster than the server takes it is dropped, and counted.
	logLinesWaiting = 10_000
	logBytesWaiting = 2 << 20
	// logLineBytes is what a line takes beside its text.
	logLineBytes = 32
)

// logBuffer is the lines of one attempt that wait to be sent. The zero value is an empty one.
type logBuffer struct {
	mu      sync.Mutex
	lines   []*millpondv1.LogEntry
	bytes   int64
	dropped int
	// sending is who sends them; nil: nobody.
	sending *logSending
	// isFinishing: its handler has ended, and the report waits for the lines.
	isFinishing bool
	// isClosed: no more lines are taken.
	isClosed bool
}

// logSending is what sends the lines of one attempt, as long as there are any.
type logSending struct {
	// ctx ends when the lines are given up.
	ctx    context.Context
	cancel context.CancelFunc
	// hurry says that the lines are to be sent at once.
	hurry chan struct{}
	// ended is closed when all lines are sent or given up.
	ended chan struct{}
}

// logBatch is the lines of one call.
type logBatch struct {
	entries []*millpondv1.LogEntry
	// bytes are those of the lines that were logged.
	bytes int64
}

func bytesOf(entry *millpondv1.LogEntry) int64 {
	return int64(len(entry.GetMessage()) + logLineBytes)
}

// add takes a line, or counts it as dropped where there is no room. The buffer is locked.
func (b *logBuffer) add(entry *millpondv1.LogEntry, hasRoom bool) bool {
	if !hasRoom || b.dropped > 0 || len(b.lines) == logLinesWaiting || b.bytes+bytesOf(entry) > logBytesWaiting {
		b.dropped++
		return false
	}
	b.lines = append(b.lines, entry)
	b.bytes += bytesOf(entry)
	return true
}

// begin notes that somebody sends. The buffer is locked.
func (b *logBuffer) begin(ctx context.Context) *logSending {
	sending := &logSending{hurry: make(chan struct{}, 1), ended: make(chan struct{})}
	sending.ctx, sending.cancel = context.WithCancel(ctx)
	b.sending = sending
	return sending
}

// end notes that nobody sends any more. The buffer is locked.
func (b *logBuffer) end() {
	b.sending.cancel()
	close(b.sending.ended)
	b.sending = nil
}

// hurryIfDue ends waiting for more lines where there are enough for a call, or the report waits. The buffer is locked.
func (b *logBuffer) hurryIfDue() {
	if b.sending == nil || !b.isFinishing && len(b.lines) < logLinesPerCall && b.bytes < logBytesPerCall {
		return
	}
	select {
	case b.sending.hurry <- struct{}{}:
	default:
	}
}

// take takes the lines of the next call; behind the last of them, how many were dropped. False: nothing waits, and
// this was the end of sending.
func (b *logBuffer) take() (logBatch, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch logBatch
	for _, entry := range b.lines {
		if len(batch.entries) == logLinesPerCall || len(batch.entries) > 0 && batch.bytes+bytesOf(entry) > logBytesPerCall {
			break
		}
		batch.entries = append(batch.entries, entry)
		batch.bytes += bytesOf(entry)
	}
	b.lines = b.lines[len(batch.entries):]
	b.bytes -= batch.bytes
	if b.dropped > 0 && len(b.lines) == 0 && len(batch.entries) < logLinesPerCall {
		batch.entries = append(batch.entries, &millpondv1.LogEntry{
			LogTime: timestamppb.Now(), Level: millpondv1.LogLevel_LOG_LEVEL_WARN,
			Message: fmt.Sprintf("%d lines were dropped: the worker logged faster than the server took them", b.dropped),
		})
		b.dropped = 0
	}
	if len(batch.entries) == 0 {
		b.end()
		return batch, false
	}
	b.hurryIfDue()
	return batch, true
}

// finish hurries, and answers what is closed when all lines are sent; nil: they are.
func (b *logBuffer) finish() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isFinishing = true
	if b.sending == nil {
		return nil
	}
	b.hurryIfDue()
	return b.sending.ended
}

// close gives up what waits, takes no more, and answers how many bytes that were.
func (b *logBuffer) close() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes := b.bytes
	b.isClosed = true
	b.lines, b.bytes, b.dropped = nil, 0, 0
	if b.sending != nil {
		b.sending.cancel()
	}
	return bytes
}

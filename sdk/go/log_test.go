package millpond

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

func logLine(message string) *millpondv1.LogEntry {
	return &millpondv1.LogEntry{Message: message}
}

func TestLinesGoInBatchesOfTheContractsBounds(t *testing.T) {
	var buffer logBuffer
	for n := range logLinesPerCall + 5 {
		buffer.add(logLine(fmt.Sprint(n)), true)
	}
	buffer.begin(t.Context())
	first, _ := buffer.take()
	second, _ := buffer.take()
	if len(first.entries) != logLinesPerCall || len(second.entries) != 5 || second.entries[4].GetMessage() != "1004" {
		t.Errorf("batches have %d and %d lines", len(first.entries), len(second.entries))
	}
	large := strings.Repeat("x", logBytesPerCall/2)
	for range 3 {
		buffer.add(logLine(large), true)
	}
	third, _ := buffer.take()
	if len(third.entries) != 1 || buffer.bytes != 2*third.bytes {
		t.Errorf("of large lines %d go together, and %d bytes wait", len(third.entries), buffer.bytes)
	}
}

func TestDroppedLinesAreCountedInTheLog(t *testing.T) {
	var buffer logBuffer
	buffer.add(logLine("kept"), true)
	buffer.add(logLine("no room"), false)
	buffer.add(logLine("behind a gap"), true)
	sending := buffer.begin(t.Context())
	batch, ok := buffer.take()
	if !ok || len(batch.entries) != 2 || !strings.HasPrefix(batch.entries[1].GetMessage(), "2 lines were dropped") {
		t.Errorf("the batch is %v", batch.entries)
	}
	buffer.add(logLine("after it"), true)
	if batch, _ := buffer.take(); len(batch.entries) != 1 {
		t.Errorf("the next batch is %v", batch.entries)
	}
	if _, ok := buffer.take(); ok || buffer.sending != nil || sending.ctx.Err() == nil {
		t.Error("sending goes on without lines")
	}
}

func TestLinesBeyondWhatMayWaitAreDropped(t *testing.T) {
	var byLines, byBytes logBuffer
	for range logLinesWaiting + 3 {
		byLines.add(logLine(""), true)
	}
	for range 5 {
		byBytes.add(logLine(strings.Repeat("x", logBytesWaiting/4)), true)
	}
	if byLines.dropped != 3 || len(byLines.lines) != logLinesWaiting || byBytes.dropped != 2 {
		t.Errorf("%d and %d were dropped", byLines.dropped, byBytes.dropped)
	}
}

func TestAClosedBufferGivesUpItsLines(t *testing.T) {
	var buffer logBuffer
	buffer.add(logLine("lost"), true)
	sending := buffer.begin(t.Context())
	if bytes := buffer.close(); bytes != bytesOf(logLine("lost")) || sending.ctx.Err() == nil || !buffer.isClosed {
		t.Errorf("%d bytes are given up", bytes)
	}
	if _, ok := buffer.take(); ok {
		t.Error("lines are left")
	}
}

func TestALoggerWritesAttributesBehindTheMessage(t *testing.T) {
	a := attemptOf(t, "a")
	var running group
	// Its context has ended: lines wait and are not sent.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	running.close()
	logs := newLogQueue(ctx, nil, &running, func(error) {})
	logger := (&Task{attempt: a, run: &workerRun{logs: logs}}).Logger()
	logger.Info("plain")
	logger.With("sample", 7).WithGroup("file").Debug("read", "path", "/a b", "time", 3, "level", 4, "msg", 5)
	logger.Log(t.Context(), slog.LevelError+4, "worse", slog.String("msg", "mine"))
	logger.Warn(" kept as it is ")
	want := []string{
		"INFO plain", `DEBUG read sample=7 file.path="/a b" file.time=3 file.level=4 file.msg=5`, "ERROR worse msg=mine",
		"WARN  kept as it is ",
	}
	for index, entry := range a.log.lines {
		if got := Name(entry.GetLevel()) + " " + entry.GetMessage(); got != want[index] {
			t.Errorf("line %d is %q, not %q", index, got, want[index])
		}
	}
	if len(a.log.lines) != len(want) {
		t.Errorf("there are %d lines", len(a.log.lines))
	}
}

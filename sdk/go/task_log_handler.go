package millpond

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"time"
)

// taskLogHandler writes records to the log of an attempt: the message, then the attributes as slog's text handler
// writes them.
type taskLogHandler struct {
	task *Task
	// with adds groups and attributes, in their order, to a handler of the attributes.
	with []func(slog.Handler) slog.Handler
}

func newTaskLogHandler(task *Task) *taskLogHandler {
	return &taskLogHandler{task: task}
}

func (h *taskLogHandler) Enabled(context.Context, slog.Level) bool {
	return true
}

func (h *taskLogHandler) Handle(ctx context.Context, record slog.Record) error {
	var text bytes.Buffer
	// What the lines of the log have fields for is left out: slog's text handler begins with the level and the message.
	builtIns := 0
	leaveOut := func(_ []string, attribute slog.Attr) slog.Attr {
		if builtIns > 0 {
			builtIns--
			return slog.Attr{}
		}
		return attribute
	}
	var attributes slog.Handler = slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: leaveOut})
	for _, add := range h.with {
		attributes = add(attributes)
	}
	message, level := record.Message, record.Level
	record.Time, builtIns = time.Time{}, 2
	if err := attributes.Handle(ctx, record); err != nil {
		return err
	}
	if shown := strings.TrimSuffix(text.String(), "\n"); shown != "" {
		message += " " + shown
	}
	h.task.Log(level, message)
	return nil
}

func (h *taskLogHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return h.adding(func(handler slog.Handler) slog.Handler { return handler.WithAttrs(attributes) })
}

func (h *taskLogHandler) WithGroup(name string) slog.Handler {
	return h.adding(func(handler slog.Handler) slog.Handler { return handler.WithGroup(name) })
}

func (h *taskLogHandler) adding(add func(slog.Handler) slog.Handler) *taskLogHandler {
	with := append(h.with[:len(h.with):len(h.with)], add)
	return &taskLogHandler{task: h.task, with: with}
}

package millpond

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

// Handler does the work of one attempt. What it returns is the task's output, as [encoding/json] writes it; nil is no
// output (for a JSON null return json.RawMessage("null")). Its error is the task's failure, see [TaskError]; a panic
// is a failure like any other. What cannot be written as JSON fails the task with code OUTPUT_NOT_JSON, and an output
// that the server refuses with OUTPUT_REFUSED, both for good.
//
// Its context ends when it should stop; [context.Cause] says why: [ErrCancelRequested], [ErrLeaseLost] or
// [ErrWorkerStopped].
type Handler func(ctx context.Context, task *Task) (any, error)

// Task is one attempt at a task, as a handler gets it. It may be used by many goroutines, until the handler returns.
type Task struct {
	attempt *attempt
	run     *workerRun
}

// ID is the task's id.
func (t *Task) ID() string {
	return t.attempt.key.taskID
}

// Kind is the task's kind.
func (t *Task) Kind() string {
	return t.attempt.kind
}

// Attempt is the number of the attempt, from 1.
func (t *Task) Attempt() int32 {
	return t.attempt.key.number
}

// Assignment is all that the server said: the whole task, its parents, the trace context. It is not to be changed.
func (t *Task) Assignment() *millpondv1.Assignment {
	return t.attempt.assignment
}

// Parents are the tasks on which this one depended: by key, or by task id for a parent without a key or of another
// batch.
func (t *Task) Parents() map[string]*millpondv1.ParentResult {
	return t.attempt.assignment.GetParents()
}

// Input decodes the task's input as [json.Unmarshal] does. A task without input has null, which leaves the zero value
// of most types.
func Input[T any](task *Task) (T, error) {
	input, err := FromValue[T](task.Assignment().GetTask().GetInput())
	if err != nil {
		err = fmt.Errorf("the input of task %s: %w", task.ID(), err)
	}
	return input, err
}

// ParentOutput decodes what a parent produced, as [Input] does. It fails when there is no such parent, and when the
// outputs of the parents were too large to be handed out together: GetTask has them.
func ParentOutput[T any](task *Task, parent string) (T, error) {
	var output T
	result, ok := task.Parents()[parent]
	if !ok {
		return output, fmt.Errorf("task %s has no parent %q", task.ID(), parent)
	}
	if result.GetOutputOmitted() {
		return output, fmt.Errorf("the output of parent %q was too large to be handed out: read it with GetTask", parent)
	}
	output, err := FromValue[T](result.GetOutput())
	if err != nil {
		err = fmt.Errorf("the output of parent %q: %w", parent, err)
	}
	return output, err
}

// Heartbeat tells the server that the work goes on, and how far it is: anything that encodes as JSON, at most 64 KiB;
// nil leaves what was said before. It is not needed to keep the lease: the worker extends it. It returns when the
// server has answered, with the error if it refused, or when the context ends: then it is not sent, if it has not been.
func (t *Task) Heartbeat(ctx context.Context, progress any) error {
	value, err := optionalValue(progress)
	if err != nil {
		return fmt.Errorf("the progress is no JSON: %w", err)
	}
	heartbeat := &millpondv1.TaskReport_Heartbeat_{Heartbeat: &millpondv1.TaskReport_Heartbeat{Progress: value}}
	answer := t.run.reports.add(t.attempt.report(&millpondv1.TaskReport{Report: heartbeat}))
	select {
	case answered := <-answer:
		return t.run.takeAnswer(t.attempt, answered)
	case <-ctx.Done():
		t.run.reports.withdraw(answer)
		return context.Cause(ctx)
	}
}

// Log adds a line to the log of the attempt. It returns at once: lines are sent together, a few times a second, the
// last ones before the attempt is reported. While the server is away up to 10,000 lines, or 2 MiB, wait; what does
// not fit is dropped, and a line says how many lines that were.
func (t *Task) Log(level slog.Level, message string) {
	t.run.logs.add(t.attempt, level, message)
}

// Logger writes to the log of the attempt, as [Task.Log] does; attributes follow the message as key=value.
func (t *Task) Logger() *slog.Logger {
	return slog.New(newTaskLogHandler(t))
}

// Count adds to the task's counters, each count once, whatever connection breaks. It returns at once: counts are sent
// together, the last ones before the attempt is reported. What the server refuses is told to the worker's OnError. It
// fails for a negative number, and for sums beyond 64 bits.
func (t *Task) Count(success, failure int64) error {
	if success < 0 || failure < 0 {
		return errors.New("millpond: counts are not negative")
	}
	return t.run.counts.add(t.attempt, success, failure)
}

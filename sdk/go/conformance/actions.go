package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/millpond/millpond/sdk/go"
)

// action is what a handler does.
type action struct {
	Do           string
	Value        json.RawMessage
	Message      string
	Code         string
	Details      json.RawMessage
	RetryDelayMs *int64
	NonRetryable bool
	Ms           int64
	Lines        []struct{ Level, Message string }
	Success      int64 `json:",string"`
	Failure      int64 `json:",string"`
	Progress     json.RawMessage
	Attempts     []action
}

func (a action) do(ctx context.Context, task *millpond.Task, released <-chan struct{}) (any, error) {
	switch a.Do {
	case "echo":
		return input(task), nil
	case "return":
		return given(a.Value), nil
	case "nothing":
		return nil, nil
	case "parents":
		return parents(task), nil
	case "fail":
		return nil, &millpond.TaskError{
			Message: a.Message, Code: a.Code, Details: given(a.Details),
			RetryDelay: givenMilliseconds(a.RetryDelayMs), NonRetryable: a.NonRetryable,
		}
	case "throw":
		return nil, errors.New(a.Message)
	case "panic":
		panic(a.Message)
	case "unencodable":
		return make(chan int), nil
	case "sleep":
		return input(task), pause(ctx, after(a.Ms))
	case "hold":
		return input(task), pause(ctx, released)
	case "hang":
		select {}
	case "log":
		return nil, a.log(task)
	case "count":
		return nil, task.Count(a.Success, a.Failure)
	case "heartbeat":
		if err := task.Heartbeat(ctx, given(a.Progress)); err != nil {
			return nil, err
		}
		return input(task), pause(ctx, released)
	case "attempts":
		return a.Attempts[min(int(task.Attempt()), len(a.Attempts))-1].do(ctx, task, released)
	default:
		return nil, fmt.Errorf("no handler does %q", a.Do)
	}
}

func (a action) log(task *millpond.Task) error {
	for _, line := range a.Lines {
		var level slog.Level
		if err := level.UnmarshalText([]byte(line.Level)); err != nil {
			return err
		}
		task.Log(level, line.Message)
	}
	return nil
}

// given is a value out of an op; nil: it was not there.
func given(text json.RawMessage) any {
	if len(text) == 0 {
		return nil
	}
	return text
}

// input is the input of a task, to be returned; nil: it has none.
func input(task *millpond.Task) any {
	if value := task.Assignment().GetTask().GetInput(); value != nil {
		return value
	}
	return nil
}

func parents(task *millpond.Task) any {
	type parent struct {
		Status string `json:"status"`
		Output any    `json:"output,omitempty"`
	}
	results := map[string]parent{}
	for key, result := range task.Parents() {
		shown := parent{Status: millpond.Name(result.GetStatus())}
		if result.GetOutput() != nil {
			shown.Output = result.GetOutput()
		}
		results[key] = shown
	}
	return results
}

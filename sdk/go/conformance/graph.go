package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millpond/millpond/sdk/go"
	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/proto"
)

type graphFields struct {
	Client    string
	Batch     json.RawMessage
	BatchID   string
	Tasks     []graphTask
	Submit    string
	RequestID string
	PartSize  int
}

type graphTask struct {
	Key, Kind, Name     string
	Input               json.RawMessage
	Metadata            json.RawMessage
	Priority            int32
	ExpectedCount       *int64 `json:",string"`
	StartTime           time.Time
	StartTimeoutMs      int64
	InactivityTimeoutMs int64
	ExecutionTimeoutMs  int64
	TotalTimeoutMs      int64
	Retry               *graphRetry
	Rules               []json.RawMessage
	After               []json.RawMessage
}

type graphRetry struct {
	MaxAttempts      int32
	InitialBackoffMs *int64
	MaxBackoffMs     *int64
	Multiplier       float64
}

func (r *runner) graph(ctx context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[graphFields](line)
	if err != nil {
		return nil, err
	}
	graph, err := fields.build()
	if err != nil {
		return nil, err
	}
	if fields.Submit == "none" {
		request, err := graph.Request()
		if err != nil {
			return nil, err
		}
		text, err := toJSON(request)
		return map[string]json.RawMessage{"request": text}, err
	}
	client, err := r.clients.get(fields.Client)
	if err != nil {
		return nil, err
	}
	response, err := fields.submit(ctx, client, graph)
	if err != nil {
		return nil, err
	}
	text, err := toJSON(response)
	return map[string]json.RawMessage{"response": text}, err
}

func (f *graphFields) submit(
	ctx context.Context, client *millpond.Client, graph *millpond.Graph,
) (proto.Message, error) {
	switch {
	case f.Submit == "upload":
		return client.Upload(ctx, graph, &millpond.UploadOptions{RequestID: f.RequestID, PartSize: f.PartSize})
	case f.RequestID != "":
		request, err := graph.Request()
		if err != nil {
			return nil, err
		}
		request.RequestId = f.RequestID
		return client.Tasks.CreateTasks(ctx, request)
	default:
		return client.Create(ctx, graph)
	}
}

func (f *graphFields) build() (*millpond.Graph, error) {
	graph := millpond.NewGraphIn(f.BatchID)
	if f.BatchID == "" {
		var batch *millpondv1.NewBatch
		if len(f.Batch) > 0 {
			var err error
			if batch, err = fromJSON(f.Batch, &millpondv1.NewBatch{}); err != nil {
				return nil, err
			}
		}
		graph = millpond.NewGraph(batch)
	}
	refs := map[string]millpond.TaskRef{}
	for _, task := range f.Tasks {
		options, err := task.options(refs)
		if err != nil {
			return nil, err
		}
		refs[task.Key] = graph.Task(task.Key, task.Kind, options)
		if err := graph.Err(); err != nil {
			return nil, err
		}
	}
	return graph, nil
}

func (t *graphTask) options(refs map[string]millpond.TaskRef) (*millpond.TaskOptions, error) {
	options := &millpond.TaskOptions{
		Name: t.Name, Priority: t.Priority, ExpectedCount: t.ExpectedCount, StartTime: t.StartTime,
		StartTimeout: milliseconds(t.StartTimeoutMs), InactivityTimeout: milliseconds(t.InactivityTimeoutMs),
		ExecutionTimeout: milliseconds(t.ExecutionTimeoutMs), TotalTimeout: milliseconds(t.TotalTimeoutMs),
	}
	if len(t.Input) > 0 {
		options.Input = t.Input
	}
	if len(t.Metadata) > 0 {
		options.Metadata = t.Metadata
	}
	if t.Retry != nil {
		options.Retry = &millpond.RetryPolicy{
			MaxAttempts: t.Retry.MaxAttempts, Multiplier: t.Retry.Multiplier,
			InitialBackoff: givenMilliseconds(t.Retry.InitialBackoffMs), MaxBackoff: givenMilliseconds(t.Retry.MaxBackoffMs),
		}
	}
	for _, text := range t.Rules {
		rule, err := fromJSON(text, &millpondv1.Rule{})
		if err != nil {
			return nil, err
		}
		options.Rules = append(options.Rules, rule)
	}
	for _, text := range t.After {
		parent, err := parentOf(text, refs)
		if err != nil {
			return nil, err
		}
		options.After = append(options.After, parent)
	}
	return options, nil
}

func parentOf(text json.RawMessage, refs map[string]millpond.TaskRef) (millpond.TaskRef, error) {
	var key string
	if json.Unmarshal(text, &key) == nil {
		ref, ok := refs[key]
		if !ok {
			return ref, runnerError{fmt.Errorf("no task %q has been added yet", key)}
		}
		return ref, nil
	}
	fields, err := decoded[struct{ Key, TaskID, On string }](text)
	if err != nil {
		return millpond.TaskRef{}, err
	}
	parent := millpond.Key(fields.Key)
	if fields.TaskID != "" {
		parent = millpond.TaskID(fields.TaskID)
	}
	switch fields.On {
	case "success":
		return parent.OnSuccess(), nil
	case "completion":
		return parent.OnCompletion(), nil
	case "failure":
		return parent.OnFailure(), nil
	default:
		return parent, runnerError{fmt.Errorf("a parent that is awaited on %q", fields.On)}
	}
}

// givenMilliseconds is a duration where 0 is another one than none: the SDK takes what is negative for 0.
func givenMilliseconds(ms *int64) time.Duration {
	switch {
	case ms == nil:
		return 0
	case *ms == 0:
		return -1
	default:
		return milliseconds(*ms)
	}
}

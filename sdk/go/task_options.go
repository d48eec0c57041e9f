package millpond

import (
	"errors"
	"fmt"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TaskOptions is the contract's NewTask in Go's own types. Zero values are the server's defaults. Bounds are the
// contract's; the server names what breaks one.
type TaskOptions struct {
	// Name is for people; "": the key.
	Name string
	// After are the tasks that must have ended before it starts.
	After []TaskRef
	// UnmetPolicy is what becomes of it when a dependency can no longer be met.
	UnmetPolicy millpondv1.UnmetPolicy
	// Metadata are searchable facts about it: anything that encodes as a JSON object, at most 64 KiB.
	Metadata any
	// Input is what the executor works on: anything that encodes as JSON, at most 1 MiB. Nil is no input; for a JSON null
	// give json.RawMessage("null").
	Input any
	// Priority is from -1000 to 1000; higher first.
	Priority int32
	// ExpectedCount is how many items it will count; nil: not known.
	ExpectedCount *int64
	// StartTime is the time before which it does not start; zero: at once.
	StartTime time.Time
	// StartTimeout bounds how long it is CLAIMED; 0: 30 s.
	StartTimeout time.Duration
	// InactivityTimeout bounds how long an attempt may give no sign of life; 0: 60 s.
	InactivityTimeout time.Duration
	// ExecutionTimeout bounds how long an attempt may run; 0: no limit.
	ExecutionTimeout time.Duration
	// TotalTimeout bounds all attempts together, from creation to the end; 0: no limit.
	TotalTimeout time.Duration
	// Retry is how failed attempts are repeated; nil: they are not.
	Retry *RetryPolicy
	// Rules are the limits that must all let it start.
	Rules []*millpondv1.Rule
	// Dedupe finds a task that it would repeat: then it is not created.
	Dedupe []*millpondv1.DedupeMatcher

	// OnStart is the webhook that is called to start it. At most one of OnStart, RequiredLabels and Join is given;
	// none: any worker of its kind takes it.
	OnStart *millpondv1.Webhook
	// RequiredLabels are those that a worker must have, with equal values, to take it.
	RequiredLabels map[string]string
	// Join makes it a task without work: it succeeds as soon as it may start.
	Join bool

	// OnSuccess, OnFailure and OnCancel are called when it has ended that way.
	OnSuccess, OnFailure, OnCancel []*millpondv1.Webhook
	// Critical makes its failure stop the batch.
	Critical bool
	// OnlyForDependents cancels it once every task that depends on it has ended.
	OnlyForDependents bool
	// FairnessKey is with whom it takes turns; "": none.
	FairnessKey string
	// FairnessWeight is how many tasks of its FairnessKey are started where one of a key of weight 1 is; 0: 1.
	FairnessWeight int32
}

// RetryPolicy is how failed attempts are repeated: the delay before attempt n + 1 is min(MaxBackoff, InitialBackoff *
// Multiplier^(n-1) + Increment * (n-1)), with jitter. Where 0 is a default, a negative value is 0.
type RetryPolicy struct {
	// MaxAttempts is how many attempts there are in all, from 1 to 1000.
	MaxAttempts int32
	// InitialBackoff is the delay before the second attempt; 0: 1 s.
	InitialBackoff time.Duration
	// Multiplier multiplies the delay at each attempt, from 1 to 100; 0: 2.
	Multiplier float64
	// Increment is added to the delay at each attempt.
	Increment time.Duration
	// MaxBackoff is the longest delay; 0: 5 minutes.
	MaxBackoff time.Duration
	// Jitter is the share of the delay that is drawn at random, from 0 to 1; 0: 0.1.
	Jitter float64
	// Causes are the causes that are retried; none: all that may be.
	Causes []millpondv1.FailureCause
	// NonRetryableCodes are codes of failures that are not retried.
	NonRetryableCodes []string
}

func newTask(key, kind string, options *TaskOptions) (*millpondv1.NewTask, error) {
	task := &millpondv1.NewTask{
		Key: key, Name: options.Name, Kind: kind, UnmetPolicy: options.UnmetPolicy,
		Priority: options.Priority, ExpectedCount: options.ExpectedCount,
		StartTimeout: durationOf(options.StartTimeout), InactivityTimeout: durationOf(options.InactivityTimeout),
		ExecutionTimeout: durationOf(options.ExecutionTimeout), TotalTimeout: durationOf(options.TotalTimeout),
		Retry: options.Retry.message(), Rules: options.Rules, Dedupe: options.Dedupe,
		OnSuccess: options.OnSuccess, OnFailure: options.OnFailure, OnCancel: options.OnCancel,
		Critical: options.Critical, OnlyForDependents: options.OnlyForDependents,
		FairnessKey: options.FairnessKey, FairnessWeight: options.FairnessWeight,
	}
	if task.Name == "" {
		task.Name = key
	}
	for _, parent := range options.After {
		task.Dependencies = append(task.Dependencies, parent.dependency())
	}
	if !options.StartTime.IsZero() {
		task.StartTime = timestamppb.New(options.StartTime)
	}
	if err := setExecution(task, options); err != nil {
		return nil, err
	}
	return task, setJSON(task, options)
}

func setExecution(task *millpondv1.NewTask, options *TaskOptions) error {
	given := 0
	if options.OnStart != nil {
		given++
		task.Execution = &millpondv1.NewTask_OnStart{OnStart: options.OnStart}
	}
	if options.RequiredLabels != nil {
		given++
		worker := &millpondv1.WorkerExecution{RequiredLabels: options.RequiredLabels}
		task.Execution = &millpondv1.NewTask_Worker{Worker: worker}
	}
	if options.Join {
		given++
		task.Execution = &millpondv1.NewTask_Join{Join: &millpondv1.JoinExecution{}}
	}
	if given > 1 {
		return errors.New("OnStart, RequiredLabels and Join exclude each other")
	}
	return nil
}

func setJSON(task *millpondv1.NewTask, options *TaskOptions) (err error) {
	if task.Input, err = optionalValue(options.Input); err != nil {
		return fmt.Errorf("its input is no JSON: %w", err)
	}
	if options.Metadata != nil {
		if task.Metadata, err = toStruct(options.Metadata); err != nil {
			return fmt.Errorf("its metadata: %w", err)
		}
	}
	return nil
}

func (p *RetryPolicy) message() *millpondv1.RetryPolicy {
	if p == nil {
		return nil
	}
	message := &millpondv1.RetryPolicy{
		MaxAttempts: p.MaxAttempts, InitialBackoff: durationOf(p.InitialBackoff), Increment: durationOf(p.Increment),
		MaxBackoff: durationOf(p.MaxBackoff), RetryCauses: p.Causes, NonRetryableCodes: p.NonRetryableCodes,
	}
	if p.Multiplier != 0 {
		message.Multiplier = proto.Float64(p.Multiplier)
	}
	if p.Jitter != 0 {
		message.Jitter = proto.Float64(max(0, p.Jitter))
	}
	return message
}

// durationOf is a duration as a message: 0 is absent, a negative one is 0.
func durationOf(duration time.Duration) *durationpb.Duration {
	if duration == 0 {
		return nil
	}
	return durationpb.New(max(0, duration))
}

// optionalValue is a JSON value; nil is absent.
func optionalValue(v any) (*structpb.Value, error) {
	if v == nil {
		return nil, nil
	}
	return ToValue(v)
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/millpond/millpond/sdk/go"
	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/genproto/googleapis/rpc/code"
)

// runnerError is a failure that is none of the SDK's.
type runnerError struct{ error }

type errorAnswer struct {
	Type         string            `json:"type"`
	Code         string            `json:"code"`
	Reason       string            `json:"reason"`
	Message      string            `json:"message"`
	Metadata     map[string]string `json:"metadata"`
	Violations   []violation       `json:"violations"`
	RetryDelayMs *float64          `json:"retryDelayMs,omitempty"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

func describe(err error) *errorAnswer {
	answer := &errorAnswer{Message: err.Error(), Metadata: map[string]string{}, Violations: []violation{}}
	var failure *millpond.Error
	switch {
	case errors.As(err, new(runnerError)):
		answer.Type = "RunnerError"
	case errors.As(err, &failure):
		answer.Type = "millpond.Error"
		answer.Code = code.Code(failure.Code).String()
		answer.Message = failure.Message
		if failure.Reason != millpondv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
			answer.Reason = millpond.Name(failure.Reason)
		}
		if failure.Metadata != nil {
			answer.Metadata = failure.Metadata
		}
		for _, each := range failure.Violations {
			answer.Violations = append(answer.Violations, violation(each))
		}
		if delay, ok := failure.RetryDelay(); ok {
			ms := float64(delay) / float64(time.Millisecond)
			answer.RetryDelayMs = &ms
		}
	default:
		answer.Type = fmt.Sprintf("%T", err)
	}
	return answer
}

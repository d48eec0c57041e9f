package millpond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// TaskError is a failure that a handler returns to say more than a message. It may be wrapped. Of other errors, the
// message is reported, and what a method Code() string answers.
type TaskError struct {
	// Message is for people.
	Message string
	// Code is the handler's own code, which a retry policy may name as not worth retrying; "": none.
	Code string
	// Details is anything more that encodes as JSON; nil: nothing.
	Details any
	// RetryDelay is the delay before the next attempt, instead of the policy's; 0: the policy's; negative: none.
	RetryDelay time.Duration
	// NonRetryable ends the task, whatever its retry policy says.
	NonRetryable bool
	// Err is the cause; nil: none.
	Err error
}

// Error is the message, and the cause if there is one.
func (e *TaskError) Error() string {
	switch {
	case e.Err == nil:
		return e.Message
	case e.Message == "":
		return e.Err.Error()
	default:
		return e.Message + ": " + e.Err.Error()
	}
}

// Unwrap is the cause.
func (e *TaskError) Unwrap() error {
	return e.Err
}

// Codes of failures that the worker reports by itself.
const (
	codeOutputNotJSON = "OUTPUT_NOT_JSON"
	codeOutputRefused = "OUTPUT_REFUSED"
	codeWorkerStopped = "WORKER_STOPPED"
)

// Bounds of the contract: characters of a message and of a code, and the longest delay.
const (
	messageMax    = 16_384
	codeMax       = 255
	retryDelayMax = 366 * 24 * time.Hour
)

// describe is the failure to report for what a handler returned.
func (a *attempt) describe(err error) *millpondv1.TaskReport_Failure {
	// fmt survives errors whose own method panics.
	failure := &millpondv1.TaskReport_Failure{Message: wireText(fmt.Sprint(err), messageMax)}
	var own *TaskError
	var coded interface{ Code() string }
	switch {
	case errors.As(err, &own):
		failure.Code = wireText(own.Code, codeMax)
		failure.Details = detailsValue(own.Details)
		failure.NonRetryable = own.NonRetryable
		if own.RetryDelay != 0 {
			failure.RetryDelay = durationpb.New(min(max(0, own.RetryDelay), retryDelayMax))
		}
	case errors.As(err, &coded):
		failure.Code = wireText(coded.Code(), codeMax)
	case a.wasStopped(err):
		failure.Code = codeWorkerStopped
		failure.Message = wireText(fmt.Sprintf("%v: %v", context.Cause(a.ctx), err), messageMax)
	}
	return failure
}

// wasStopped tells whether a handler ended with err because the worker stops.
func (a *attempt) wasStopped(err error) bool {
	return errors.Is(context.Cause(a.ctx), ErrWorkerStopped) &&
		(errors.Is(err, ErrWorkerStopped) || errors.Is(err, context.Canceled))
}

// failureInstead is what to report when the server does not take a closing report: of a success whose output is
// refused, a failure that says so; of a failure with details, the same failure without them. Nil: there is nothing
// left to leave out.
func failureInstead(report *millpondv1.TaskReport, refusal string) *millpondv1.TaskReport_Failure {
	if report.GetSuccess() != nil {
		return &millpondv1.TaskReport_Failure{
			Message:      wireText("the output was refused: "+refusal, messageMax),
			Code:         codeOutputRefused,
			NonRetryable: true,
		}
	}
	failure := report.GetFailure()
	if failure.GetDetails() == nil {
		return nil
	}
	return &millpondv1.TaskReport_Failure{
		Message: failure.GetMessage(), Code: failure.GetCode(), NonRetryable: failure.GetNonRetryable(),
		RetryDelay: failure.GetRetryDelay(),
	}
}

// detailsValue is the details as JSON; where they are none, a text that says why.
func detailsValue(details any) *structpb.Value {
	value, err := optionalValue(details)
	if err != nil {
		return structpb.NewStringValue(wireText(fmt.Sprintf("the details are no JSON: %v", err), messageMax))
	}
	return value
}

// wireText is a text as the contract takes it: valid, without NUL, of at most so many characters.
func wireText(text string, charactersMax int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
	if utf8.RuneCountInString(text) <= charactersMax {
		return text
	}
	return string([]rune(text)[:charactersMax])
}

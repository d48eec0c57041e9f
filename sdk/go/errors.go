package millpond

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is what a call fails with. Find it with [errors.As]; errors.Is finds [context.Canceled] and
// [context.DeadlineExceeded] in it when Code says so.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is why the call failed; unspecified when the error is none of Millpond's, or of a reason that this version
	// does not know.
	Reason millpondv1.ErrorReason
	// Message is for people: the offending value and the way out. What Millpond did not say itself begins with the
	// address.
	Message string
	// Metadata holds the facts that ErrorReason names for the reason.
	Metadata map[string]string
	// Violations are the fields of the request that were refused, in the server's order.
	Violations []FieldViolation

	retryDelay *time.Duration
	// saidByMillpond: by nobody in between, and not by this side.
	saidByMillpond bool
	status         *status.Status
}

// FieldViolation names a field of a request by its path, such as tasks[3].kind, and what is wrong with it.
type FieldViolation struct {
	Field       string
	Description string
}

// Error is the reason, or the code where there is none, and the message.
func (e *Error) Error() string {
	if e.Reason != millpondv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		return Name(e.Reason) + ": " + e.Message
	}
	return fmt.Sprintf("%v: %s", e.Code, e.Message)
}

// RetryDelay is how long the server asked to wait before the call is repeated, and whether it asked.
func (e *Error) RetryDelay() (time.Duration, bool) {
	if e.retryDelay == nil {
		return 0, false
	}
	return *e.retryDelay, true
}

// Is makes errors.Is find the context's errors.
func (e *Error) Is(target error) bool {
	return target == context.Canceled && e.Code == codes.Canceled ||
		target == context.DeadlineExceeded && e.Code == codes.DeadlineExceeded
}

// GRPCStatus is the status as it came, for those who use google.golang.org/grpc/status.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Code, e.Message)
	}
	return e.status
}

// ReasonOf is why a call failed: the Reason of the [Error] in err, and unspecified where there is none.
func ReasonOf(err error) millpondv1.ErrorReason {
	if failure := asError(err); failure != nil {
		return failure.Reason
	}
	return millpondv1.ErrorReason_ERROR_REASON_UNSPECIFIED
}

// IsTransient tells whether a call failed because the server, or the way to it, was away, so that the same call may
// succeed later. Whether repeating it is safe is another question.
func IsTransient(err error) bool {
	failure := asError(err)
	if failure == nil {
		return false
	}
	return failure.Code == codes.Unavailable || !failure.saidByMillpond && brokenConnection.MatchString(failure.Message)
}

// brokenConnection is how grpc-go describes a connection that broke during a call, where it does not say UNAVAILABLE.
var brokenConnection = regexp.MustCompile(
	`stream terminated by RST_STREAM|closed the stream without sending trailers|unexpected EOF|connection reset`)

// domain marks the ErrorInfo of Millpond.
const domain = "millpond"

func asError(err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	return nil
}

// newError is the Error for what a call by grpc-go failed with.
func newError(err error, address string) *Error {
	if failure := asError(err); failure != nil {
		return failure
	}
	said := status.Convert(err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		said = status.FromContextError(err)
	}
	failure := &Error{Code: said.Code(), Message: said.Message(), status: said}
	for _, detail := range said.Details() {
		failure.take(detail)
	}
	if !failure.saidByMillpond {
		failure.Message = address + ": " + transportMessage(said)
	}
	return failure
}

// take notes what a detail of a status says.
func (e *Error) take(detail any) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		if detail.GetDomain() != domain {
			return
		}
		e.saidByMillpond = true
		e.Reason = millpondv1.ErrorReason(millpondv1.ErrorReason_value[reasonPrefix+detail.GetReason()])
		e.Metadata = detail.GetMetadata()
	case *errdetails.BadRequest:
		for _, violation := range detail.GetFieldViolations() {
			e.Violations = append(e.Violations, FieldViolation{violation.GetField(), violation.GetDescription()})
		}
	case *errdetails.RetryInfo:
		if e.Code == codes.Unavailable || e.Code == codes.ResourceExhausted {
			delay := max(0, detail.GetRetryDelay().AsDuration())
			e.retryDelay = &delay
		}
	}
}

const reasonPrefix = "ERROR_REASON_"

// transportMessage is what grpc-go, or somebody who is no Millpond, said, without what grpc-go wraps it in.
func transportMessage(said *status.Status) string {
	message := said.Message()
	if quoted, ok := strings.CutPrefix(message, "connection error: desc = "); ok {
		if text, err := strconv.Unquote(quoted); err == nil {
			message = strings.TrimPrefix(text, "transport: ")
		}
	}
	if said.Code() == codes.Unimplemented {
		message += " (the server may be older than this SDK, or no Millpond)"
	}
	return message
}

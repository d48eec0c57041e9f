package millpond

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const somewhere = "http://127.0.0.1:1"

func TestAnErrorSaysAllThatMillpondSaid(t *testing.T) {
	said := refusal(codes.ResourceExhausted, "LIMIT_EXCEEDED", "too many", retryInfo(1500*time.Millisecond),
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "tasks[3].kind", Description: "is empty"},
		}})
	var failure *Error
	if !errors.As(fmt.Errorf("wrapped: %w", newError(said, somewhere)), &failure) {
		t.Fatal("it is no Error")
	}
	if failure.Code != codes.ResourceExhausted || failure.Message != "too many" ||
		failure.Reason != millpondv1.ErrorReason_ERROR_REASON_LIMIT_EXCEEDED {
		t.Errorf("it is %+v", failure)
	}
	if failure.Error() != "LIMIT_EXCEEDED: too many" || failure.Metadata["key"] != "value" {
		t.Errorf("it is %v, of %v", failure, failure.Metadata)
	}
	if want := []FieldViolation{{"tasks[3].kind", "is empty"}}; !reflect.DeepEqual(failure.Violations, want) {
		t.Errorf("violations are %v", failure.Violations)
	}
	if delay, asked := failure.RetryDelay(); !asked || delay != 1500*time.Millisecond {
		t.Errorf("the delay is %v, %v", delay, asked)
	}
	if status.Code(failure) != codes.ResourceExhausted {
		t.Errorf("the status is %v", status.Code(failure))
	}
}

func TestAReasonThatThisVersionDoesNotKnowIsUnspecified(t *testing.T) {
	failure := newError(refusal(codes.NotFound, "FROM_THE_FUTURE", "gone"), somewhere)
	if ReasonOf(failure) != millpondv1.ErrorReason_ERROR_REASON_UNSPECIFIED || failure.Message != "gone" {
		t.Errorf("it is %+v", failure)
	}
}

func TestADelayCountsOnlyWhereItMayBeAskedFor(t *testing.T) {
	failure := newError(refusal(codes.NotFound, "TASK_NOT_FOUND", "gone", retryInfo(time.Second)), somewhere)
	if _, asked := failure.RetryDelay(); asked {
		t.Error("the delay counts")
	}
}

func TestWhatOthersSayNamesTheAddress(t *testing.T) {
	dialing := `connection error: desc = "transport: Error while dialing: dial tcp: connection refused"`
	for _, each := range []struct {
		said error
		want string
	}{
		{status.Error(codes.Unavailable, dialing), somewhere + ": Error while dialing: dial tcp: connection refused"},
		{status.Error(codes.Internal, "a proxy's"), somewhere + ": a proxy's"},
		{context.DeadlineExceeded, somewhere + ": context deadline exceeded"},
	} {
		if failure := newError(each.said, somewhere); failure.Message != each.want {
			t.Errorf("%v is told as %q", each.said, failure.Message)
		}
	}
	unknown := newError(status.Error(codes.Unimplemented, "unknown method"), somewhere)
	if !strings.HasPrefix(unknown.Message, somewhere+": unknown method") || !strings.Contains(unknown.Message, "older") {
		t.Errorf("it is told as %q", unknown.Message)
	}
}

func TestErrorsOfTheContextAreFound(t *testing.T) {
	canceled := newError(status.Error(codes.Canceled, "context canceled"), somewhere)
	if !errors.Is(canceled, context.Canceled) || errors.Is(canceled, context.DeadlineExceeded) {
		t.Error("a canceled call is not found as such")
	}
	if late := newError(context.DeadlineExceeded, somewhere); late.Code != codes.DeadlineExceeded ||
		!errors.Is(late, context.DeadlineExceeded) {
		t.Errorf("a call that took too long is %+v", late)
	}
}

func TestWhatIsTransient(t *testing.T) {
	for _, each := range []struct {
		err  error
		want bool
	}{
		{status.Error(codes.Unavailable, "away"), true},
		{refusal(codes.Unavailable, "STORE_UNAVAILABLE", "no database"), true},
		{status.Error(codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR"), true},
		{status.Error(codes.Internal, "server closed the stream without sending trailers"), true},
		{refusal(codes.Internal, "FROM_THE_FUTURE", "unexpected EOF"), false},
		{status.Error(codes.Internal, "a bug"), false},
		{status.Error(codes.DeadlineExceeded, "late"), false},
		{refusal(codes.NotFound, "TASK_NOT_FOUND", "gone"), false},
	} {
		if got := IsTransient(newError(each.err, somewhere)); got != each.want {
			t.Errorf("%v is transient: %v", each.err, got)
		}
	}
	if IsTransient(errors.New("something else")) {
		t.Error("what is no call's error is transient")
	}
}

func TestNamesOfEnums(t *testing.T) {
	if name := Name(millpondv1.TaskStatus_TASK_STATUS_SUCCESS); name != "SUCCESS" {
		t.Errorf("it is %q", name)
	}
	if name := Name(millpondv1.ErrorReason_ERROR_REASON_UNSPECIFIED); name != "UNSPECIFIED" {
		t.Errorf("it is %q", name)
	}
	if name := Name(millpondv1.LogLevel(77)); name != "77" {
		t.Errorf("it is %q", name)
	}
}

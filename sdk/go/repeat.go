package millpond

import (
	"context"
	"fmt"
	"strings"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// repeater makes a call again while it fails because the server is away, or asks for it.
type repeater struct {
	enabled bool
}

// run makes a call, and makes it again if that is safe and may help, within the context.
func (r repeater) run(ctx context.Context, call func() error, isSafe func() bool) error {
	for failures := 1; ; failures++ {
		err := call()
		if err == nil || ctx.Err() != nil || !r.enabled || failures == attemptsOfCall || !isSafe() {
			return err
		}
		delay, ok := delayBeforeRepeat(err, failures)
		if !ok {
			return err
		}
		if !sleep(ctx, delay) {
			return fmt.Errorf("%w, after: %v", ctx.Err(), err)
		}
	}
}

// isSafeToRepeat tells whether a call may be made twice: reads, calls with a request id, extensions of leases, and
// reports that do not count twice. A claim never is: its first answer may be on its way.
func isSafeToRepeat(method string, request proto.Message) bool {
	if method == millpondv1.WorkerService_ExtendLeases_FullMethodName {
		return true
	}
	if reports, ok := request.(*millpondv1.ReportTasksRequest); ok {
		for _, report := range reports.GetReports() {
			if !isReportRepeatable(report) {
				return false
			}
		}
		return true
	}
	message := request.ProtoReflect()
	if field := requestIDField(message); field != nil && message.Has(field) {
		return true
	}
	return hasNoSideEffects(method)
}

// isReportRepeatable: a repeated closing report is refused, so what it adds to the counters is added once; any other
// report adds again. A report on whichever attempt is current may, when it is repeated, meet the next one.
func isReportRepeatable(report *millpondv1.TaskReport) bool {
	if report.GetAttempt() == 0 {
		return false
	}
	isClosing := report.GetSuccess() != nil || report.GetFailure() != nil
	return isClosing || report.GetAddSuccessCount() == 0 && report.GetAddFailureCount() == 0
}

// hasNoSideEffects is what the contract says of a method ("/millpond.v1.TaskService/GetTask").
func hasNoSideEffects(method string) bool {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return false
	}
	options, ok := descriptor.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// freshConnectionMax is how long a call waits for a connection that is tried anew.
const freshConnectionMax = 250 * time.Millisecond

// reconnect gives a call over a connection that is down a chance: grpc-go would let it fail with the error of the last
// attempt to connect, without making another one before its own delay is over.
func reconnect(ctx context.Context, conn *grpc.ClientConn) {
	if conn.GetState() != connectivity.TransientFailure {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, freshConnectionMax)
	defer cancel()
	conn.ResetConnectBackoff()
	conn.WaitForStateChange(ctx, connectivity.TransientFailure)
}

func reconnectUnary(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, next grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	reconnect(ctx, conn)
	return next(ctx, method, request, answer, conn, options...)
}

func reconnectStream(
	ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn, method string, next grpc.Streamer,
	options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	reconnect(ctx, conn)
	return next(ctx, description, conn, method, options...)
}

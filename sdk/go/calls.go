package millpond

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// calls is what happens to each call on its way: a deadline, a request id, credentials, repeats, and one type of error.
type calls struct {
	address  string
	token    string
	timeout  time.Duration
	repeater repeater
}

// unary is the outermost interceptor of unary calls.
func (c *calls) unary(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, next grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	message, ok := request.(proto.Message)
	if !ok {
		return fmt.Errorf("millpond: the request of %s is no message but %T", method, request)
	}
	if _, ok := ctx.Deadline(); !ok && c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout+waitOf(message))
		defer cancel()
	}
	err := next(c.authorized(ctx), method, withRequestID(message), answer, conn, options...)
	if err != nil {
		return newError(err, c.address)
	}
	return nil
}

// repeated is the interceptor that repeats what is safe to repeat. All attempts share the deadline and the request id.
func (c *calls) repeated(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, next grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	// The outermost interceptor has checked it.
	message := request.(proto.Message)
	return c.repeater.run(ctx, func() error {
		if err := next(ctx, method, request, answer, conn, options...); err != nil {
			return newError(err, c.address)
		}
		return nil
	}, func() bool { return isSafeToRepeat(method, message) })
}

// stream is the outermost interceptor of streams.
func (c *calls) stream(
	ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn, method string, next grpc.Streamer,
	options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := next(c.authorized(ctx), description, conn, method, options...)
	if err != nil {
		return nil, newError(err, c.address)
	}
	return &callStream{stream, c.address}, nil
}

func (c *calls) authorized(ctx context.Context) context.Context {
	const header = "authorization"
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	if c.token == "" || len(outgoing.Get(header)) > 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, header, "Bearer "+c.token)
}

// callStream is a stream that fails with an [Error].
type callStream struct {
	grpc.ClientStream
	address string
}

func (s *callStream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, s.wrapped(err)
}

func (s *callStream) CloseSend() error {
	return s.wrapped(s.ClientStream.CloseSend())
}

func (s *callStream) SendMsg(message any) error {
	return s.wrapped(s.ClientStream.SendMsg(message))
}

func (s *callStream) RecvMsg(message any) error {
	return s.wrapped(s.ClientStream.RecvMsg(message))
}

func (s *callStream) wrapped(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return newError(err, s.address)
}

// longestWait is beyond what any server waits: what is longer, or negative, is refused by the server, in time.
const longestWait = time.Hour

// waitOf is how long a request asks the server to wait.
func waitOf(request proto.Message) time.Duration {
	message := request.ProtoReflect()
	field := message.Descriptor().Fields().ByName("wait_timeout")
	if field == nil || !message.Has(field) {
		return 0
	}
	if wait, ok := message.Get(field).Message().Interface().(*durationpb.Duration); ok {
		return min(max(0, wait.AsDuration()), longestWait)
	}
	return 0
}

// withRequestID is the request with a new request_id, where it has an empty one: repeated, the call does not do its
// work twice. The caller's message is not changed: sent again by the caller it is another call.
func withRequestID(request proto.Message) proto.Message {
	message := request.ProtoReflect()
	field := requestIDField(message)
	if field == nil || message.Has(field) {
		return request
	}
	// What the fields hold is shared, not copied: a graph may be large.
	filled := message.New()
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		filled.Set(field, value)
		return true
	})
	filled.SetUnknown(message.GetUnknown())
	filled.Set(field, protoreflect.ValueOfString(newUUID()))
	return filled.Interface()
}

// requestIDField is the field of a message that makes its call safe to repeat; nil: it has none.
func requestIDField(message protoreflect.Message) protoreflect.FieldDescriptor {
	field := message.Descriptor().Fields().ByName("request_id")
	if field == nil || field.Kind() != protoreflect.StringKind {
		return nil
	}
	return field
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var id [16]byte
	// It never fails, as its documentation says.
	_, _ = rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

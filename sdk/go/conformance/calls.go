package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millpond/millpond/sdk/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

func (r *runner) openClient(_ context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		Client, Address, Token string
		TimeoutMs              int64
		Retry                  *bool
	}](line)
	if err != nil {
		return nil, err
	}
	client, err := millpond.NewClient(fields.Address, &millpond.ClientOptions{
		Token:        fields.Token,
		Timeout:      milliseconds(fields.TimeoutMs),
		DisableRetry: fields.Retry != nil && !*fields.Retry,
	})
	if err != nil {
		return nil, err
	}
	r.clients.put(fields.Client, client)
	return none{}, nil
}

func (r *runner) closeClient(_ context.Context, line json.RawMessage) (any, error) {
	client, err := r.clientOf(line)
	if err != nil {
		return nil, err
	}
	return none{}, client.Close()
}

func (r *runner) clientOf(line json.RawMessage) (*millpond.Client, error) {
	fields, err := decoded[struct{ Client string }](line)
	if err != nil {
		return nil, err
	}
	return r.clients.get(fields.Client)
}

// remoteMethod is a method of the contract as "call" and "stream" name it.
type remoteMethod struct {
	Client    string
	Method    string
	TimeoutMs int64
}

func (m remoteMethod) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.TimeoutMs == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, milliseconds(m.TimeoutMs))
}

func (m remoteMethod) descriptor() (protoreflect.MethodDescriptor, error) {
	name := protoreflect.FullName(strings.ReplaceAll(m.Method, "/", "."))
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil, runnerError{err}
	}
	method, ok := descriptor.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, runnerError{fmt.Errorf("%s is no method", m.Method)}
	}
	return method, nil
}

func newMessage(descriptor protoreflect.MessageDescriptor) (proto.Message, error) {
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		return nil, runnerError{err}
	}
	return messageType.New().Interface(), nil
}

// fromJSON is a message out of ProtoJSON; nothing is an empty message.
func fromJSON[T proto.Message](text json.RawMessage, message T) (T, error) {
	if len(text) == 0 {
		return message, nil
	}
	if err := protojson.Unmarshal(text, message); err != nil {
		return message, runnerError{err}
	}
	return message, nil
}

func toJSON(message proto.Message) (json.RawMessage, error) {
	text, err := protojson.Marshal(message)
	if err != nil {
		return nil, runnerError{err}
	}
	return text, nil
}

func (r *runner) call(ctx context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		remoteMethod
		Request json.RawMessage
	}](line)
	if err != nil {
		return nil, err
	}
	client, err := r.clients.get(fields.Client)
	if err != nil {
		return nil, err
	}
	method, err := fields.descriptor()
	if err != nil {
		return nil, err
	}
	request, err := newMessage(method.Input())
	if err != nil {
		return nil, err
	}
	if request, err = fromJSON(fields.Request, request); err != nil {
		return nil, err
	}
	response, err := newMessage(method.Output())
	if err != nil {
		return nil, err
	}
	ctx, cancel := fields.context(ctx)
	defer cancel()
	if err := client.Conn().Invoke(ctx, "/"+fields.Method, request, response); err != nil {
		return nil, err
	}
	text, err := toJSON(response)
	return map[string]json.RawMessage{"response": text}, err
}

func (r *runner) cancel(_ context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct{ Call string }](line)
	if err != nil {
		return nil, err
	}
	if cancel, err := r.calls.get(fields.Call); err == nil {
		cancel()
	}
	return none{}, nil
}

func (r *runner) stream(ctx context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		remoteMethod
		Requests []json.RawMessage
	}](line)
	if err != nil {
		return nil, err
	}
	client, err := r.clients.get(fields.Client)
	if err != nil {
		return nil, err
	}
	method, err := fields.descriptor()
	if err != nil {
		return nil, err
	}
	ctx, cancel := fields.context(ctx)
	defer cancel()
	description := &grpc.StreamDesc{ServerStreams: method.IsStreamingServer(), ClientStreams: method.IsStreamingClient()}
	stream, err := client.Conn().NewStream(ctx, description, "/"+fields.Method)
	if err != nil {
		return nil, err
	}
	if err := sendAll(stream, method, fields.Requests); err != nil {
		return nil, err
	}
	responses, err := receiveAll(stream, method)
	return map[string][]json.RawMessage{"responses": responses}, err
}

func sendAll(stream grpc.ClientStream, method protoreflect.MethodDescriptor, requests []json.RawMessage) error {
	for _, text := range requests {
		request, err := newMessage(method.Input())
		if err != nil {
			return err
		}
		if request, err = fromJSON(text, request); err != nil {
			return err
		}
		if err := stream.SendMsg(request); err == io.EOF {
			// It has ended; why is what is received.
			return nil
		} else if err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

func receiveAll(stream grpc.ClientStream, method protoreflect.MethodDescriptor) ([]json.RawMessage, error) {
	responses := []json.RawMessage{}
	for {
		response, err := newMessage(method.Output())
		if err != nil {
			return nil, err
		}
		if err := stream.RecvMsg(response); err == io.EOF {
			return responses, nil
		} else if err != nil {
			return nil, err
		}
		text, err := toJSON(response)
		if err != nil {
			return nil, err
		}
		responses = append(responses, text)
		if !method.IsStreamingServer() {
			return responses, nil
		}
	}
}

func milliseconds(ms int64) time.Duration {
	return time.Duration(ms) * time.Millisecond
}

package millpond

import (
	"context"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// fakeServer is a server of which each test writes what it needs.
type fakeServer struct {
	address string
	server  *grpc.Server
}

// tasksFake, eventsFake and workersFake are services whose methods are functions; those without one are UNIMPLEMENTED.
type tasksFake struct {
	millpondv1.UnimplementedTaskServiceServer
	get    func(context.Context, *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error)
	create func(context.Context, *millpondv1.CreateTasksRequest) (*millpondv1.CreateTasksResponse, error)
	upload func(grpc.ClientStreamingServer[millpondv1.UploadTasksRequest, millpondv1.UploadTasksResponse]) error
	report func(context.Context, *millpondv1.ReportTasksRequest) (*millpondv1.ReportTasksResponse, error)
	count  func(context.Context, *millpondv1.AddCountsRequest) (*millpondv1.AddCountsResponse, error)
}

type eventsFake struct {
	millpondv1.UnimplementedEventServiceServer
	watch func(*millpondv1.WatchEventsRequest, grpc.ServerStreamingServer[millpondv1.WatchEventsResponse]) error
}

type workStreamServer = grpc.BidiStreamingServer[millpondv1.WorkRequest, millpondv1.WorkResponse]

type workersFake struct {
	millpondv1.UnimplementedWorkerServiceServer
	work   func(workStreamServer) error
	claim  func(context.Context, *millpondv1.ClaimTasksRequest) (*millpondv1.ClaimTasksResponse, error)
	extend func(context.Context, *millpondv1.ExtendLeasesRequest) (*millpondv1.ExtendLeasesResponse, error)
	append func(context.Context, *millpondv1.AppendLogsRequest) (*millpondv1.AppendLogsResponse, error)
	list   func(context.Context, *millpondv1.ListLogsRequest) (*millpondv1.ListLogsResponse, error)
}

func unimplemented() error {
	return status.Error(codes.Unimplemented, "the fake has no such method")
}

func (f *tasksFake) GetTask(ctx context.Context, r *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
	return f.get(ctx, r)
}

func (f *tasksFake) CreateTasks(
	ctx context.Context, r *millpondv1.CreateTasksRequest,
) (*millpondv1.CreateTasksResponse, error) {
	return f.create(ctx, r)
}

func (f *tasksFake) UploadTasks(
	s grpc.ClientStreamingServer[millpondv1.UploadTasksRequest, millpondv1.UploadTasksResponse],
) error {
	return f.upload(s)
}

func (f *tasksFake) ReportTasks(
	ctx context.Context, r *millpondv1.ReportTasksRequest,
) (*millpondv1.ReportTasksResponse, error) {
	return f.report(ctx, r)
}

func (f *tasksFake) AddCounts(
	ctx context.Context, r *millpondv1.AddCountsRequest,
) (*millpondv1.AddCountsResponse, error) {
	return f.count(ctx, r)
}

func (f *eventsFake) WatchEvents(
	r *millpondv1.WatchEventsRequest, s grpc.ServerStreamingServer[millpondv1.WatchEventsResponse],
) error {
	return f.watch(r, s)
}

func (f *workersFake) Work(s workStreamServer) error {
	if f.work == nil {
		return unimplemented()
	}
	return f.work(s)
}

func (f *workersFake) ClaimTasks(
	ctx context.Context, r *millpondv1.ClaimTasksRequest,
) (*millpondv1.ClaimTasksResponse, error) {
	if f.claim == nil {
		return nil, unimplemented()
	}
	return f.claim(ctx, r)
}

func (f *workersFake) ExtendLeases(
	ctx context.Context, r *millpondv1.ExtendLeasesRequest,
) (*millpondv1.ExtendLeasesResponse, error) {
	if f.extend == nil {
		return nil, unimplemented()
	}
	return f.extend(ctx, r)
}

func (f *workersFake) AppendLogs(
	ctx context.Context, r *millpondv1.AppendLogsRequest,
) (*millpondv1.AppendLogsResponse, error) {
	return f.append(ctx, r)
}

func (f *workersFake) ListLogs(
	ctx context.Context, r *millpondv1.ListLogsRequest,
) (*millpondv1.ListLogsResponse, error) {
	return f.list(ctx, r)
}

// serve starts a server of services on loopback; nil services are left out.
func serve(t *testing.T, tasks *tasksFake, events *eventsFake, workers *workersFake) *fakeServer {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", tasks, events, workers)
}

func serveAt(t *testing.T, at string, tasks *tasksFake, events *eventsFake, workers *workersFake) *fakeServer {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	if tasks != nil {
		millpondv1.RegisterTaskServiceServer(server, tasks)
	}
	if events != nil {
		millpondv1.RegisterEventServiceServer(server, events)
	}
	if workers != nil {
		millpondv1.RegisterWorkerServiceServer(server, workers)
	}
	var serving sync.WaitGroup
	serving.Add(1)
	go func() {
		defer serving.Done()
		// It ends when it is stopped.
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return &fakeServer{address: listener.Addr().String(), server: server}
}

// client is a client of the server, closed with the test.
func (s *fakeServer) client(t *testing.T, options *ClientOptions) *Client {
	t.Helper()
	return clientOf(t, s.address, options)
}

func clientOf(t *testing.T, address string, options *ClientOptions) *Client {
	t.Helper()
	client, err := NewClient(address, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// refusal is an error as Millpond says it.
func refusal(code codes.Code, reason, message string, more ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Domain: domain, Reason: reason, Metadata: map[string]string{"key": "value"}}
	said, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{info}, more...)...)
	if err != nil {
		panic(err)
	}
	return said.Err()
}

func retryInfo(delay time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}
}

// within is a context for what must not take for ever.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// next is what comes out of a channel.
func next[T any](t *testing.T, channel <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-channel:
		return value
	case <-time.After(patience):
		t.Fatalf("no %s came", what)
		panic("unreachable")
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// leavesNothingBehind waits until no goroutine of a worker is left.
func leavesNothingBehind(t *testing.T) {
	t.Helper()
	eventually(t, "the worker's goroutines have ended", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, part := range []string{"(*work", "(*claimLoop", "(*leaseKeeper", "(*errorListener", "Queue)", "(*attempt"} {
			if strings.Contains(string(stacks), "sdk/go."+part) {
				return false
			}
		}
		return true
	})
}

type watchStreamServer = grpc.ServerStreamingServer[millpondv1.WatchEventsResponse]

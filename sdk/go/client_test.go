package millpond

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestAReadIsRepeatedWhileTheServerIsAway(t *testing.T) {
	var calls atomic.Int32
	server := serve(t, &tasksFake{
		get: func(context.Context, *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			if calls.Add(1) < 3 {
				return nil, status.Error(codes.Unavailable, "restarting")
			}
			return &millpondv1.GetTaskResponse{Task: &millpondv1.Task{TaskId: "t"}}, nil
		},
	}, nil, nil)
	answer, err := server.client(t, nil).Tasks.GetTask(within(t), &millpondv1.GetTaskRequest{TaskId: "t"})
	if err != nil || answer.GetTask().GetTaskId() != "t" || calls.Load() != 3 {
		t.Errorf("it is %v, %v after %d calls", answer, err, calls.Load())
	}
}

func TestACallIsMadeFiveTimesAtMostWithOneRequestID(t *testing.T) {
	ids := make(chan string, 10)
	server := serve(t, &tasksFake{
		create: func(_ context.Context, r *millpondv1.CreateTasksRequest) (*millpondv1.CreateTasksResponse, error) {
			ids <- r.GetRequestId()
			return nil, refusal(codes.Unavailable, "STORE_UNAVAILABLE", "no database", retryInfo(0))
		},
	}, nil, nil)
	request := &millpondv1.CreateTasksRequest{}
	_, err := server.client(t, nil).Tasks.CreateTasks(within(t), request)
	if ReasonOf(err) != millpondv1.ErrorReason_ERROR_REASON_STORE_UNAVAILABLE || len(ids) != 5 ||
		request.GetRequestId() != "" {
		t.Fatalf("%v after %d calls of %v", err, len(ids), request)
	}
	first := <-ids
	for range 4 {
		if id := <-ids; id != first || id == "" {
			t.Errorf("ids are %q and %q", first, id)
		}
	}
}

func TestRepeatsAreTurnedOff(t *testing.T) {
	var calls atomic.Int32
	server := serve(t, &tasksFake{
		get: func(context.Context, *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			calls.Add(1)
			return nil, status.Error(codes.Unavailable, "restarting")
		},
	}, nil, nil)
	client := server.client(t, &ClientOptions{DisableRetry: true})
	if _, err := client.Tasks.GetTask(within(t), &millpondv1.GetTaskRequest{}); !IsTransient(err) || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestAClaimIsNotRepeated(t *testing.T) {
	var calls atomic.Int32
	server := serve(t, nil, nil, &workersFake{
		claim: func(context.Context, *millpondv1.ClaimTasksRequest) (*millpondv1.ClaimTasksResponse, error) {
			calls.Add(1)
			return nil, status.Error(codes.Unavailable, "restarting")
		},
	})
	_, err := server.client(t, nil).Workers.ClaimTasks(within(t), &millpondv1.ClaimTasksRequest{})
	if !IsTransient(err) || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestACallHasADeadlineAndItsWaitOnTop(t *testing.T) {
	left := make(chan time.Duration, 5)
	note := func(ctx context.Context) {
		deadline, ok := ctx.Deadline()
		if !ok {
			t.Error("there is no deadline")
		}
		left <- time.Until(deadline)
	}
	server := serve(t, &tasksFake{
		get: func(ctx context.Context, _ *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			note(ctx)
			return &millpondv1.GetTaskResponse{}, nil
		},
	}, nil, &workersFake{
		list: func(ctx context.Context, _ *millpondv1.ListLogsRequest) (*millpondv1.ListLogsResponse, error) {
			note(ctx)
			return &millpondv1.ListLogsResponse{}, nil
		},
	})
	client := server.client(t, &ClientOptions{Timeout: time.Hour})
	if _, err := client.Tasks.GetTask(t.Context(), &millpondv1.GetTaskRequest{}); err != nil {
		t.Fatal(err)
	}
	waits := &millpondv1.ListLogsRequest{WaitTimeout: durationpb.New(time.Hour)}
	if _, err := client.Workers.ListLogs(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	if _, err := client.Tasks.GetTask(ctx, &millpondv1.GetTaskRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, odd := range []*durationpb.Duration{{Seconds: -7200}, {Seconds: math.MaxInt64}} {
		if _, err := client.Workers.ListLogs(t.Context(), &millpondv1.ListLogsRequest{WaitTimeout: odd}); err != nil {
			t.Errorf("a wait of %v fails here, not at the server: %v", odd, err)
		}
	}
	for _, want := range []time.Duration{time.Hour, 2 * time.Hour, 24 * time.Hour, time.Hour, 2 * time.Hour} {
		if got := next(t, left, "deadline"); got > want || got < want-30*time.Minute {
			t.Errorf("%v were left, not %v", got, want)
		}
	}
}

func TestAServerThatNeverAnswersIsGivenUpAtTheDeadline(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := clientOf(t, listener.Addr().String(), &ClientOptions{Timeout: 50 * time.Millisecond})
	_, err = client.Tasks.GetTask(t.Context(), &millpondv1.GetTaskRequest{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it failed with %v", err)
	}
}

func TestATokenTravelsWithEveryCallThatBringsNone(t *testing.T) {
	seen := make(chan string, 3)
	note := func(ctx context.Context) {
		incoming, _ := metadata.FromIncomingContext(ctx)
		for _, value := range incoming.Get("authorization") {
			seen <- value
		}
	}
	server := serve(t, &tasksFake{
		get: func(ctx context.Context, _ *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			note(ctx)
			return &millpondv1.GetTaskResponse{}, nil
		},
	}, &eventsFake{
		watch: func(_ *millpondv1.WatchEventsRequest, stream watchStreamServer) error {
			note(stream.Context())
			return refusal(codes.InvalidArgument, "INVALID_FIELD", "enough")
		},
	}, nil)
	client := server.client(t, &ClientOptions{Token: "secret"})
	ctx := within(t)
	if _, err := client.Tasks.GetTask(ctx, &millpondv1.GetTaskRequest{}); err != nil {
		t.Fatal(err)
	}
	for range client.Watch(ctx, nil, nil) {
		continue
	}
	own := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer mine")
	if _, err := client.Tasks.GetTask(own, &millpondv1.GetTaskRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Bearer secret", "Bearer secret", "Bearer mine"} {
		if got := next(t, seen, "authorization"); got != want {
			t.Errorf("it was %q, not %q", got, want)
		}
	}
	if len(seen) > 0 {
		t.Errorf("one more came: %q", <-seen)
	}
}

func TestAServerThatIsBackIsReachedByTheNextCall(t *testing.T) {
	tasks := &tasksFake{
		get: func(context.Context, *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			return &millpondv1.GetTaskResponse{}, nil
		},
	}
	server := serve(t, tasks, nil, nil)
	client := server.client(t, &ClientOptions{DisableRetry: true})
	ctx := within(t)
	if _, err := client.Tasks.GetTask(ctx, &millpondv1.GetTaskRequest{}); err != nil {
		t.Fatal(err)
	}
	server.server.Stop()
	eventually(t, "the server is away", func() bool {
		_, err := client.Tasks.GetTask(ctx, &millpondv1.GetTaskRequest{})
		return IsTransient(err)
	})
	serveAt(t, server.address, tasks, nil, nil)
	eventually(t, "the server is back", func() bool {
		_, err := client.Tasks.GetTask(ctx, &millpondv1.GetTaskRequest{})
		return err == nil
	})
}

func TestAnAddressOfHTTPSIsReachedByTLS(t *testing.T) {
	// For its certificate of 127.0.0.1.
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(certified.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: certified.TLS.Certificates}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	millpondv1.RegisterTaskServiceServer(server, &tasksFake{
		get: func(context.Context, *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			return &millpondv1.GetTaskResponse{}, nil
		},
	})
	// It ends when it is stopped.
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	address := "https://" + listener.Addr().String()
	client := clientOf(t, address, &ClientOptions{TLS: &tls.Config{RootCAs: trusted}})
	if _, err := client.Tasks.GetTask(within(t), &millpondv1.GetTaskRequest{}); err != nil {
		t.Error(err)
	}
	distrustful := clientOf(t, address, &ClientOptions{DisableRetry: true})
	if _, err := distrustful.Tasks.GetTask(within(t), &millpondv1.GetTaskRequest{}); err == nil {
		t.Error("an unknown certificate is trusted")
	}
}

func TestADeadlineDuringARepeatNamesWhatFailedBefore(t *testing.T) {
	server := serve(t, &tasksFake{
		get: func(context.Context, *millpondv1.GetTaskRequest) (*millpondv1.GetTaskResponse, error) {
			return nil, refusal(codes.Unavailable, "STORE_UNAVAILABLE", "no database", retryInfo(longestAskedDelay))
		},
	}, nil, nil)
	client := server.client(t, &ClientOptions{Timeout: time.Second})
	_, err := client.Tasks.GetTask(t.Context(), &millpondv1.GetTaskRequest{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "STORE_UNAVAILABLE: no database") {
		t.Errorf("it failed with %v", err)
	}
}

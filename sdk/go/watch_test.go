package millpond

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// watched is one call of WatchEvents: what it asked for, and what it gets.
type watched struct {
	cursor   string
	snapshot bool
}

func checkpoint(cursor string) *millpondv1.WatchEventsResponse {
	return &millpondv1.WatchEventsResponse{
		Cursor: cursor, Message: &millpondv1.WatchEventsResponse_Checkpoint{Checkpoint: &millpondv1.Checkpoint{}},
	}
}

func snapshotPart() *millpondv1.WatchEventsResponse {
	return &millpondv1.WatchEventsResponse{
		Message: &millpondv1.WatchEventsResponse_Snapshot{Snapshot: &millpondv1.SnapshotPart{}},
	}
}

// scripted is an EventService whose n-th call does what the n-th script says, and later ones what the last does.
func scripted(calls chan<- watched, scripts ...func(watchStreamServer) error) *eventsFake {
	var count atomic.Int32
	return &eventsFake{watch: func(request *millpondv1.WatchEventsRequest, stream watchStreamServer) error {
		calls <- watched{request.GetCursor(), request.GetSnapshot()}
		return scripts[min(int(count.Add(1)), len(scripts))-1](stream)
	}}
}

// send is a script that sends messages and then ends with an error.
func send(end error, messages ...*millpondv1.WatchEventsResponse) func(watchStreamServer) error {
	return func(stream watchStreamServer) error {
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		return end
	}
}

// silent is a script that sends messages and then nothing until the call ends, which it tells.
func silent(ended chan<- struct{}, messages ...*millpondv1.WatchEventsResponse) func(watchStreamServer) error {
	return func(stream watchStreamServer) error {
		err := send(nil, messages...)(stream)
		<-stream.Context().Done()
		ended <- struct{}{}
		return err
	}
}

func TestAWatchGoesOnFromItsLastCursor(t *testing.T) {
	calls := make(chan watched, 10)
	broken := status.Error(codes.Unavailable, "restarting")
	server := serve(t, nil, scripted(calls,
		send(broken, snapshotPart()),
		send(broken, snapshotPart(), checkpoint("1"), checkpoint("2")),
		send(nil, checkpoint("3")),
		send(refusal(codes.OutOfRange, "CURSOR_EXPIRED", "gone"), checkpoint("4")),
	), nil)
	request := &millpondv1.WatchEventsRequest{Snapshot: true}
	var cursors []string
	var interrupted atomic.Int32
	options := &WatchOptions{OnInterrupted: func(error) { interrupted.Add(1) }}
	var end error
	for message, err := range server.client(t, nil).Watch(within(t), request, options) {
		if end = err; err == nil {
			cursors = append(cursors, message.GetCursor())
		}
	}
	if ReasonOf(end) != millpondv1.ErrorReason_ERROR_REASON_CURSOR_EXPIRED {
		t.Errorf("it ended with %v", end)
	}
	if want := []string{"", "", "1", "2", "3", "4"}; !slices.Equal(cursors, want) {
		t.Errorf("it brought %q", cursors)
	}
	for _, want := range []watched{{"", true}, {"", true}, {"2", false}, {"3", false}} {
		if got := next(t, calls, "call"); got != want {
			t.Errorf("it asked for %+v, not %+v", got, want)
		}
	}
	if interrupted.Load() != 2 || !request.GetSnapshot() || request.GetCursor() != "" {
		t.Errorf("%d interruptions; the request is %v", interrupted.Load(), request)
	}
}

func TestAWatchGoesOnThoughTheServerAsksForALongDelay(t *testing.T) {
	calls := make(chan watched, 10)
	server := serve(t, nil, scripted(calls,
		send(refusal(codes.Unavailable, "STORE_UNAVAILABLE", "later", retryInfo(time.Hour)), checkpoint("1")),
	), nil)
	ctx, cancel := context.WithCancel(within(t))
	var end error
	for _, err := range server.client(t, nil).Watch(ctx, nil, &WatchOptions{OnInterrupted: func(error) { cancel() }}) {
		end = err
	}
	if !errors.Is(end, context.Canceled) {
		t.Errorf("it ended with %v", end)
	}
}

func TestASilentStreamIsMadeAnew(t *testing.T) {
	calls, ended := make(chan watched, 10), make(chan struct{}, 10)
	server := serve(t, nil, scripted(calls, silent(ended, checkpoint("1")), silent(ended, checkpoint("2"))), nil)
	for message, err := range server.client(t, nil).Watch(
		within(t), nil, &WatchOptions{SilenceMax: 100 * time.Millisecond},
	) {
		if err != nil {
			t.Fatal(err)
		}
		if message.GetCursor() == "2" {
			break
		}
	}
	next(t, ended, "end of the silent call")
	next(t, ended, "end of the call that was left")
}

func TestASlowConsumerIsNoSilence(t *testing.T) {
	ctx, guard := newSilenceGuard(t.Context(), time.Hour)
	guard.pause()
	if guard.timer.Stop() {
		t.Error("it counts while the consumer is busy")
	}
	guard.listen()
	if !guard.timer.Stop() || ctx.Err() != nil {
		t.Error("it does not count while the server is to speak")
	}
	guard.end()
	if ctx.Err() == nil {
		t.Error("the connection goes on")
	}
}

func TestACanceledWatchEndsTheCallAtTheServer(t *testing.T) {
	calls, ended := make(chan watched, 10), make(chan struct{}, 10)
	server := serve(t, nil, scripted(calls, silent(ended, checkpoint("1"))), nil)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var end error
	for _, err := range server.client(t, nil).Watch(ctx, nil, nil) {
		end = err
		cancel()
	}
	if !errors.Is(end, context.Canceled) {
		t.Errorf("it ended with %v", end)
	}
	next(t, ended, "end of the call")
}

func TestAWatchWaitsForAServerThatIsAway(t *testing.T) {
	calls := make(chan watched, 10)
	events := scripted(calls,
		send(nil, checkpoint("1")), send(refusal(codes.InvalidArgument, "INVALID_FIELD", "enough"), checkpoint("2")))
	server := serve(t, nil, events, nil)
	client := server.client(t, nil)
	isBack := false
	var cursors []string
	for message, err := range client.Watch(within(t), nil, &WatchOptions{OnInterrupted: func(error) {
		if !isBack {
			isBack = true
			serveAt(t, server.address, nil, events, nil)
		}
	}}) {
		if err != nil {
			break
		}
		cursors = append(cursors, message.GetCursor())
		server.server.Stop()
	}
	if !isBack || !slices.Equal(cursors, []string{"1", "2"}) {
		t.Errorf("it brought %q", cursors)
	}
}

func TestALogIsReadInPagesAndFollowedToTheEndOfItsAttempt(t *testing.T) {
	line := func(message string) []*millpondv1.LogEntry { return []*millpondv1.LogEntry{{Message: message}} }
	var calls atomic.Int32
	var waits []bool
	pages := map[string]*millpondv1.ListLogsResponse{
		"":  {Entries: line("one"), NextCursor: "1"},
		"1": {Entries: line("two"), NextCursor: "2"},
		"2": {NextCursor: "3"},
		"3": {Entries: line("three"), NextCursor: "4", AttemptEnded: true},
		"4": {NextCursor: "4", AttemptEnded: true},
	}
	server := serve(t, nil, nil, &workersFake{
		list: func(_ context.Context, r *millpondv1.ListLogsRequest) (*millpondv1.ListLogsResponse, error) {
			if calls.Add(1) == 2 {
				return nil, status.Error(codes.Unavailable, "restarting")
			}
			waits = append(waits, r.GetWaitTimeout() != nil)
			return pages[r.GetCursor()], nil
		},
	})
	client := server.client(t, &ClientOptions{DisableRetry: true})
	var lines []string
	for entry, err := range client.Logs(within(t), "t", &LogOptions{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, entry.GetMessage())
	}
	wantedWaits := []bool{false, true, true, true, false}
	if !slices.Equal(lines, []string{"one", "two", "three"}) || !slices.Equal(waits, wantedWaits) {
		t.Errorf("it has %q, waits %v", lines, waits)
	}
	lines = nil
	for entry, err := range client.Logs(within(t), "t", nil) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, entry.GetMessage())
	}
	if !slices.Equal(lines, []string{"one", "two"}) {
		t.Errorf("what there is is %q", lines)
	}
}

func TestALogThatIsFollowedGoesOnWhenNobodyAnswersInTime(t *testing.T) {
	var calls atomic.Int32
	server := serve(t, nil, nil, &workersFake{
		list: func(ctx context.Context, _ *millpondv1.ListLogsRequest) (*millpondv1.ListLogsResponse, error) {
			if calls.Add(1) == 1 {
				<-ctx.Done()
			}
			return &millpondv1.ListLogsResponse{AttemptEnded: true}, nil
		},
	})
	client := server.client(t, &ClientOptions{Timeout: 500 * time.Millisecond})
	var interrupted atomic.Int32
	options := &LogOptions{Follow: true, OnInterrupted: func(error) { interrupted.Add(1) }}
	// Without a deadline of its own.
	for _, err := range client.Logs(t.Context(), "t", options) {
		t.Errorf("it ended with %v", err)
	}
	if interrupted.Load() == 0 {
		t.Error("nothing was told of the first call")
	}
}

func TestALogIsNotAskedForAllTheTimeWhereTheServerDoesNotWait(t *testing.T) {
	var calls atomic.Int32
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	server := serve(t, nil, nil, &workersFake{
		list: func(context.Context, *millpondv1.ListLogsRequest) (*millpondv1.ListLogsResponse, error) {
			calls.Add(1)
			return &millpondv1.ListLogsResponse{}, nil
		},
	})
	for range server.client(t, nil).Logs(ctx, "t", &LogOptions{Follow: true}) {
		continue
	}
	if count := calls.Load(); count > 5 {
		t.Errorf("it was asked %d times in a second", count)
	}
}

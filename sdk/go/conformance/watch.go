package main

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/millpond/millpond/sdk/go"
	millpondv1 "github.com/millpond/millpond/sdk/go/gen/millpond/v1"
)

// watch is a watch of the SDK whose messages wait until they are asked for.
type watch struct {
	// leave ends it as a consumer does: by its context, which it may be waiting with, and then by leaving the loop.
	leave    context.CancelFunc
	messages chan *millpondv1.WatchEventsResponse
	// ended is closed when the loop is over; err is why, if it was an error.
	ended chan struct{}
	err   error
}

func (r *runner) openWatch(_ context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		Client, Watch, Cursor string
		Filter                json.RawMessage
		Snapshot              bool
		SilenceMaxMs          int64
	}](line)
	if err != nil {
		return nil, err
	}
	client, err := r.clients.get(fields.Client)
	if err != nil {
		return nil, err
	}
	filter, err := fromJSON(fields.Filter, &millpondv1.EventFilter{})
	if err != nil {
		return nil, err
	}
	request := &millpondv1.WatchEventsRequest{Filter: filter, Cursor: fields.Cursor, Snapshot: fields.Snapshot}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{leave: cancel, messages: make(chan *millpondv1.WatchEventsResponse), ended: make(chan struct{})}
	options := &millpond.WatchOptions{SilenceMax: milliseconds(fields.SilenceMaxMs)}
	go w.consume(ctx, client.Watch(ctx, request, options))
	r.watches.put(fields.Watch, w)
	return none{}, nil
}

func (w *watch) consume(ctx context.Context, messages iter.Seq2[*millpondv1.WatchEventsResponse, error]) {
	defer close(w.ended)
	for message, err := range messages {
		if err != nil {
			if ctx.Err() == nil {
				w.err = err
			}
			return
		}
		select {
		case w.messages <- message:
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) close() {
	w.leave()
	<-w.ended
}

func (r *runner) nextOfWatch(_ context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		Watch     string
		TimeoutMs int64
	}](line)
	if err != nil {
		return nil, err
	}
	w, err := r.watches.get(fields.Watch)
	if err != nil {
		return nil, err
	}
	select {
	case message := <-w.messages:
		text, err := toJSON(message)
		return map[string]json.RawMessage{"message": text}, err
	case <-w.ended:
		if w.err != nil {
			return nil, w.err
		}
		return map[string]bool{"end": true}, nil
	case <-time.After(milliseconds(fields.TimeoutMs)):
		return map[string]bool{"timedOut": true}, nil
	}
}

func (r *runner) closeWatch(_ context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct{ Watch string }](line)
	if err != nil {
		return nil, err
	}
	w, err := r.watches.get(fields.Watch)
	if err != nil {
		return nil, err
	}
	w.close()
	return none{}, nil
}

func (r *runner) logs(ctx context.Context, line json.RawMessage) (any, error) {
	fields, err := decoded[struct {
		Client, TaskID string
		Attempt        int32
		Follow         bool
	}](line)
	if err != nil {
		return nil, err
	}
	client, err := r.clients.get(fields.Client)
	if err != nil {
		return nil, err
	}
	entries := []json.RawMessage{}
	options := &millpond.LogOptions{Attempt: fields.Attempt, Follow: fields.Follow}
	for entry, err := range client.Logs(ctx, fields.TaskID, options) {
		if err != nil {
			return nil, err
		}
		text, err := toJSON(entry)
		if err != nil {
			return nil, err
		}
		entries = append(entries, text)
	}
	return map[string][]json.RawMessage{"entries": entries}, nil
}

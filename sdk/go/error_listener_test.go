package millpond

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheErrorListenerMayStopTheWorker(t *testing.T) {
	for _, disableStream := range []bool{false, true} {
		b, h := newBench(t), newHeld()
		b.options.DisableStream = disableStream
		// The server is away: that is the first thing to tell.
		worker, err := NewWorker(clientOf(t, "127.0.0.1:1", nil), b.options)
		if err != nil {
			t.Fatal(err)
		}
		worker.options.OnError = func(error) { worker.Stop() }
		worker.Handle("k", h.handle)
		go func() { b.ended <- worker.Run(context.Background()) }()
		if err := next(t, b.ended, "end"); err != nil {
			t.Errorf("it ended with %v", err)
		}
		leavesNothingBehind(t)
	}
}

func TestAPanicIsReportedThoughTheErrorListenerStopsTheWorker(t *testing.T) {
	b := newBench(t)
	b.options.OnError = func(error) { b.worker.Stop() }
	b.start(func(context.Context, *Task) (any, error) { panic("at once") })
	s := b.begin()
	s.credit()
	s.assign("t")
	if failure := next(t, b.reports, "report").GetFailure(); failure.GetMessage() != "at once" {
		t.Errorf("the report is %v", failure)
	}
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestAnErrorListenerThatBlocksHoldsUpNothing(t *testing.T) {
	b := newBench(t)
	told, goOn := make(chan error, 1), make(chan struct{})
	b.options.OnError = func(err error) {
		told <- err
		<-goOn
	}
	b.start(func(context.Context, *Task) (any, error) { panic("at once") })
	s := b.begin()
	s.credit()
	s.assign("t")
	next(t, told, "error")
	next(t, b.reports, "report")
	b.worker.Stop()
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
	close(goOn)
}

func TestErrorsAreToldInOrderByOneGoroutine(t *testing.T) {
	var told []error
	var isTelling atomic.Bool
	goOn := make(chan struct{})
	listener := &errorListener{tell: func(err error) {
		<-goOn
		if !isTelling.CompareAndSwap(false, true) {
			t.Error("two are told at once")
		}
		told = append(told, err)
		isTelling.Store(false)
	}}
	first, second := errors.New("first"), errors.New("second")
	listener.add(first)
	listener.add(second)
	for range errorsMax + 10 {
		listener.add(errors.New("more"))
	}
	close(goOn)
	eventually(t, "all is told", func() bool {
		listener.flush()
		listener.mu.Lock()
		defer listener.mu.Unlock()
		return listener.told == nil
	})
	if told[0] != first || told[1] != second {
		t.Errorf("told are %v and %v first", told[0], told[1])
	}
	if last := told[len(told)-1]; len(told) > errorsMax+2 || !strings.Contains(last.Error(), "left out") {
		t.Errorf("%d are told, %v at the end", len(told), last)
	}
}

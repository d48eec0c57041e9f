package millpond

import (
	"fmt"
	"sync"
	"time"
)

const (
	// errorsMax is how many errors wait for a listener that is slower than they come; further ones are counted.
	errorsMax = 1_000
	// tellMax is how long the end of a worker waits until its last errors are told.
	tellMax = time.Second
)

// errorListener tells a worker's OnError what went wrong, one error after the other and in a goroutine of its own:
// nothing waits for it, so it may block, or stop the worker.
type errorListener struct {
	tell func(error)

	mu      sync.Mutex
	waiting []error
	dropped int
	// told is closed when all is told; nil: it is.
	told chan struct{}
}

// add tells an error, soon.
func (l *errorListener) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == errorsMax {
		l.dropped++
		return
	}
	l.waiting = append(l.waiting, err)
	if l.told == nil {
		l.told = make(chan struct{})
		go l.tellAll()
	}
}

// tellAll tells until nothing waits.
func (l *errorListener) tellAll() {
	for err := l.next(); err != nil; err = l.next() {
		l.tell(err)
	}
}

// next is what to tell next; nil: nothing waits, and this was the end of telling.
func (l *errorListener) next() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.waiting) > 0:
		err := l.waiting[0]
		l.waiting = l.waiting[1:]
		return err
	case l.dropped > 0:
		err := fmt.Errorf("millpond: %d errors are left out: OnError was slower than they came", l.dropped)
		l.dropped = 0
		return err
	default:
		close(l.told)
		l.told = nil
		return nil
	}
}

// flush waits until all is told, a second at most.
func (l *errorListener) flush() {
	l.mu.Lock()
	told := l.told
	l.mu.Unlock()
	if told != nil {
		isClosedWithin(told, tellMax)
	}
}

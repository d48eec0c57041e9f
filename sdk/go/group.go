package millpond

import (
	"errors"
	"sync"
)

// errRunEnded is what is said to a handler that goes on after its worker has ended.
var errRunEnded = errors.New("millpond: the worker has ended")

// group is the goroutines that a worker's run waits for. None begins once it is closed: a handler that never returned
// may still log.
type group struct {
	mu       sync.Mutex
	isClosed bool
	running  sync.WaitGroup
}

// start begins a goroutine; false: the group is closed.
func (g *group) start(do func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isClosed {
		return false
	}
	g.running.Add(1)
	go func() {
		defer g.running.Done()
		do()
	}()
	return true
}

// close waits for those that have begun.
func (g *group) close() {
	g.mu.Lock()
	g.isClosed = true
	g.mu.Unlock()
	g.running.Wait()
}

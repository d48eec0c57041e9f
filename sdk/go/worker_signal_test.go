//go:build unix

package millpond

import (
	"os"
	"syscall"
	"testing"
)

func TestASignalStopsTheWorker(t *testing.T) {
	b, h := newBench(t), newHeld()
	b.options.StopSignals = []os.Signal{syscall.SIGUSR1}
	b.start(h.handle)
	s := b.begin()
	s.credit()
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	s.next("drain")
	if err := next(t, b.ended, "end"); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

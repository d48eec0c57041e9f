package millpond

import (
	"maps"
	"slices"
	"sync"
)

// claimsMax is how many claims wait at the server at the same time: while the answer to one is on its way, another is
// there to be handed what becomes ready.
const claimsMax = 2

// tasksPerCall is the contract's bound of one claim. Free slots beyond it are claimed for once a claim has been
// answered.
const tasksPerCall = 1_000

// roster is the attempts that a worker has, and what they and what it has asked for leave of its slots.
//
// A slot is free when its handler has ended: what the report makes ready can be handed out in the commit of the
// report. As many reports may be on their way as there are slots.
type roster struct {
	slots int

	mu       sync.Mutex
	attempts map[leaseKey]*attempt
	// executing are the attempts whose handler has not ended.
	executing int
	// promised are slots that claims under way or credit may fill.
	promised int
	claims   int
	// claimsPaused: a stream brings the tasks.
	claimsPaused bool
	// ending is with what attempts that still begin are aborted.
	ending error
	// changed is closed, and made anew, with every change.
	changed chan struct{}
}

func newRoster(slots int) *roster {
	return &roster{slots: slots, attempts: map[leaseKey]*attempt{}, changed: make(chan struct{})}
}

// changes is closed with the next change.
func (r *roster) changes() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// change does something to the roster and tells those who wait for it.
func (r *roster) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *roster) free() int {
	return r.slots - max(r.executing, len(r.attempts)-r.slots) - r.promised
}

// promiseCredit promises the free slots to a stream, at most so many, and answers how many they are.
func (r *roster) promiseCredit(most int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	promised := max(0, min(r.free(), most))
	r.promised += promised
	return promised
}

// withdrawCredit takes back what a stream has not used.
func (r *roster) withdrawCredit(unused int) {
	r.change(func() { r.promised -= unused })
}

// promiseClaim promises free slots to a claim: even shares, of which the last claim that is not under way takes what is
// left. 0: there is none to make now.
func (r *roster) promiseClaim() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.free()
	if r.claimsPaused || free <= 0 || r.claims == claimsMax {
		return 0
	}
	waiting := claimsMax - r.claims
	share := min((free+waiting-1)/waiting, tasksPerCall)
	r.claims++
	r.promised += share
	return share
}

// endClaim takes back what a claim has not used.
func (r *roster) endClaim(unused int) {
	r.change(func() {
		r.claims--
		r.promised -= unused
	})
}

// pauseClaims begins no more claims until they are resumed. Those under way may still bring tasks.
func (r *roster) pauseClaims(paused bool) {
	r.change(func() { r.claimsPaused = paused })
}

// begin enters an attempt, on a slot that was promised, if one was.
func (r *roster) begin(a *attempt, wasPromised bool) {
	r.change(func() {
		r.attempts[a.key] = a
		r.executing++
		if wasPromised {
			r.promised--
		}
		if r.ending != nil {
			a.abort(r.ending)
		}
	})
}

// handlerEnded frees the slot of an attempt.
func (r *roster) handlerEnded() {
	r.change(func() { r.executing-- })
}

// remove is the end of an attempt.
func (r *roster) remove(a *attempt) {
	r.change(func() { delete(r.attempts, a.key) })
}

// find is the attempt with that key; nil: it has ended.
func (r *roster) find(key leaseKey) *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts[key]
}

// all are the attempts under way.
func (r *roster) all() []*attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.attempts))
}

// abortAll aborts what is under way, and what still begins.
func (r *roster) abortAll(cause error) {
	r.change(func() {
		r.ending = cause
		for _, each := range r.attempts {
			each.abort(cause)
		}
	})
}

// isIdle tells whether no attempt is under way.
func (r *roster) isIdle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.attempts) == 0
}

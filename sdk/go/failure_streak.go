package millpond

import "time"

// failureStreak counts the failures in a row of a stream that is made anew whenever it ends. That the server has
// welcomed one ends no streak: a server that welcomes each and breaks it at once would be called again without a pause.
// What the stream is for ends it, or that the stream has gone on for 5 s after its welcome.
type failureStreak struct {
	failures int
	// welcomedAt is when the server has first spoken; zero: it has not.
	welcomedAt time.Time
}

// welcomed says that the server has spoken.
func (s *failureStreak) welcomed(now time.Time) {
	if s.welcomedAt.IsZero() {
		s.welcomedAt = now
	}
}

// progressed says that the stream has brought what it is for.
func (s *failureStreak) progressed() {
	s.failures = 0
}

// ended says that the stream has ended, and answers the number of failures in a row, from 1.
func (s *failureStreak) ended(now time.Time) int {
	if !s.welcomedAt.IsZero() && now.Sub(s.welcomedAt) >= longestDelay {
		s.failures = 0
	}
	s.welcomedAt = time.Time{}
	s.failures++
	return s.failures
}

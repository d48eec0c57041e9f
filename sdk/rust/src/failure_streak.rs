//! How often in a row a stream has failed.

use std::time::Duration;

use tokio::time::Instant;

/// The longest delay before a stream is made anew: one that has lived for so long has not failed at once.
const LIVED: Duration = Duration::from_secs(5);

/// Counts the failures in a row of a stream that is made anew whenever it ends. That the server has welcomed one ends no
/// streak: a server that welcomes each and breaks it at once would be called again without a pause. What the stream is
/// for ends it, or that the stream has gone on for 5 s after its welcome.
#[derive(Default)]
pub(crate) struct FailureStreak {
    failures: u32,
    welcomed_at: Option<Instant>,
}

impl FailureStreak {
    /// Says that the server has spoken.
    pub(crate) fn welcomed(&mut self) {
        self.welcomed_at.get_or_insert_with(Instant::now);
    }

    /// Says that the stream has brought what it is for.
    pub(crate) fn progressed(&mut self) {
        self.failures = 0;
    }

    /// Says that the stream has ended, and answers the number of failures in a row, from 1.
    pub(crate) fn ended(&mut self) -> u32 {
        if self.welcomed_at.take().is_some_and(|at| at.elapsed() >= LIVED) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcomed_before(age: Duration) -> Option<Instant> {
        Instant::now().checked_sub(age)
    }

    #[test]
    fn streams_that_are_welcomed_and_break_at_once_are_failures_in_a_row() {
        let mut streak = FailureStreak::default();
        for n in 1..=4 {
            streak.welcomed();
            assert_eq!(streak.ended(), n);
        }
    }

    #[test]
    fn a_stream_that_goes_on_for_long_after_its_welcome_ends_the_streak() {
        let mut streak = FailureStreak { failures: 3, welcomed_at: welcomed_before(LIVED) };
        streak.welcomed();
        assert_eq!(streak.ended(), 1);
        // The next one has not been welcomed.
        assert_eq!(streak.ended(), 2);
    }

    #[test]
    fn what_a_stream_is_for_ends_the_streak() {
        let mut streak = FailureStreak { failures: 3, welcomed_at: None };
        streak.welcomed();
        streak.progressed();
        assert_eq!(streak.ended(), 1);
    }
}

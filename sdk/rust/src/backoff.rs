//! How long to wait before something that failed is tried again.

use std::time::Duration;

use crate::{Code, Error, random};

/// How often a call is made at most, the first time included.
pub(crate) const ATTEMPTS_MAX: u32 = 5;
const CEILING_FIRST: Duration = Duration::from_millis(100);
const CEILING_MAX: Duration = Duration::from_secs(5);
/// A server that asks for more than this is not waited for by a call.
const REQUESTED_MAX: Duration = Duration::from_secs(30);
/// An empty answer that comes sooner, and before the wait that was asked for, is of a server that does not wait.
const EMPTY_ANSWER_MIN: Duration = Duration::from_millis(100);
/// The pause after such an answer is drawn from here up to this more, so that clients which wait for the same do not come
/// back together.
const PAUSE_MIN: Duration = Duration::from_millis(750);
const PAUSE_MORE: Duration = Duration::from_millis(500);

/// Draws the delay after the n-th failure in a row (n from 1): uniform between 0 and a ceiling that doubles ("full
/// jitter", M. Brooker, "Exponential Backoff And Jitter", 2015), so that clients which failed together do not come back
/// together.
pub(crate) fn delay(failures: u32) -> Duration {
    ceiling(failures).mul_f64(random::fraction())
}

fn ceiling(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(30);
    CEILING_FIRST.saturating_mul(1 << doublings).min(CEILING_MAX)
}

/// How long a call that is safe to repeat waits before it is repeated; `None`: it is not.
pub(crate) fn before_repeat(error: &Error, failures: u32) -> Option<Duration> {
    match requested_delay(error) {
        Some(requested) => (requested <= REQUESTED_MAX).then(|| requested + delay(1)),
        None => error.is_transient().then(|| delay(failures)),
    }
}

/// How long what goes on without end waits before it tries again; `None`: trying again cannot mend the error. A call that
/// was not answered in time is tried again, too: its deadline is the SDK's own.
pub(crate) fn before_resuming(error: &Error, failures: u32) -> Option<Duration> {
    match requested_delay(error) {
        Some(requested) => Some(requested + delay(failures)),
        None => (error.is_transient() || error.code() == Code::DeadlineExceeded).then(|| delay(failures)),
    }
}

/// How long to pause after an empty answer to a call that was to wait: where the server has not waited, asking again at
/// once would only make both sides busy.
pub(crate) fn after_empty_answer(took: Duration, wait: Duration) -> Duration {
    if took >= EMPTY_ANSWER_MIN || (!wait.is_zero() && took >= wait) {
        return Duration::ZERO;
    }
    PAUSE_MIN + PAUSE_MORE.mul_f64(random::fraction())
}

/// What the server asked for, of the errors that it may ask to repeat.
fn requested_delay(error: &Error) -> Option<Duration> {
    matches!(error.code(), Code::Unavailable | Code::ResourceExhausted).then(|| error.retry_delay())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_from_100_ms_to_5_s() {
        let millis: Vec<u128> = [1, 2, 3, 6, 7, 1_000].map(|failures| ceiling(failures).as_millis()).to_vec();
        assert_eq!(millis, [100, 200, 400, 3_200, 5_000, 5_000]);
    }

    #[test]
    fn delays_are_drawn_below_the_ceiling() {
        let delays: Vec<Duration> = (0..1_000).map(|_| delay(3)).collect();
        assert!(delays.iter().all(|delay| *delay < Duration::from_millis(400)));
        assert!(delays.iter().any(|delay| *delay > Duration::from_millis(200)));
        assert!(delays.iter().any(|delay| *delay < Duration::from_millis(200)));
    }

    #[test]
    fn what_the_server_asks_for_is_waited_for_up_to_30_s() {
        let asks = |code, seconds| Error::for_test(code, Some(Duration::from_secs(seconds)));
        let waits = before_repeat(&asks(Code::ResourceExhausted, 2), 4).expect("it is repeated");
        assert!((2_000..2_100).contains(&waits.as_millis()));
        assert_eq!(before_repeat(&asks(Code::Unavailable, 31), 1), None);
        assert_eq!(before_repeat(&asks(Code::Aborted, 1), 1), None);
        assert!(before_resuming(&asks(Code::Unavailable, 31), 1).is_some());
    }

    #[test]
    fn only_who_is_away_is_tried_again_unasked() {
        assert!(before_repeat(&Error::for_test(Code::Unavailable, None), 1).is_some());
        for code in [Code::NotFound, Code::DeadlineExceeded, Code::ResourceExhausted, Code::Internal] {
            assert_eq!(before_repeat(&Error::for_test(code, None), 1), None);
        }
    }

    #[test]
    fn only_a_server_that_does_not_wait_is_paused_for() {
        let wait = Duration::from_secs(30);
        assert_eq!(after_empty_answer(Duration::from_secs(30), wait), Duration::ZERO);
        assert_eq!(after_empty_answer(Duration::from_millis(20), Duration::from_millis(20)), Duration::ZERO);
        assert!(after_empty_answer(Duration::from_millis(5), wait) >= PAUSE_MIN);
        assert!(after_empty_answer(Duration::ZERO, Duration::ZERO) >= PAUSE_MIN);
    }
}

//! Taking tasks by a stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::connection::{self, End};
use super::core::Core;
use super::is_final;
use crate::failure_streak::FailureStreak;
use crate::{Code, Error, backoff};

/// From so many failures in a row on, none passes any more where one did: a proxy has come between, for example.
const FAILURES_MAX: u32 = 5;
const RETRY_GROWTH_MAX: u32 = 20;

/// Keeps a stream to a server until the worker drains or closes, makes it anew when it is lost, and has tasks claimed by
/// calls while none passes. Fails when the server refuses for good.
///
/// ```text
/// trying ── welcome ──► passes ── is lost: tries again at once ──► passes
///   ▲  └── refused, or silent ──► none passes: tasks are claimed ◄── five failures in a row, or UNIMPLEMENTED ──┘
///   └──────── after a while, longer each time ──┘
/// ```
///
/// A server that is away says nothing about whether streams pass: it is waited for.
///
/// Reports and logs do not go over it: calls of their own carry many at a time and say of each, or of the call, why it
/// was refused; and what is sent again is known by its request id.
pub(super) async fn keep(core: Arc<Core>) -> Result<(), Error> {
    let mut misses = 0;
    loop {
        let has_passed = keep_one(&core).await?;
        if core.is_draining() {
            return Ok(());
        }
        misses = if has_passed { 0 } else { misses };
        core.pool.resume_claims();
        pause(&core, retry_delay(core.options.stream_retry, misses)).await;
        misses += 1;
    }
}

/// Keeps a stream until none passes: an earlier version of the server, or a proxy that holds back what is sent. Answers
/// whether one had passed. Who takes no more and has lost the stream extends leases by calls.
async fn keep_one(core: &Arc<Core>) -> Result<bool, Error> {
    let mut has_passed = false;
    let mut streak = FailureStreak::default();
    while !core.is_draining() {
        let end = connection::run(core, &mut streak).await;
        has_passed |= end.was_welcomed;
        if core.is_draining() {
            break;
        }
        if let Some(error) = end.error.as_ref().filter(|error| is_final(error)) {
            return Err(error.clone());
        }
        let failures = streak.ended();
        if !may_pass(&end, has_passed, failures) {
            break;
        }
        let asked = match &end.error {
            Some(error) if !end.was_drained => {
                core.tell(error);
                error.retry_delay().unwrap_or_default()
            }
            _ => Duration::ZERO,
        };
        pause(core, asked + backoff::delay(failures)).await;
    }
    Ok(has_passed)
}

/// Whether a stream may pass after one has ended so.
fn may_pass(end: &End, has_passed: bool, failures: u32) -> bool {
    let code = end.error.as_ref().map(Error::code);
    let passes = has_passed && failures < FAILURES_MAX && code != Some(Code::Unimplemented);
    // Who cannot be reached, or not now, says nothing about whether streams pass.
    let is_away = match code {
        None => end.was_welcomed,
        Some(
            Code::Unavailable | Code::Aborted | Code::Cancelled | Code::DeadlineExceeded | Code::ResourceExhausted,
        ) => !end.is_late,
        Some(_) => false,
    };
    passes || is_away
}

/// How long to wait before a stream is tried again, after so many that did not pass.
fn retry_delay(first: Duration, misses: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(misses).min(RETRY_GROWTH_MAX))
}

async fn pause(core: &Core, delay: Duration) {
    // Whichever it is.
    let _ = core.phases.draining.run_until_cancelled(sleep(delay)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: Option<Code>, was_welcomed: bool, is_late: bool) -> End {
        let error = code.map(|code| Error::plain(code, "as a test says"));
        End { error, was_welcomed, was_drained: false, is_late }
    }

    #[test]
    fn a_stream_is_tried_again_after_30_s_doubling_to_10_minutes() {
        let seconds = [0, 1, 2, 4, 5, 100].map(|misses| retry_delay(Duration::from_secs(30), misses).as_secs());
        assert_eq!(seconds, [30, 60, 120, 480, 600, 600]);
    }

    #[test]
    fn a_server_that_is_away_is_waited_for() {
        assert!(may_pass(&end(Some(Code::Unavailable), false, false), false, 1_000));
        assert!(may_pass(&end(None, true, false), true, 1_000));
    }

    #[test]
    fn none_passes_where_it_is_refused_or_no_welcome_comes() {
        assert!(!may_pass(&end(Some(Code::Unimplemented), false, false), true, 1));
        assert!(!may_pass(&end(Some(Code::DeadlineExceeded), false, true), false, 1));
        assert!(!may_pass(&end(Some(Code::Internal), false, false), false, 1));
        assert!(!may_pass(&end(None, false, false), false, 1));
    }

    #[test]
    fn where_one_had_passed_it_takes_five_failures_in_a_row() {
        let late = end(Some(Code::DeadlineExceeded), false, true);
        assert!(may_pass(&late, true, 4));
        assert!(!may_pass(&late, true, 5));
    }
}

//! Failures as the contract takes them.

use std::time::Duration;

use super::task_error::TaskError;
use crate::json::{duration, to_proto};
use crate::v1::task_report::{Failure, Report};

/// The longest message, code and delay that the contract takes.
const MESSAGE_CHARS_MAX: usize = 16_384;
const CODE_CHARS_MAX: usize = 255;
const RETRY_DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The failure to report for what a handler ended with.
pub(super) fn failure_of(error: TaskError) -> Failure {
    Failure {
        message: text_within(&error.message, MESSAGE_CHARS_MAX),
        code: text_within(&error.code, CODE_CHARS_MAX),
        details: error.details.map(to_proto),
        non_retryable: error.non_retryable,
        retry_delay: error.retry_delay.map(|delay| duration(delay.min(RETRY_DELAY_MAX))),
    }
}

/// What to report when the server does not take a closing report: of a success whose output is refused, a failure that
/// says so; of a failure with details, the same without them. `None`: there is nothing left to leave out.
pub(super) fn failure_instead_of(report: &Report, refusal: &str) -> Option<Failure> {
    match report {
        Report::Success(_) => Some(failure_of(
            TaskError::new(format!("the output was refused: {refusal}")).code("OUTPUT_REFUSED").non_retryable(),
        )),
        Report::Failure(failure) if failure.details.is_some() => Some(Failure { details: None, ..failure.clone() }),
        _ => None,
    }
}

/// Without NUL, which the contract does not take, and cut off.
fn text_within(text: &str, chars_max: usize) -> String {
    text.chars().filter(|char| *char != '\0').take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::task_report::Success;
    use serde_json::json;

    #[test]
    fn what_the_contract_does_not_take_is_cut_off() {
        let error = TaskError::new("ä\0".repeat(20_000)).code("c".repeat(300)).retry_delay(Duration::MAX);
        let failure = failure_of(error);
        assert_eq!(failure.message, "ä".repeat(16_384));
        assert_eq!(failure.code.len(), 255);
        assert_eq!(failure.retry_delay.map(|delay| delay.seconds), Some(31_622_400));
    }

    #[test]
    fn an_output_that_is_refused_fails_the_task_for_good() {
        let failure = failure_instead_of(&Report::Success(Success::default()), "too large").expect("a failure");
        assert_eq!((failure.code.as_str(), failure.non_retryable), ("OUTPUT_REFUSED", true));
        assert_eq!(failure.message, "the output was refused: too large");
    }

    #[test]
    fn details_that_are_refused_are_left_out_once() {
        let failure = failure_of(TaskError::new("busy").code("BUSY").details(json!([1])));
        let instead = failure_instead_of(&Report::Failure(failure), "too large").expect("a failure");
        assert_eq!((instead.message.as_str(), instead.code.as_str(), &instead.details), ("busy", "BUSY", &None));
        assert_eq!(failure_instead_of(&Report::Failure(instead), "still"), None);
    }
}

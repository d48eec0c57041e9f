use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::cancel::{CancelReason, Canceled};

/// The failure of an attempt, as a handler ends with it. Every error becomes one by `?`, with its message; this one can
/// say more:
///
/// ```
/// use millpond::TaskError;
/// use std::time::Duration;
///
/// let busy = TaskError::new("the node is busy").code("NODE_BUSY").retry_delay(Duration::from_secs(5));
/// let gone = TaskError::new("no such sample").non_retryable();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TaskError {
    pub(crate) message: String,
    pub(crate) code: String,
    pub(crate) details: Option<Value>,
    pub(crate) retry_delay: Option<Duration>,
    pub(crate) non_retryable: bool,
}

impl TaskError {
    /// A failure with a message for people; what is beyond 16,384 characters is cut off.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: String::new(), details: None, retry_delay: None, non_retryable: false }
    }

    /// The failure of an error that `?` does not take: a boxed one, or one of a library such as anyhow.
    pub fn from_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(&*error.into())
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        let canceled = causes(error).find_map(|cause| cause.downcast_ref::<Canceled>());
        let stopped = canceled.is_some_and(|canceled| canceled.reason() == CancelReason::WorkerStopped);
        Self::new(chain(error)).code(if stopped { "WORKER_STOPPED" } else { "" })
    }

    /// The handler's own code, which a retry policy may name as not worth retrying; at most 255 characters.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// Anything more, at most 64 KiB as JSON.
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// The delay before the next attempt, instead of the policy's; at most 366 days. Adds no attempts.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    /// Ends the task, whatever its retry policy says: repeating cannot mend it.
    pub fn non_retryable(mut self) -> Self {
        self.non_retryable = true;
        self
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

// It is no `Error` itself: that would leave no room for this.
impl<E: Error + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error's text with what caused it: "cannot open the file: permission denied".
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause_text = cause.to_string();
        // Some tell of their cause themselves.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer<E>(E);

    impl<E> fmt::Display for Outer<E> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("cannot open the file")
        }
    }

    impl<E: Error + 'static> Error for Outer<E> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn fails() -> Result<(), TaskError> {
        Err(Outer(std::io::Error::other("permission denied")))?
    }

    #[test]
    fn every_error_becomes_a_failure_with_what_caused_it() {
        let error = fails().expect_err("it fails");
        assert_eq!(error, TaskError::new("cannot open the file: permission denied"));
        assert_eq!(TaskError::from_error("no luck"), TaskError::new("no luck"));
    }

    #[test]
    fn only_the_stop_of_the_worker_has_a_code() {
        let code = |reason| TaskError::from(Canceled::new(reason, "stop")).code;
        assert_eq!(code(CancelReason::WorkerStopped), "WORKER_STOPPED");
        assert_eq!(code(CancelReason::LeaseLost), "");
    }

    #[test]
    fn the_stop_of_the_worker_is_found_within_other_errors() {
        let stopped = || Canceled::new(CancelReason::WorkerStopped, "stop");
        assert_eq!(TaskError::from(Outer(stopped())).code, "WORKER_STOPPED");
        assert_eq!(TaskError::from_error(stopped()).code, "WORKER_STOPPED");
    }
}

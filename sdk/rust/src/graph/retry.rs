use std::time::Duration;

use crate::json::duration;
use crate::v1::{FailureCause, RetryPolicy};

/// How failed attempts of a task are repeated: the contract's [`RetryPolicy`] with durations of the language. The delay
/// before attempt n + 1 is `min(max_backoff, initial_backoff * multiplier^(n-1) + increment * (n-1))`, with jitter.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry(RetryPolicy);

impl Retry {
    /// So many attempts in all, from 1 to 1,000.
    pub fn max_attempts(max_attempts: i32) -> Self {
        Self(RetryPolicy { max_attempts, ..RetryPolicy::default() })
    }

    /// The delay before the second attempt. Default 1 s.
    pub fn initial_backoff(mut self, delay: Duration) -> Self {
        self.0.initial_backoff = Some(duration(delay));
        self
    }

    /// What the delay is multiplied by at each attempt, from 1 to 100. Default 2.
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.0.multiplier = Some(multiplier);
        self
    }

    /// What is added to the delay at each attempt. Default: nothing.
    pub fn increment(mut self, increment: Duration) -> Self {
        self.0.increment = Some(duration(increment));
        self
    }

    /// The longest delay. Default 5 minutes.
    pub fn max_backoff(mut self, delay: Duration) -> Self {
        self.0.max_backoff = Some(duration(delay));
        self
    }

    /// The share of the delay that is drawn at random, from 0 to 1. Default 0.1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.0.jitter = Some(share);
        self
    }

    /// The causes that are retried. Default: all that can be.
    pub fn causes(mut self, causes: impl IntoIterator<Item = FailureCause>) -> Self {
        self.0.retry_causes = causes.into_iter().map(Into::into).collect();
        self
    }

    /// Failures with one of these codes are not retried.
    pub fn non_retryable_codes<C: Into<String>>(mut self, codes: impl IntoIterator<Item = C>) -> Self {
        self.0.non_retryable_codes = codes.into_iter().map(Into::into).collect();
        self
    }
}

impl From<Retry> for RetryPolicy {
    fn from(retry: Retry) -> Self {
        retry.0
    }
}

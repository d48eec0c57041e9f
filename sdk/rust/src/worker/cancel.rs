use std::fmt;

/// Why a handler should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// The task was canceled, or its attempt has timed out. Nothing is reported for it.
    CancelRequested,
    /// Another worker may have the attempt. Nothing is reported for it.
    LeaseLost,
    /// The worker stops, and its grace is over. What the handler comes to is reported.
    WorkerStopped,
}

/// The sign that a handler should stop. As an error it is what a handler ends with that heeds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canceled {
    reason: CancelReason,
    message: String,
}

impl Canceled {
    pub(crate) fn new(reason: CancelReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Why.
    pub fn reason(&self) -> CancelReason {
        self.reason
    }
}

impl fmt::Display for Canceled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Canceled {}

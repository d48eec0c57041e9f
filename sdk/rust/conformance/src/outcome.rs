//! What an op comes to.

use millpond::v1::ErrorReason;
use millpond::{Code, Error, InvalidArgument};
use serde_json::{Value, json};

pub type Outcome = Result<Value, Failure>;

/// Why an op failed: by the SDK, or for another reason.
pub enum Failure {
    Sdk(Error),
    Argument(InvalidArgument),
    /// The future of the call was dropped: a caller in Rust gets no error of the SDK then.
    Canceled,
    Runner(String),
}

impl Failure {
    pub fn runner(message: impl Into<String>) -> Self {
        Self::Runner(message.into())
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Sdk(error) => error_json(error),
            Self::Argument(error) => plain("InvalidArgument", "", &error.to_string()),
            Self::Canceled => plain("Error", "CANCELLED", "the call was canceled"),
            Self::Runner(message) => plain("RunnerError", "", message),
        }
    }
}

/// An error of the SDK as the suite writes it.
pub fn error_json(error: &Error) -> Value {
    let violations: Vec<Value> =
        error.violations().iter().map(|each| json!({ "field": each.field, "description": each.description })).collect();
    let mut json = json!({
        "type": "Error",
        "code": code_name(error.code()),
        "reason": reason_name(error),
        "message": error.message(),
        "metadata": error.metadata(),
        "violations": violations,
    });
    if let Some(delay) = error.retry_delay() {
        json["retryDelayMs"] = json!(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
    }
    json
}

fn plain(kind: &str, code: &str, message: &str) -> Value {
    json!({ "type": kind, "code": code, "reason": "", "message": message, "metadata": {}, "violations": [] })
}

fn reason_name(error: &Error) -> String {
    match error.reason() {
        ErrorReason::Unspecified => String::new(),
        reason => reason.to_string(),
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Sdk(error)
    }
}

impl From<InvalidArgument> for Failure {
    fn from(error: InvalidArgument) -> Self {
        Self::Argument(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Runner(error.to_string())
    }
}

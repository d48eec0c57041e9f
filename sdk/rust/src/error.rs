//! What a call fails with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::v1::{ErrorReason, ItemError};

const DOMAIN: &str = "millpond";

/// A field of a request that the server refused, by its path such as `tasks[3].kind`, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// Why a call failed, or a watch or a worker ended. Cheap to clone.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<FieldViolation>,
    retry_delay: Option<Duration>,
    source: Option<Status>,
}

impl Error {
    /// The gRPC code. A connection that cannot be made, or breaks, is [`Code::Unavailable`].
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Why the server refused. [`ErrorReason::Unspecified`]: the error is none of Millpond's, or of a reason that this
    /// version does not know.
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// The text, for people. What Millpond itself did not say names the address.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The facts that [`ErrorReason`] names for the reason, for example `task_id`.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.metadata
    }

    /// The fields that the server refused, in its order; empty when it named none.
    pub fn violations(&self) -> &[FieldViolation] {
        &self.0.violations
    }

    /// How long the server asked to wait before the call is repeated; `None`: it did not ask.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// Whether the server, or the way to it, was away, so that the same call may succeed later. Whether repeating it is
    /// safe is another question.
    pub fn is_transient(&self) -> bool {
        self.0.code == Code::Unavailable
    }

    /// What a status of a server at an address means.
    pub(crate) fn from_status(status: Status, address: &str) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN).cloned();
        let code = code_of(&status);
        let message = match (&info, code) {
            (Some(_), _) => status.message().to_owned(),
            (None, Code::Unimplemented) => {
                format!("{address}: {}; the server may be older than this SDK, or no Millpond", status.message())
            }
            (None, _) => format!("{address}: {}", full_text(&status)),
        };
        let (reason, metadata) =
            info.map_or((ErrorReason::Unspecified, HashMap::new()), |info| (reason_of(&info.reason), info.metadata));
        Self(Arc::new(Inner {
            code,
            reason,
            message,
            metadata,
            violations: violations_of(&details),
            retry_delay: details.retry_info().and_then(|info| info.retry_delay),
            source: Some(status),
        }))
    }

    /// A call that was not answered in time.
    pub(crate) fn deadline(address: &str, timeout: Duration) -> Self {
        Self::plain(Code::DeadlineExceeded, format!("{address}: no answer within {timeout:?}"))
    }

    /// A connection that has been silent for too long.
    pub(crate) fn silence(address: &str, silence_max: Duration) -> Self {
        Self::plain(Code::Unavailable, format!("{address}: no message for {silence_max:?}"))
    }

    /// An error of the SDK's own.
    pub(crate) fn plain(code: Code, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            code,
            reason: ErrorReason::Unspecified,
            message: message.into(),
            metadata: HashMap::new(),
            violations: Vec::new(),
            retry_delay: None,
            source: None,
        }))
    }

    /// Why the server refused one item of a call on many; `subject` says which.
    pub(crate) fn from_item(subject: &str, item: &ItemError) -> Self {
        let reason = item.reason();
        Self(Arc::new(Inner {
            code: code_of_reason(reason),
            reason,
            message: format!("{subject}: {reason}: {}", item.message),
            metadata: item.metadata.clone(),
            violations: Vec::new(),
            retry_delay: None,
            source: None,
        }))
    }

    #[cfg(test)]
    pub(crate) fn for_test(code: Code, retry_delay: Option<Duration>) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info("STORE_UNAVAILABLE", DOMAIN, HashMap::new());
        if retry_delay.is_some() {
            details.set_retry_info(retry_delay);
        }
        Self::from_status(Status::with_error_details(code, "as a test says", details), "http://test")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("code", &self.0.code)
            .field("reason", &self.0.reason)
            .field("message", &self.0.message)
            .field("metadata", &self.0.metadata)
            .field("violations", &self.0.violations)
            .field("retry_delay", &self.0.retry_delay)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().and_then(|status| std::error::Error::source(status))
    }
}

/// An argument that the SDK refuses without asking the server: no address, a key that is taken, no such number of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArgument(String);

impl InvalidArgument {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for InvalidArgument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidArgument {}

/// The code of a status. The transport tells of a connection that breaks by several codes: to callers it is one.
fn code_of(status: &Status) -> Code {
    if is_timeout(status) {
        Code::DeadlineExceeded
    } else if is_broken_connection(status) {
        Code::Unavailable
    } else {
        status.code()
    }
}

/// The transport's own sign that the deadline has passed.
fn is_timeout(status: &Status) -> bool {
    sources(status).any(|source| source.is::<tonic::TimeoutExpired>())
}

/// What a server says has no source. A stream that is reset, or ends in the middle, has only a text.
fn is_broken_connection(status: &Status) -> bool {
    let text = status.message();
    std::error::Error::source(status).is_some()
        || text.contains("missing grpc-status trailer")
        || text.contains("Unexpected EOF decoding stream")
}

fn sources(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |error| error.source())
}

/// A status with what caused it: "tcp connect error: Connection refused".
fn full_text(status: &Status) -> String {
    let message = status.message().to_owned();
    match sources(status).last().map(ToString::to_string) {
        Some(cause) if !message.contains(&cause) => format!("{message}: {cause}"),
        _ => message,
    }
}

fn reason_of(name: &str) -> ErrorReason {
    ErrorReason::from_str_name(&format!("ERROR_REASON_{name}")).unwrap_or(ErrorReason::Unspecified)
}

fn violations_of(details: &ErrorDetails) -> Vec<FieldViolation> {
    let violations = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    violations
        .iter()
        .map(|each| FieldViolation { field: each.field.clone(), description: each.description.clone() })
        .collect()
}

/// The code that the contract names for a reason.
fn code_of_reason(reason: ErrorReason) -> Code {
    use ErrorReason as Reason;
    match reason {
        Reason::InvalidField
        | Reason::GraphHasCycle
        | Reason::UnknownDependency
        | Reason::DuplicateKey
        | Reason::PageTokenMismatch
        | Reason::UrlForbidden => Code::InvalidArgument,
        Reason::RequestIdReused => Code::AlreadyExists,
        Reason::TaskNotFound | Reason::BatchNotFound => Code::NotFound,
        Reason::TaskEnded
        | Reason::IllegalTransition
        | Reason::StaleAttempt
        | Reason::BatchSealed
        | Reason::LeaseLost => Code::FailedPrecondition,
        Reason::EtagMismatch => Code::Aborted,
        Reason::CursorExpired => Code::OutOfRange,
        Reason::LimitExceeded => Code::ResourceExhausted,
        Reason::StoreUnavailable => Code::Unavailable,
        Reason::Unauthenticated => Code::Unauthenticated,
        Reason::PermissionDenied => Code::PermissionDenied,
        Reason::Unimplemented => Code::Unimplemented,
        Reason::Unspecified => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "http://127.0.0.1:1";

    #[test]
    fn details_of_millpond_are_read() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("TASK_NOT_FOUND", DOMAIN, HashMap::from([("task_id".into(), "7".into())]))
            .add_bad_request_violation("tasks[3].kind", "must not be empty")
            .set_retry_info(Some(Duration::from_millis(250)));
        let status = Status::with_error_details(Code::NotFound, "no task 7", details);
        let error = Error::from_status(status, ADDRESS);
        assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::TaskNotFound));
        assert_eq!(error.to_string(), "no task 7");
        assert_eq!(error.metadata()["task_id"], "7");
        assert_eq!(error.violations()[0].field, "tasks[3].kind");
        assert_eq!(error.violations()[0].description, "must not be empty");
        assert_eq!(error.retry_delay(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_reason_that_is_not_known_or_not_millponds_is_unspecified() {
        for (domain, reason) in [(DOMAIN, "OF_A_LATER_VERSION"), ("example.com", "TASK_NOT_FOUND")] {
            let details = ErrorDetails::with_error_info(reason, domain, HashMap::new());
            let error = Error::from_status(Status::with_error_details(Code::NotFound, "gone", details), ADDRESS);
            assert_eq!(error.reason(), ErrorReason::Unspecified);
        }
    }

    #[test]
    fn what_millpond_did_not_say_names_the_address() {
        let error = Error::from_status(Status::resource_exhausted("too large"), ADDRESS);
        assert_eq!(error.message(), "http://127.0.0.1:1: too large");
        let error = Error::from_status(Status::unimplemented("unknown service"), ADDRESS);
        assert!(error.message().starts_with("http://127.0.0.1:1: unknown service; "));
        assert!(error.message().contains("older than this SDK, or no Millpond"));
    }

    #[test]
    fn a_stream_that_ends_in_the_middle_is_a_broken_connection() {
        let cut = Status::unknown("protocol error: missing grpc-status trailer, stream was terminated");
        assert!(Error::from_status(cut, ADDRESS).is_transient());
        assert!(!Error::from_status(Status::unknown("a bug"), ADDRESS).is_transient());
    }

    #[test]
    fn an_item_has_the_code_of_its_reason() {
        let item = ItemError {
            reason: ErrorReason::StaleAttempt.into(),
            message: "2 is current".into(),
            ..Default::default()
        };
        let error = Error::from_item("report on task 7", &item);
        assert_eq!(error.code(), Code::FailedPrecondition);
        assert_eq!(error.message(), "report on task 7: STALE_ATTEMPT: 2 is current");
    }
}

//! The SDK against a server that does what a test says.

mod calls;
mod fake_server;
mod logs;
mod watch;
mod worker;
mod worker_context;
mod worker_end;
mod worker_leases;
mod worker_reports;

use millpond::v1::ErrorReason;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A refusal as Millpond says it.
fn refusal(code: Code, reason: ErrorReason) -> Status {
    let details = ErrorDetails::with_error_info(reason.to_string(), "millpond", HashMap::new());
    Status::with_error_details(code, "as a test says", details)
}

/// The server's wish to be asked again.
fn busy(delay: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info("LIMIT_EXCEEDED", "millpond", HashMap::new());
    details.set_retry_info(Some(delay));
    Status::with_error_details(Code::ResourceExhausted, "busy", details)
}

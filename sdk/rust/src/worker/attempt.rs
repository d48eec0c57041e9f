//! One execution of a task by this worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cancel::{CancelReason, Canceled};
use super::failure::failure_of;
use super::handler::Outcome;
use super::lock;
use super::log::AttemptLog;
use crate::json::to_proto;
use crate::v1::task_report::{Failure, Heartbeat, Report, Success};
use crate::v1::{Assignment, LeaseRef, TaskReport};

/// An attempt, from its assignment to the answer to its closing report.
pub(super) struct Attempt {
    pub(super) lease: LeaseRef,
    pub(super) assignment: Assignment,
    /// By this process's clock.
    expires_at: Mutex<Instant>,
    canceled: OnceLock<Canceled>,
    token: CancellationToken,
    has_counted: AtomicBool,
    has_ended: AtomicBool,
    /// Made by the first line; `None`: the handler has ended without one.
    pub(super) log: OnceLock<Option<Arc<AttemptLog>>>,
    /// Lets one heartbeat after the other wait to be sent.
    pub(super) heartbeats: Arc<Semaphore>,
}

impl Attempt {
    pub(super) fn new(assignment: Assignment, expires_at: Instant) -> Self {
        let task_id = assignment.task.as_ref().map(|task| task.task_id.clone()).unwrap_or_default();
        Self {
            lease: LeaseRef { task_id, attempt: assignment.attempt },
            assignment,
            expires_at: Mutex::new(expires_at),
            canceled: OnceLock::new(),
            token: CancellationToken::new(),
            has_counted: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            log: OnceLock::new(),
            heartbeats: Arc::new(Semaphore::new(1)),
        }
    }

    pub(super) fn kind(&self) -> &str {
        self.assignment.task.as_ref().map_or("", |task| &task.kind)
    }

    /// Tells the handler to stop. Only the first call counts.
    pub(super) fn cancel(&self, reason: CancelReason, message: impl Into<String>) {
        if self.canceled.set(Canceled::new(reason, message)).is_ok() {
            self.token.cancel();
        }
    }

    pub(super) fn canceled(&self) -> Option<&Canceled> {
        self.canceled.get()
    }

    /// Is canceled when the handler should stop.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether it is no longer this worker's to report on.
    pub(super) fn is_disowned(&self) -> bool {
        self.canceled().is_some_and(|canceled| canceled.reason() != CancelReason::WorkerStopped)
    }

    pub(super) fn expires_at(&self) -> Instant {
        *lock(&self.expires_at)
    }

    pub(super) fn extend(&self, expires_at: Instant) {
        *lock(&self.expires_at) = expires_at;
    }

    /// Whether its handler has ended: nothing is to be told of it any more.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn set_ended(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    pub(super) fn has_counted(&self) -> bool {
        self.has_counted.load(Ordering::Acquire)
    }

    pub(super) fn set_counted(&self) {
        self.has_counted.store(true, Ordering::Release);
    }

    /// The report that the work is done, or has failed.
    pub(super) fn closing(&self, outcome: Outcome) -> TaskReport {
        match outcome {
            Ok(output) => self.report(Report::Success(Success { output: output.map(to_proto) })),
            Err(error) => self.failure(failure_of(error)),
        }
    }

    pub(super) fn failure(&self, failure: Failure) -> TaskReport {
        self.report(Report::Failure(failure))
    }

    /// The report that the work goes on.
    pub(super) fn heartbeat(&self, progress: Option<Value>) -> TaskReport {
        self.report(Report::Heartbeat(Heartbeat { progress: progress.map(to_proto) }))
    }

    fn report(&self, report: Report) -> TaskReport {
        let LeaseRef { task_id, attempt } = self.lease.clone();
        TaskReport { task_id, attempt, report: Some(report), add_success_count: 0, add_failure_count: 0 }
    }
}

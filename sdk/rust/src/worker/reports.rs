//! Reports on their way to the server.

use std::sync::Arc;

use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::sleep;

use super::attempt::Attempt;
use super::cancel::CancelReason;
use super::core::Core;
use super::failure::failure_instead_of;
use crate::v1::{ErrorReason, ItemError, ReportResult, ReportTasksRequest, TaskReport, report_result};
use crate::{Code, Error, backoff};

/// Bounds of one call: the contract's number of reports, and bytes well below what servers accept.
const REPORTS_MAX: usize = 1_000;
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// A report that waits to be sent.
pub(super) struct Entry {
    pub(super) attempt: Arc<Attempt>,
    pub(super) report: TaskReport,
    /// Of a heartbeat: is told when it is dealt with. Without it the report is the closing one.
    pub(super) answered: Option<Answered>,
}

/// Is told that a heartbeat is dealt with, and then lets the next one be sent.
pub(super) struct Answered {
    pub(super) answered: oneshot::Sender<()>,
    pub(super) _turn: OwnedSemaphorePermit,
}

/// Sends reports, in their order, as long as there may be some. One call is in flight at a time: what becomes due
/// meanwhile goes together into the next. While the server is away it is tried again.
pub(super) async fn send_all(core: Arc<Core>, mut waiting: mpsc::UnboundedReceiver<Entry>) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(entry) => entry,
            None => match waiting.recv().await {
                Some(entry) => entry,
                None => return,
            },
        };
        let batch;
        (batch, next) = batch_of(first, &mut waiting);
        send(&core, batch).await;
    }
}

/// The reports of one call, and the one that did not fit.
fn batch_of(first: Entry, waiting: &mut mpsc::UnboundedReceiver<Entry>) -> (Vec<Entry>, Option<Entry>) {
    let mut bytes = first.report.encoded_len();
    let mut batch = vec![first];
    while batch.len() < REPORTS_MAX {
        let Ok(entry) = waiting.try_recv() else {
            break;
        };
        bytes += entry.report.encoded_len();
        if bytes > BYTES_MAX {
            return (batch, Some(entry));
        }
        batch.push(entry);
    }
    (batch, None)
}

async fn send(core: &Core, batch: Vec<Entry>) {
    match call(core, &batch).await {
        Ok(results) => {
            let (asked, answered) = (batch.len(), results.len());
            let mut results = results.into_iter();
            for entry in batch {
                match results.next() {
                    Some(result) => take(core, entry, result),
                    None => refused(core, entry, &unanswered(core, answered, asked)),
                }
            }
        }
        // The call was refused as a whole. One report may be to blame: each gets its own answer.
        Err(_) if batch.len() > 1 => {
            for entry in batch {
                match call(core, std::slice::from_ref(&entry)).await {
                    Ok(results) => match results.into_iter().next() {
                        Some(result) => take(core, entry, result),
                        None => refused(core, entry, &unanswered(core, 0, 1)),
                    },
                    Err(error) => refused(core, entry, &error),
                }
            }
        }
        Err(error) => batch.into_iter().for_each(|entry| refused(core, entry, &error)),
    }
}

fn unanswered(core: &Core, answered: usize, asked: usize) -> Error {
    let address = core.client().address();
    Error::plain(Code::Internal, format!("{address}: {answered} of {asked} reports were answered"))
}

/// Makes a call until it is answered, or refused for good.
async fn call(core: &Core, batch: &[Entry]) -> Result<Vec<ReportResult>, Error> {
    let request = ReportTasksRequest { reports: batch.iter().map(|entry| entry.report.clone()).collect(), brief: true };
    let mut failures = 0;
    loop {
        let error = match core.client().tasks().report_tasks(request.clone()).await {
            Ok(response) => return Ok(response.results),
            Err(error) => error,
        };
        failures += 1;
        let Some(delay) = backoff::before_resuming(&error, failures) else {
            return Err(error);
        };
        core.tell(&error);
        sleep(delay).await;
    }
}

/// Takes the server's answer to a report.
fn take(core: &Core, entry: Entry, ReportResult { result, cancel_requested }: ReportResult) {
    if cancel_requested {
        entry.attempt.cancel(CancelReason::CancelRequested, "the server asked to stop the attempt");
    }
    match result {
        Some(report_result::Result::Error(error)) => item_refused(core, entry, &error),
        _ => done(core, entry),
    }
}

fn item_refused(core: &Core, entry: Entry, item: &ItemError) {
    let reason = item.reason();
    if reason == ErrorReason::TaskEnded {
        // Of a closing report: its first answer was lost. Of a heartbeat: somebody else ended the task.
        entry.attempt.cancel(CancelReason::CancelRequested, &item.message);
        return done(core, entry);
    }
    if matches!(reason, ErrorReason::StaleAttempt | ErrorReason::LeaseLost) {
        entry.attempt.cancel(CancelReason::LeaseLost, &item.message);
    }
    let error = Error::from_item(&format!("report on task {} refused", entry.attempt.lease.task_id), item);
    if reason == ErrorReason::InvalidField {
        refused(core, entry, &error);
    } else {
        core.tell(&error);
        done(core, entry);
    }
}

/// Reports what can be said instead of a closing report that was refused: once or twice, because what is sent instead
/// has less and less to leave out. Where it was not the report that was refused, but who sent it, nothing is said:
/// another attempt may do better.
fn refused(core: &Core, entry: Entry, error: &Error) {
    core.tell(error);
    let is_of_the_sender = matches!(error.code(), Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented);
    let may_replace = entry.answered.is_none() && !is_of_the_sender;
    let report = entry.report.report.as_ref().filter(|_| may_replace);
    match report.and_then(|report| failure_instead_of(report, error.message())) {
        Some(failure) => {
            let report = entry.attempt.failure(failure);
            core.send(Entry { report, ..entry });
        }
        None => done(core, entry),
    }
}

fn done(core: &Core, entry: Entry) {
    match entry.answered {
        // Whoever has asked may have gone.
        Some(Answered { answered, .. }) => drop(answered.send(())),
        None => core.pool.ended(&entry.attempt),
    }
}

//! Taking tasks by calls.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::core::Core;
use super::is_final;
use crate::json::duration;
use crate::v1::{Assignment, ClaimTasksRequest};
use crate::{Code, Error, backoff};

/// Keeps a claim waiting at the server for as many tasks as there are free slots, never for more, until the worker
/// drains. Fails when the server refuses for good, for example the credentials.
pub(super) async fn claim_all(core: Arc<Core>) -> Result<(), Error> {
    // A claim that is given up frees what it has not been answered.
    let claiming = keep_claiming(&core);
    core.phases.draining.run_until_cancelled(claiming).await.unwrap_or(Ok(()))
}

async fn keep_claiming(core: &Arc<Core>) -> Result<(), Error> {
    let mut changes = core.pool.changes();
    let mut failures = 0;
    loop {
        let asked = loop {
            changes.mark_unchanged();
            match core.pool.ask() {
                Some(asked) => break asked,
                // The sender lives as long as the worker.
                None => _ = changes.changed().await,
            }
        };
        let sent_at = Instant::now();
        let answer = claim(core, asked.tasks).await;
        let count = answer.as_ref().map_or(0, Vec::len);
        // Attempts take their slots before the claim lets go of them.
        let delay = match answer {
            Ok(assignments) => {
                failures = 0;
                core.begin(assignments, core.options.lease);
                if count > 0 {
                    Duration::ZERO
                } else {
                    backoff::after_empty_answer(sent_at.elapsed(), core.options.claim_wait)
                }
            }
            Err(error) if is_final(&error) || error.code() == Code::Unimplemented => {
                return Err(error);
            }
            Err(error) => {
                core.tell(&error);
                failures += 1;
                error.retry_delay().unwrap_or_default() + backoff::delay(failures)
            }
        };
        drop(asked);
        sleep(delay).await;
    }
}

async fn claim(core: &Core, tasks: usize) -> Result<Vec<Assignment>, Error> {
    let request = ClaimTasksRequest {
        worker_id: core.options.worker_id.clone(),
        kinds: core.kinds(),
        labels: core.options.labels.clone(),
        max_tasks: i32::try_from(tasks).unwrap_or(i32::MAX),
        wait_timeout: Some(duration(core.options.claim_wait)),
        lease: Some(duration(core.options.lease)),
    };
    Ok(core.client().workers().claim_tasks(request).await?.assignments)
}

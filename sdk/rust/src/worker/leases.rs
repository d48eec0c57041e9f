//! Keeping the leases of attempts under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tonic::Request;

use super::attempt::Attempt;
use super::cancel::CancelReason;
use super::core::{Core, LiveStream};
use crate::Error;
use crate::json::duration;
use crate::time::after;
use crate::v1::work_request::Message;
use crate::v1::{ExtendLeasesRequest, LeaseRef, WorkRequest, WorkerHeartbeat, lease_result};

const LEASES_MAX: usize = 1_000;
/// A lease of no length does not keep both sides busy.
const PERIOD_MIN: Duration = Duration::from_millis(10);
/// How long an attempt that began meanwhile may wait for its lease to be looked at: a stream brings leases of another
/// length than claims.
const CHECK_PERIOD_MAX: Duration = Duration::from_millis(500);

/// Extends the leases of all attempts under way, and tells those whose lease may have run out, without end.
pub(super) async fn keep(core: Arc<Core>) {
    tokio::join!(extend_all(&core), cancel_expired(&core));
}

/// By heartbeats of the stream, as often as the server wants; without one by calls, every quarter of a lease: one that
/// fails leaves time for another.
async fn extend_all(core: &Core) {
    loop {
        let quarter = core.options.lease / 4;
        let period = core.live_stream().map_or(quarter, |stream| stream.heartbeat_interval.min(quarter));
        let extended = async {
            sleep(period.max(PERIOD_MIN)).await;
            if core.live_stream().is_none() {
                extend_by_calls(core).await;
            }
        };
        // A stream that is welcomed does not wait for calls that may hang.
        tokio::select! {
            () = extended => {}
            () = core.welcomed.notified() => {}
        }
        if let Some(stream) = core.live_stream() {
            send_heartbeats(&stream, &core.pool.attempts());
        }
    }
}

async fn extend_by_calls(core: &Core) {
    for part in core.pool.attempts().chunks(LEASES_MAX) {
        if let Err(error) = extend(core, part).await {
            core.tell(&error);
        }
    }
}

/// A lease that may have run out because the server was away counts as lost.
async fn cancel_expired(core: &Core) {
    loop {
        let now = Instant::now();
        let mut next = now + CHECK_PERIOD_MAX;
        for attempt in core.pool.attempts() {
            let expires_at = attempt.expires_at();
            if expires_at <= now {
                attempt.cancel(CancelReason::LeaseLost, "the lease ran out before it was extended");
            } else {
                next = next.min(expires_at);
            }
        }
        sleep_until(next).await;
    }
}

/// A heartbeat that is not taken ends the stream, and the attempts that it named are extended by the next one, or by
/// calls.
fn send_heartbeats(stream: &LiveStream, attempts: &[Arc<Attempt>]) {
    let expires_at = after(stream.lease);
    let send = |attempts: &[Arc<Attempt>]| {
        let heartbeat = WorkerHeartbeat { leases: leases_of(attempts) };
        // A stream that has ended meanwhile takes none.
        let _ = stream.requests.send(WorkRequest { message: Some(Message::Heartbeat(heartbeat)) });
        attempts.iter().for_each(|attempt| attempt.extend(expires_at));
    };
    if attempts.is_empty() {
        send(attempts);
    }
    attempts.chunks(LEASES_MAX).for_each(send);
}

async fn extend(core: &Core, attempts: &[Arc<Attempt>]) -> Result<(), Error> {
    let lease: Duration = core.options.lease;
    let mut request = Request::new(ExtendLeasesRequest {
        worker_id: core.options.worker_id.clone(),
        leases: leases_of(attempts),
        lease: Some(duration(lease)),
    });
    request.set_timeout(lease);
    let expires_at = after(lease);
    let response = core.client().workers().extend_leases(request).await?;
    for (attempt, answer) in attempts.iter().zip(response.results) {
        match answer.result {
            _ if answer.cancel_requested => {
                attempt.cancel(CancelReason::CancelRequested, "the server asked to stop the attempt");
            }
            Some(lease_result::Result::Error(error)) => attempt.cancel(CancelReason::LeaseLost, error.message),
            _ => attempt.extend(expires_at),
        }
    }
    Ok(())
}

fn leases_of(attempts: &[Arc<Attempt>]) -> Vec<LeaseRef> {
    attempts.iter().map(|attempt| attempt.lease.clone()).collect()
}

//! A worker's life: it takes tasks until it is stopped or refused, then ends in good order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::cancel::CancelReason;
use super::core::Core;
use super::reports::Entry;
use super::{claims, counts, leases, reports, stream};
use crate::{Code, Error};

/// How long handlers that were told to stop, and their reports, may take before the worker ends without them.
const ABANDON_AFTER: Duration = Duration::from_secs(5);

/// Runs a worker to its end.
pub(super) async fn run(core: Arc<Core>, waiting: mpsc::UnboundedReceiver<Entry>, sigterm: BoxFuture<'static, ()>) {
    let over = &core.phases.over;
    tokio::spawn(over.clone().run_until_cancelled_owned(reports::send_all(core.clone(), waiting)));
    tokio::spawn(over.clone().run_until_cancelled_owned(counts::send_all(core.clone())));
    tokio::spawn(over.clone().run_until_cancelled_owned(leases::keep(core.clone())));
    let mut taking = tokio::spawn(take(core.clone()));
    let refusal = tokio::select! {
        end = &mut taking => Some(end.unwrap_or_else(|panic| Err(broken(&panic)))),
        () = core.phases.stopping.cancelled() => None,
        () = sigterm => None,
    };
    core.phases.draining.cancel();
    let still_taking = refusal.is_none().then_some(&mut taking);
    end_attempts(&core, still_taking).await;
    taking.abort();
    core.phases.over.cancel();
    core.end.send_replace(Some(refusal.unwrap_or(Ok(()))));
}

/// Takes tasks until the worker drains: by a stream, and by claims while none passes.
async fn take(core: Arc<Core>) -> Result<(), Error> {
    if !core.options.stream {
        return claims::claim_all(core).await;
    }
    core.pool.pause_claims();
    let ((), ()) = tokio::try_join!(stream::keep(core.clone()), claims::claim_all(core))?;
    Ok(())
}

/// Lets attempts end within the grace, then tells them to stop. A stream takes heartbeats until the last attempt has
/// ended; what was on its way when it was told to bring no more has come when it is closed.
async fn end_attempts(core: &Core, taking: Option<&mut JoinHandle<Result<(), Error>>>) {
    let ended = async {
        core.pool.idle().await;
        core.phases.closing.cancel();
        if let Some(taking) = taking {
            // It ends as it was told; how does not matter any more.
            let _ = taking.await;
        }
        core.pool.idle().await;
    };
    tokio::pin!(ended);
    if timeout(core.options.stop_grace, &mut ended).await.is_ok() {
        return;
    }
    core.phases.aborting.cancel();
    for attempt in core.pool.attempts() {
        attempt.cancel(CancelReason::WorkerStopped, "the worker stops");
    }
    // Whichever it is.
    let _ = timeout(ABANDON_AFTER, ended).await;
}

fn broken(panic: &tokio::task::JoinError) -> Error {
    Error::plain(Code::Internal, format!("the worker has failed: {panic}"))
}

/// Resolves with the first SIGTERM, if that is to be heeded.
#[cfg(unix)]
pub(super) fn sigterm(core: &Core, is_heeded: bool) -> BoxFuture<'static, ()> {
    use tokio::signal::unix::{SignalKind, signal};

    if !is_heeded {
        return std::future::pending().boxed();
    }
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => async move { _ = signals.recv().await }.boxed(),
        Err(error) => {
            core.tell(&Error::plain(Code::Internal, format!("SIGTERM cannot be heeded: {error}")));
            std::future::pending().boxed()
        }
    }
}

/// There is no such signal.
#[cfg(not(unix))]
pub(super) fn sigterm(_: &Core, _: bool) -> BoxFuture<'static, ()> {
    std::future::pending().boxed()
}

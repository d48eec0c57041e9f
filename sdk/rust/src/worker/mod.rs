//! Workers: taking tasks of their kinds and executing them.

mod attempt;
mod builder;
mod cancel;
mod claims;
mod connection;
mod context;
mod core;
mod counts;
mod failure;
mod handler;
mod leases;
mod log;
mod output;
mod pool;
mod reports;
mod run;
mod stream;
mod task_error;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use builder::WorkerBuilder;
pub use cancel::{CancelReason, Canceled};
pub use context::{ParentOutcome, TaskContext};
pub use output::{IntoOutput, Json};
pub use task_error::TaskError;

use self::core::Core;
use crate::client::Client;
use crate::v1::ErrorReason;
use crate::{Code, Error};

/// A worker under way: it takes tasks of the kinds that it has handlers for, runs them, and reports what became of them.
/// Cheap to clone. When the last handle is dropped it stops as by [`stop`](Self::stop), and nobody waits for it.
///
/// ```no_run
/// use millpond::{Client, TaskContext, Worker};
/// use serde_json::json;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::builder(Client::new("http://127.0.0.1:8085")?)
///     .handle("download", |context: TaskContext| async move {
///         let sample: u32 = context.input()?;
///         Ok(json!({ "path": format!("/data/{sample}") }))
///     })
///     .stop_on_sigterm(true)
///     .start()?;
/// worker.wait().await?;
/// # Ok(())
/// # }
/// ```
///
/// Handlers run as tasks of the Tokio runtime: what blocks belongs into [`tokio::task::spawn_blocking`].
#[derive(Clone)]
#[must_use = "a worker stops when its last handle is dropped"]
pub struct Worker(Arc<Handle>);

struct Handle(Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.phases.stopping.cancel();
    }
}

impl Worker {
    /// Begins a worker.
    pub fn builder(client: Client) -> WorkerBuilder {
        WorkerBuilder::new(client)
    }

    /// Its own name, unique among the workers that are connected.
    pub fn id(&self) -> &str {
        &self.core().options.worker_id
    }

    /// The number of attempts under way, those included whose report is on its way.
    pub fn running(&self) -> usize {
        self.core().pool.running()
    }

    /// Takes no more tasks, lets handlers finish within the grace, then tells them to stop, sends the last reports, and
    /// resolves when the worker has stopped: at most 5 s after the grace, even if a handler never returns. Such a handler
    /// is dropped. Harmless when it has been called, or its future is dropped: the worker stops all the same.
    pub async fn stop(&self) {
        self.core().phases.stopping.cancel();
        // Who wants to know how it ended asks `wait`.
        let _ = self.wait().await;
    }

    /// Resolves when the worker has stopped; with an error when the server refuses it for good: its credentials, what it
    /// says of itself, or its name, which another worker has taken over.
    pub async fn wait(&self) -> Result<(), Error> {
        let mut end = self.core().end.subscribe();
        let end = end.wait_for(Option::is_some).await;
        // The sender lives as long as this handle.
        end.map_or(Ok(()), |end| end.clone().unwrap_or(Ok(())))
    }

    fn core(&self) -> &Core {
        &self.0.0
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Failures that will not change by asking again: of who the worker is, or of another one that has taken its name.
fn is_final(error: &Error) -> bool {
    let is_taken_over = error.reason() == ErrorReason::LeaseLost && error.metadata().contains_key("worker_id");
    is_taken_over || matches!(error.code(), Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied)
}

/// What a holder that panics leaves behind is whole: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

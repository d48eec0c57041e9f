//! What the parts of a worker share.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::cancel::CancelReason;
use super::context::TaskContext;
use super::counts::Counts;
use super::handler::{self, Handler};
use super::lock;
use super::log::LogBudget;
use super::pool::Pool;
use super::reports::Entry;
use super::task_error::TaskError;
use crate::Error;
use crate::client::Client;
use crate::time::after;
use crate::v1::{Assignment, WorkRequest, WorkerHello};

/// Who a worker is and how it goes about its work.
pub(super) struct Options {
    pub(super) client: Client,
    pub(super) worker_id: String,
    pub(super) labels: HashMap<String, String>,
    pub(super) handlers: HashMap<String, Handler>,
    pub(super) stream: bool,
    pub(super) stream_retry: Duration,
    pub(super) silence_max: Duration,
    pub(super) lease: Duration,
    pub(super) claim_wait: Duration,
    pub(super) stop_grace: Duration,
    pub(super) on_error: Box<dyn Fn(&Error) + Send + Sync>,
}

/// A worker under way.
pub(super) struct Core {
    pub(super) options: Options,
    /// Handlers may tell of their attempts from threads that know of none.
    pub(super) runtime: Handle,
    pub(super) pool: Pool,
    pub(super) reports: mpsc::UnboundedSender<Entry>,
    pub(super) counts: Counts,
    pub(super) log_budget: LogBudget,
    pub(super) phases: Phases,
    /// The stream that is welcomed and takes heartbeats.
    live: Mutex<Option<LiveStream>>,
    /// Tells of a stream that has been welcomed.
    pub(super) welcomed: Notify,
    /// How it ended, once it has.
    pub(super) end: watch::Sender<Option<Result<(), Error>>>,
}

/// The phases of a worker's end, one after the other.
#[derive(Default)]
pub(super) struct Phases {
    /// Somebody wants it to stop.
    pub(super) stopping: CancellationToken,
    /// It takes no more tasks.
    pub(super) draining: CancellationToken,
    /// It has no attempts: the stream is to be closed.
    pub(super) closing: CancellationToken,
    /// The grace is over: handlers are told to stop.
    pub(super) aborting: CancellationToken,
    /// Whatever is left ends at once.
    pub(super) over: CancellationToken,
}

/// How to send by a stream, and what it grants.
#[derive(Clone)]
pub(super) struct LiveStream {
    pub(super) requests: mpsc::UnboundedSender<WorkRequest>,
    pub(super) heartbeat_interval: Duration,
    /// How long a lease lasts from each heartbeat.
    pub(super) lease: Duration,
}

impl Core {
    pub(super) fn new(options: Options, slots: usize, reports: mpsc::UnboundedSender<Entry>) -> Self {
        Self {
            options,
            runtime: Handle::current(),
            pool: Pool::new(slots),
            reports,
            counts: Counts::default(),
            log_budget: LogBudget::default(),
            phases: Phases::default(),
            live: Mutex::new(None),
            welcomed: Notify::new(),
            end: watch::Sender::new(None),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.options.client
    }

    pub(super) fn hello(&self) -> WorkerHello {
        WorkerHello {
            worker_id: self.options.worker_id.clone(),
            kinds: self.kinds(),
            labels: self.options.labels.clone(),
            slots: i32::try_from(self.pool.slots()).unwrap_or(i32::MAX),
        }
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        self.options.handlers.keys().cloned().collect()
    }

    pub(super) fn live_stream(&self) -> Option<LiveStream> {
        lock(&self.live).clone()
    }

    pub(super) fn set_live_stream(&self, stream: Option<LiveStream>) {
        *lock(&self.live) = stream;
    }

    /// Tells the listener what went wrong and is being dealt with. A listener that panics harms nothing else.
    pub(super) fn tell(&self, error: &Error) {
        let listener = AssertUnwindSafe(|| (self.options.on_error)(error));
        // The panic hook has told of it.
        let _ = catch_unwind(listener);
    }

    /// Whether the worker takes no more tasks.
    pub(super) fn is_draining(&self) -> bool {
        self.phases.draining.is_cancelled()
    }

    /// Begins attempts whose leases, as far as this side can tell, last so long.
    pub(super) fn begin(self: &Arc<Self>, assignments: Vec<Assignment>, lease: Duration) {
        // They began before the answer came, and the server's clock cannot be compared: a third is kept in reserve.
        let expires_at = after(lease / 3 * 2);
        for assignment in assignments {
            let attempt = Arc::new(Attempt::new(assignment, expires_at));
            if !self.pool.begin(&attempt) {
                continue;
            }
            if self.phases.aborting.is_cancelled() {
                attempt.cancel(CancelReason::WorkerStopped, "the worker stops");
            }
            let over = self.phases.over.clone();
            self.runtime.spawn(over.run_until_cancelled_owned(self.clone().execute(attempt)));
        }
    }

    /// Runs an attempt to its end and hands over its closing report.
    async fn execute(self: Arc<Self>, attempt: Arc<Attempt>) {
        let outcome = match self.options.handlers.get(attempt.kind()) {
            Some(handler) => handler::run(handler, TaskContext::new(self.clone(), attempt.clone())).await,
            None => Err(TaskError::new(format!("the worker has no handler for kind \"{}\"", attempt.kind()))),
        };
        attempt.set_ended();
        let report = attempt.closing(outcome);
        self.pool.handler_ended();
        // A task that has ended takes no counts, and its last lines are there when it has ended for everybody.
        let log = async {
            if let Some(log) = attempt.log.get_or_init(|| None) {
                log.finish(&self, &attempt).await;
            }
        };
        let counts = async {
            if attempt.has_counted() && !attempt.is_disowned() {
                self.counts.flushed(&attempt.lease.task_id).await;
            }
        };
        tokio::join!(log, counts);
        if attempt.is_disowned() {
            self.pool.ended(&attempt);
        } else {
            self.send(Entry { attempt, report, answered: None });
        }
    }

    /// Queues a report.
    pub(super) fn send(&self, entry: Entry) {
        if let Err(mpsc::error::SendError(entry)) = self.reports.send(entry) {
            // The worker is over.
            self.pool.ended(&entry.attempt);
        }
    }
}

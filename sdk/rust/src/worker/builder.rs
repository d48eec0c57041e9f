use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::context::TaskContext;
use super::core::{Core, Options};
use super::handler::handler;
use super::output::IntoOutput;
use super::run;
use super::task_error::TaskError;
use super::{Handle, Worker};
use crate::client::Client;
use crate::{Error, InvalidArgument, random};

const SLOTS_DEFAULT: usize = 10;
const SLOTS_MAX: usize = 10_000;

/// A worker in the making, by [`Worker::builder`].
#[must_use = "a worker does nothing until it is started"]
pub struct WorkerBuilder {
    slots: usize,
    stop_on_sigterm: bool,
    options: Options,
}

impl WorkerBuilder {
    pub(super) fn new(client: Client) -> Self {
        Self {
            slots: SLOTS_DEFAULT,
            stop_on_sigterm: false,
            options: Options {
                client,
                worker_id: worker_id(),
                labels: HashMap::new(),
                handlers: HashMap::new(),
                stream: true,
                stream_retry: Duration::from_secs(30),
                silence_max: Duration::from_secs(45),
                lease: Duration::from_secs(30),
                claim_wait: Duration::from_secs(30),
                stop_grace: Duration::from_secs(30),
                on_error: Box::new(|_| {}),
            },
        }
    }

    /// Names the handler of a kind of task. What it returns is the task's output, see [`IntoOutput`]; what it fails or
    /// panics with is the attempt's failure, see [`TaskError`].
    pub fn handle<H, F, O>(mut self, kind: impl Into<String>, handle: H) -> Self
    where
        H: Fn(TaskContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<O, TaskError>> + Send + 'static,
        O: IntoOutput,
    {
        self.options.handlers.insert(kind.into(), handler(handle));
        self
    }

    /// How many tasks it executes at the same time, 1 to 10,000. Default 10.
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Its own name, unique among the workers that are connected: a later one of the same name takes over. Default: host
    /// name, process id and a random part.
    pub fn worker_id(mut self, worker_id: impl Into<String>) -> Self {
        self.options.worker_id = worker_id.into();
        self
    }

    /// Adds a label, which a task may require; at most 50.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.labels.insert(key.into(), value.into());
        self
    }

    /// Whether it takes tasks by a stream, where one passes to the server; else it claims them by calls. Default true.
    pub fn stream(mut self, stream: bool) -> Self {
        self.options.stream = stream;
        self
    }

    /// How long it claims by calls, where no stream passed, before it tries the stream again; twice as long after each
    /// failure, up to twenty times. Default 30 s: up to 10 minutes.
    pub fn stream_retry(mut self, delay: Duration) -> Self {
        self.options.stream_retry = delay;
        self
    }

    /// How long a stream may say nothing before it is taken for broken, and made anew. Default 45 s; the server speaks
    /// every 15 s.
    pub fn silence_max(mut self, silence_max: Duration) -> Self {
        self.options.silence_max = silence_max;
        self
    }

    /// How long the server waits before it gives the tasks of a silent worker to others, where it claims by calls; from
    /// 1 s to 1 h. Default 30 s. By a stream, the server says how long.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// How long one claim waits for a task, at most 60 s. Default 30 s.
    pub fn claim_wait(mut self, wait: Duration) -> Self {
        self.options.claim_wait = wait;
        self
    }

    /// How long a stop lets handlers finish before it tells them to stop. Default 30 s.
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.options.stop_grace = grace;
        self
    }

    /// Whether SIGTERM stops it, on Unix. Default false. Once asked for, SIGTERM does not end the process any more.
    pub fn stop_on_sigterm(mut self, stop: bool) -> Self {
        self.stop_on_sigterm = stop;
        self
    }

    /// Is told what went wrong and is being dealt with: a server that is away, a report that was refused. It must not
    /// block.
    pub fn on_error(mut self, listener: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.options.on_error = Box::new(listener);
        self
    }

    /// Starts the worker. Refuses a number of slots that no worker has, and one without a handler.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(self) -> Result<Worker, InvalidArgument> {
        if !(1..=SLOTS_MAX).contains(&self.slots) {
            return Err(InvalidArgument::new(format!("slots is {}; a worker has from 1 to {SLOTS_MAX}", self.slots)));
        }
        if self.options.handlers.is_empty() {
            return Err(InvalidArgument::new("the worker has no handler; name one with handle(kind, handler)"));
        }
        let (reports, waiting) = mpsc::unbounded_channel();
        let core = Arc::new(Core::new(self.options, self.slots, reports));
        // From now on no signal is missed.
        let sigterm = run::sigterm(&core, self.stop_on_sigterm);
        tokio::spawn(run::run(core.clone(), waiting, sigterm));
        Ok(Worker(Arc::new(Handle(core))))
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WorkerBuilder").field("id", &self.options.worker_id).finish_non_exhaustive()
    }
}

fn worker_id() -> String {
    let host = hostname::get().map(|host| host.to_string_lossy().into_owned()).unwrap_or_else(|_| "worker".to_owned());
    let random = random::unique_id();
    format!("{host}-{}-{}", std::process::id(), &random[..8])
}

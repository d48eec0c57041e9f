use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::cancel::Canceled;
use super::core::Core;
use super::log;
use super::reports::{Answered, Entry};
use super::task_error::TaskError;
use crate::json::from_proto;
use crate::v1::{Assignment, LogLevel, Task, TaskStatus};

/// What became of a task on which another one depended.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentOutcome {
    /// The parent.
    pub task_id: String,
    /// How it ended.
    pub status: TaskStatus,
    /// What it produced; `None`: nothing, or [`output_omitted`](Self::output_omitted).
    pub output: Option<Value>,
    /// The outputs of the parents are too large to be handed out together (4 MiB): `GetTask` has this one.
    pub output_omitted: bool,
}

/// What a handler gets of its attempt, and by what it tells of it. Cheap to clone; a clone that outlives the handler
/// tells nothing any more.
#[derive(Clone)]
pub struct TaskContext {
    core: Arc<Core>,
    attempt: Arc<Attempt>,
}

impl TaskContext {
    pub(super) fn new(core: Arc<Core>, attempt: Arc<Attempt>) -> Self {
        Self { core, attempt }
    }

    /// The task's input as a type of the handler's, by [`serde`]; no input is null. Ask for a [`Value`] to take whatever
    /// comes. An input that is not of the type makes an error to end with by `?`.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, TaskError> {
        let input = self.task().input.clone().map_or(Value::Null, from_proto);
        serde_json::from_value(input)
            .map_err(|error| TaskError::new(format!("the input is not what the handler takes: {error}")))
    }

    /// What became of each task on which this one depended: by key, or by task id for one without a key or of another
    /// batch.
    pub fn parents(&self) -> HashMap<String, ParentOutcome> {
        let parents = self.assignment().parents.iter();
        parents
            .map(|(key, parent)| {
                let outcome = ParentOutcome {
                    task_id: parent.task_id.clone(),
                    status: parent.status(),
                    output: parent.output.clone().map(from_proto),
                    output_omitted: parent.output_omitted,
                };
                (key.clone(), outcome)
            })
            .collect()
    }

    /// The output of a parent as a type of the handler's, by [`serde`]; no output is null. Makes an error to end with by
    /// `?` where there is no such parent, or its output is not of the type, or was too large to be handed out.
    pub fn parent_output<T: DeserializeOwned>(&self, key: &str) -> Result<T, TaskError> {
        let parent = self.assignment().parents.get(key);
        let parent = parent.ok_or_else(|| TaskError::new(format!("the task has no parent \"{key}\"")))?;
        if parent.output_omitted {
            return Err(TaskError::new(format!("the output of parent \"{key}\" is too large to be handed out")));
        }
        let output = parent.output.clone().map_or(Value::Null, from_proto);
        serde_json::from_value(output).map_err(|error| {
            TaskError::new(format!("the output of parent \"{key}\" is not what the handler takes: {error}"))
        })
    }

    /// The task, with metadata and all.
    pub fn task(&self) -> &Task {
        self.assignment().task.as_ref().expect("a handler is found by the task's kind")
    }

    /// The number of the attempt, from 1.
    pub fn attempt(&self) -> i32 {
        self.attempt.lease.attempt
    }

    /// All that was handed out, as the contract has it.
    pub fn assignment(&self) -> &Assignment {
        &self.attempt.assignment
    }

    /// Resolves when the handler should stop: its task was canceled or timed out, its lease is lost, or the worker stops
    /// and its grace is over. A handler that heeds it ends with it: `return Err(context.canceled().await.into())`.
    pub async fn canceled(&self) -> Canceled {
        self.attempt.token().cancelled().await;
        self.cancellation().expect("the reason is set before the token")
    }

    /// Why the handler should stop; `None`: it should not.
    pub fn cancellation(&self) -> Option<Canceled> {
        self.attempt.canceled().cloned()
    }

    /// Does something, unless the handler should stop before it is done. What is given is dropped then.
    pub async fn unless_canceled<F: Future>(&self, future: F) -> Result<F::Output, Canceled> {
        tokio::select! {
            output = future => Ok(output),
            canceled = self.canceled() => Err(canceled),
        }
    }

    /// The same sign as a token, for what takes one. To cancel it tells nobody else.
    pub fn cancellation_token(&self) -> CancellationToken {
        self.attempt.token().child_token()
    }

    /// Tells the server that the work goes on, and how far it is: any JSON of at most 64 KiB; `None` leaves what was
    /// told before. Not needed to keep the lease, which the worker extends. Resolves once the server has answered; what
    /// went wrong goes to the error listener. One is sent after the other: who does not wait for the answer loses those
    /// that could not be sent meanwhile.
    pub async fn heartbeat(&self, progress: Option<Value>) {
        // It is never closed.
        let Ok(turn) = self.attempt.heartbeats.clone().acquire_owned().await else {
            return;
        };
        if self.attempt.has_ended() {
            return;
        }
        let (answered, answer) = oneshot::channel();
        let report = self.attempt.heartbeat(progress);
        let answered = Some(Answered { answered, _turn: turn });
        self.core.send(Entry { attempt: self.attempt.clone(), report, answered });
        // Nobody answers when the worker is over.
        let _ = answer.await;
    }

    /// Adds a line to the log of the attempt; one of more than 16,384 characters becomes several. It returns at once:
    /// lines are sent together, five times a second at most, and the last ones before the closing report. While the
    /// server is away they wait, up to 10,000 lines; what does not fit is dropped, and a line says how many that were.
    pub fn log(&self, level: LogLevel, message: impl AsRef<str>) {
        log::add(&self.core, &self.attempt, level, message.as_ref());
    }

    /// Adds to the task's counters, each count once, whatever connection breaks. It returns at once; the closing report
    /// waits until all of it is in. What is refused goes to the error listener.
    pub fn count(&self, success: u64, failure: u64) {
        if self.attempt.has_ended() {
            return;
        }
        self.attempt.set_counted();
        self.core.counts.add(&self.attempt.lease.task_id, success, failure);
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TaskContext").field("lease", &self.attempt.lease).finish_non_exhaustive()
    }
}

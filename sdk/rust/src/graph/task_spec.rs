use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Parent, Retry};
use crate::json::{duration, to_proto};
use crate::v1::new_task::Execution;
use crate::v1::{DedupeMatcher, JoinExecution, NewTask, Rule, UnmetPolicy, Webhook, WorkerExecution};

/// A task to create: the contract's [`NewTask`] with JSON, times and durations of the language. What is not said takes
/// the default that the contract names.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a task is part of a graph once it is given to `Graph::task`"]
pub struct TaskSpec(NewTask);

impl TaskSpec {
    /// Begins a task under a key that is unique in its batch, at most 255 characters, of a kind of work, 1 to 100
    /// characters. Its name is the key, unless [`name`](Self::name) gives another one.
    pub fn new(key: impl Into<String>, kind: impl Into<String>) -> Self {
        let key = key.into();
        Self(NewTask { name: key.clone(), key, kind: kind.into(), ..NewTask::default() })
    }

    /// A name for people, 1 to 255 characters.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Adds a task on which it depends: a reference, a key, or a [`Parent`] with a condition.
    pub fn after(mut self, parent: impl Into<Parent>) -> Self {
        self.0.dependencies.push(parent.into().into_message());
        self
    }

    /// What becomes of it when a dependency can no longer be met.
    pub fn unmet_policy(mut self, policy: UnmetPolicy) -> Self {
        self.0.unmet_policy = policy.into();
        self
    }

    /// What the executor gets to work on, at most 1 MiB as JSON. What is no JSON yet becomes it by
    /// [`serde_json::to_value`].
    pub fn input(mut self, input: impl Into<Value>) -> Self {
        self.0.input = Some(to_proto(input.into()));
        self
    }

    /// Adds a searchable fact about it; all of them are at most 64 KiB as JSON. Rules and deduplication read them.
    pub fn metadata(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        let metadata = self.0.metadata.get_or_insert_default();
        metadata.fields.insert(field.into(), to_proto(value.into()));
        self
    }

    /// From -1000 to 1000; higher first. Default 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.0.priority = priority;
        self
    }

    /// How many items it will count. Default: not known.
    pub fn expected_count(mut self, count: i64) -> Self {
        self.0.expected_count = Some(count);
        self
    }

    /// It does not start before this time. Default: at once.
    pub fn start_time(mut self, time: SystemTime) -> Self {
        self.0.start_time = Some(time.into());
        self
    }

    /// How long it may be CLAIMED, at most 1 day. Default 30 s.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.0.start_timeout = Some(duration(timeout));
        self
    }

    /// How long an attempt may give no sign of life, at most 366 days. Default 60 s.
    pub fn inactivity_timeout(mut self, timeout: Duration) -> Self {
        self.0.inactivity_timeout = Some(duration(timeout));
        self
    }

    /// How long an attempt may run, at most 366 days. Default: no limit.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.0.execution_timeout = Some(duration(timeout));
        self
    }

    /// How long all attempts may take from creation to the end, at most 366 days. Default: no limit.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.0.total_timeout = Some(duration(timeout));
        self
    }

    /// How failed attempts are repeated. Default: one attempt.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = Some(retry.into());
        self
    }

    /// Adds a limit that must let it start; at most 20.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.0.rules.push(rule);
        self
    }

    /// Adds a matcher: if it finds a task, this one is not created and the answer names the one found; at most 10.
    pub fn dedupe(mut self, matcher: DedupeMatcher) -> Self {
        self.0.dedupe.push(matcher);
        self
    }

    /// It is executed by whom this calls when it is claimed. Default: by a worker of its kind.
    pub fn on_start(mut self, webhook: Webhook) -> Self {
        self.0.execution = Some(Execution::OnStart(webhook));
        self
    }

    /// It is executed by a worker that has this label, beside those that were required before; at most 50.
    pub fn required_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let mut worker = match self.0.execution.take() {
            Some(Execution::Worker(worker)) => worker,
            _ => WorkerExecution::default(),
        };
        worker.required_labels.insert(key.into(), value.into());
        self.0.execution = Some(Execution::Worker(worker));
        self
    }

    /// It is no work: it succeeds as soon as it may start.
    pub fn join(mut self) -> Self {
        self.0.execution = Some(Execution::Join(JoinExecution {}));
        self
    }

    /// Adds a webhook that is called after it ended as SUCCESS; at most 20.
    pub fn on_success(mut self, webhook: Webhook) -> Self {
        self.0.on_success.push(webhook);
        self
    }

    /// Adds a webhook that is called after it ended as FAILURE; at most 20.
    pub fn on_failure(mut self, webhook: Webhook) -> Self {
        self.0.on_failure.push(webhook);
        self
    }

    /// Adds a webhook that is called after it ended as CANCELED; at most 20.
    pub fn on_cancel(mut self, webhook: Webhook) -> Self {
        self.0.on_cancel.push(webhook);
        self
    }

    /// Whether its FAILURE stops the batch. Default false.
    pub fn critical(mut self, critical: bool) -> Self {
        self.0.critical = critical;
        self
    }

    /// Whether it is canceled once every task that depends on it has ended. Default false.
    pub fn only_for_dependents(mut self, only_for_dependents: bool) -> Self {
        self.0.only_for_dependents = only_for_dependents;
        self
    }

    /// With whom it takes turns, say a tenant or a user, at most 255 characters; and how many tasks of that key are
    /// started where one of a key of weight 1 is, at most 1,000.
    pub fn fairness(mut self, key: impl Into<String>, weight: i32) -> Self {
        self.0.fairness_key = key.into();
        self.0.fairness_weight = weight;
        self
    }

    pub(super) fn into_message(self) -> NewTask {
        self.0
    }
}

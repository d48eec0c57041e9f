//! Graphs of tasks, for `CreateTasks` and `UploadTasks`.

mod parent;
mod retry;
mod task_spec;

use std::collections::HashSet;

pub use parent::{Parent, TaskRef};
pub use retry::Retry;
pub use task_spec::TaskSpec;

use crate::InvalidArgument;
use crate::v1::create_tasks_request::Target;
use crate::v1::{CreateTasksRequest, NewBatch, NewTask};

/// Collects the tasks of one request.
///
/// ```
/// use millpond::{Graph, TaskSpec};
///
/// # fn build() -> Result<(), millpond::InvalidArgument> {
/// let mut graph = Graph::new("sample 7");
/// let fetch = graph.task(TaskSpec::new("fetch", "download"))?;
/// let align = graph.task(TaskSpec::new("align", "bwa").after(&fetch))?;
/// graph.task(TaskSpec::new("report", "report").after(align.on_completion()))?;
/// assert_eq!(graph.build().tasks.len(), 3);
/// # Ok(())
/// # }
/// # build().unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Graph {
    target: Target,
    keys: HashSet<String>,
    tasks: Vec<NewTask>,
}

impl Graph {
    /// Begins a graph that becomes a new batch of that name; the name may be empty.
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_batch(NewBatch { name: name.into(), ..NewBatch::default() })
    }

    /// Begins a graph that becomes a new batch with options: open, paused, with metadata or webhooks.
    pub fn with_batch(batch: NewBatch) -> Self {
        Self::to(Target::NewBatch(batch))
    }

    /// Begins a graph that grows an open batch.
    pub fn in_batch(batch_id: impl Into<String>) -> Self {
        Self::to(Target::BatchId(batch_id.into()))
    }

    fn to(target: Target) -> Self {
        Self { target, keys: HashSet::new(), tasks: Vec::new() }
    }

    /// Adds a task, and answers a reference for those that come after it. Refuses a key that the graph has already.
    pub fn task(&mut self, spec: TaskSpec) -> Result<TaskRef, InvalidArgument> {
        let task = spec.into_message();
        if !self.keys.insert(task.key.clone()) {
            return Err(InvalidArgument::new(format!("the graph has a task \"{}\" already", task.key)));
        }
        let reference = TaskRef::new(&task.key);
        self.tasks.push(task);
        Ok(reference)
    }

    /// The number of tasks so far.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether it has no task yet.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The request: for [`create_tasks`](crate::TaskService::create_tasks) up to 10,000 tasks, for
    /// [`Client::upload`](crate::Client::upload) beyond.
    pub fn build(self) -> CreateTasksRequest {
        CreateTasksRequest { target: Some(self.target), tasks: self.tasks, ..CreateTasksRequest::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Dependency, DependencyCondition, WorkerExecution, dependency, new_task};
    use serde_json::{Value, json};
    use std::time::{Duration, UNIX_EPOCH};

    fn message(spec: TaskSpec) -> NewTask {
        let mut graph = Graph::new("");
        graph.task(spec).expect("a key that is free");
        graph.build().tasks.remove(0)
    }

    #[test]
    fn a_key_that_is_taken_is_refused_and_harms_nothing() {
        let mut graph = Graph::new("twice");
        graph.task(TaskSpec::new("a", "kind")).expect("a key that is free");
        let refusal = graph.task(TaskSpec::new("a", "other")).expect_err("a key that is taken");
        assert_eq!(refusal.to_string(), "the graph has a task \"a\" already");
        assert_eq!(graph.len(), 1);
    }

    #[test]
    fn a_graph_becomes_a_new_batch_or_grows_one() {
        let new = Graph::new("sample 7").build();
        assert_eq!(new.target, Some(Target::NewBatch(NewBatch { name: "sample 7".into(), ..NewBatch::default() })));
        assert_eq!(Graph::in_batch("b").build().target, Some(Target::BatchId("b".into())));
    }

    #[test]
    fn the_name_is_the_key_unless_another_one_is_given() {
        assert_eq!(message(TaskSpec::new("a", "kind")).name, "a");
        assert_eq!(message(TaskSpec::new("a", "kind").name("for people")).name, "for people");
    }

    #[test]
    fn parents_are_references_keys_and_existing_tasks_with_conditions() {
        let mut graph = Graph::new("");
        let a = graph.task(TaskSpec::new("a", "kind")).expect("a key that is free");
        let child = TaskSpec::new("child", "kind")
            .after(&a)
            .after("b")
            .after(a.on_completion())
            .after(Parent::from("c").on_failure())
            .after(Parent::existing("id").on_success());
        let expected = [
            (dependency::Parent::Key("a".into()), DependencyCondition::Unspecified),
            (dependency::Parent::Key("b".into()), DependencyCondition::Unspecified),
            (dependency::Parent::Key("a".into()), DependencyCondition::Completed),
            (dependency::Parent::Key("c".into()), DependencyCondition::Failure),
            (dependency::Parent::TaskId("id".into()), DependencyCondition::Success),
        ]
        .map(|(parent, condition)| Dependency { parent: Some(parent), condition: condition.into() });
        assert_eq!(message(child).dependencies, expected);
    }

    #[test]
    fn json_times_and_durations_are_the_languages_own() {
        let spec = TaskSpec::new("a", "kind")
            .input(json!({ "sample": 7 }))
            .metadata("tenant", "blue")
            .metadata("tier", json!({ "level": 3 }))
            .expected_count(12)
            .start_time(UNIX_EPOCH + Duration::from_millis(1_500))
            .execution_timeout(Duration::from_millis(2_500))
            .retry(Retry::max_attempts(3).initial_backoff(Duration::from_millis(100)).multiplier(1.5));
        let task = message(spec);
        assert_eq!(task.input.map(crate::json::from_proto), Some(json!({ "sample": 7 })));
        assert_eq!(
            task.metadata.map(crate::json::from_struct).map(Value::Object),
            Some(json!({ "tenant": "blue", "tier": { "level": 3 } }))
        );
        assert_eq!(task.expected_count, Some(12));
        assert_eq!(task.start_time, Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }));
        assert_eq!(task.execution_timeout, Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 }));
        let retry = task.retry.expect("a policy");
        assert_eq!((retry.max_attempts, retry.multiplier), (3, Some(1.5)));
        assert_eq!(retry.initial_backoff, Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 }));
        assert_eq!(retry.max_backoff, None);
    }

    #[test]
    fn an_execution_is_a_worker_with_labels_or_a_join() {
        let worker = message(TaskSpec::new("a", "kind").required_label("gpu", "yes").required_label("zone", "b"));
        let Some(new_task::Execution::Worker(WorkerExecution { required_labels })) = worker.execution else {
            panic!("a worker, not {:?}", worker.execution);
        };
        assert_eq!(required_labels.len(), 2);
        let join = message(TaskSpec::new("a", "kind").join());
        assert!(matches!(join.execution, Some(new_task::Execution::Join(_))));
    }
}

//! The op `graph`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use millpond::{Graph, Parent, Retry, TaskRef, TaskSpec, v1};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Runner;
use crate::outcome::{Failure, Outcome};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphOp {
    client: String,
    batch: Option<Value>,
    batch_id: Option<String>,
    tasks: Vec<TaskOp>,
    submit: String,
    request_id: Option<String>,
    part_size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskOp {
    key: String,
    kind: String,
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    input: Option<Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
    priority: Option<i32>,
    expected_count: Option<String>,
    start_time: Option<String>,
    start_timeout_ms: Option<u64>,
    inactivity_timeout_ms: Option<u64>,
    execution_timeout_ms: Option<u64>,
    total_timeout_ms: Option<u64>,
    retry: Option<RetryOp>,
    #[serde(default)]
    rules: Vec<Value>,
    #[serde(default)]
    after: Vec<AfterOp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryOp {
    max_attempts: i32,
    initial_backoff_ms: Option<u64>,
    max_backoff_ms: Option<u64>,
    multiplier: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum AfterOp {
    Reference(String),
    Existing { task_id: String, on: Option<String> },
    Key { key: String, on: Option<String> },
}

impl Runner {
    pub async fn graph(&self, op: GraphOp) -> Outcome {
        let client = self.client(&op.client)?;
        let mut graph = match (op.batch_id, op.batch) {
            (Some(batch_id), _) => Graph::in_batch(batch_id),
            (None, Some(batch)) => Graph::with_batch(self.json.read(batch)?),
            (None, None) => Graph::new(""),
        };
        let mut references = HashMap::new();
        for task in op.tasks {
            let key = task.key.clone();
            let reference = graph.task(self.spec(task, &references)?)?;
            references.insert(key, reference);
        }
        let mut request = graph.build();
        request.request_id = op.request_id.unwrap_or_default();
        match op.submit.as_str() {
            "none" => Ok(json!({ "request": self.json.write(&request)? })),
            "create" => {
                let response = client.tasks().create_tasks(request).await?;
                Ok(json!({ "response": self.json.write(&response)? }))
            }
            "upload" => {
                let upload = client.upload(request);
                let upload = if let Some(tasks) = op.part_size { upload.part_size(tasks) } else { upload };
                Ok(json!({ "response": self.json.write(&upload.await?)? }))
            }
            submit => Err(Failure::runner(format!("no such way to submit: {submit}"))),
        }
    }

    fn spec(&self, task: TaskOp, references: &HashMap<String, TaskRef>) -> Result<TaskSpec, Failure> {
        let mut spec = TaskSpec::new(task.key, task.kind);
        macro_rules! set {
            ($($field:ident),*) => {
                $(if let Some(value) = task.$field { spec = spec.$field(value); })*
            };
        }
        set!(name, input, priority);
        macro_rules! set_millis {
            ($($field:ident => $method:ident),*) => {
                $(if let Some(millis) = task.$field { spec = spec.$method(Duration::from_millis(millis)); })*
            };
        }
        set_millis!(
            start_timeout_ms => start_timeout,
            inactivity_timeout_ms => inactivity_timeout,
            execution_timeout_ms => execution_timeout,
            total_timeout_ms => total_timeout
        );
        for (field, value) in task.metadata {
            spec = spec.metadata(field, value);
        }
        if let Some(count) = task.expected_count {
            spec = spec.expected_count(count.parse().map_err(|error| Failure::runner(format!("{count}: {error}")))?);
        }
        if let Some(time) = task.start_time {
            spec = spec.start_time(system_time(&time)?);
        }
        if let Some(retry) = task.retry {
            spec = spec.retry(retry.into());
        }
        for rule in task.rules {
            spec = spec.rule(self.json.read::<v1::Rule>(rule)?);
        }
        for after in task.after {
            spec = spec.after(after.parent(references)?);
        }
        Ok(spec)
    }
}

impl AfterOp {
    fn parent(self, references: &HashMap<String, TaskRef>) -> Result<Parent, Failure> {
        let (parent, on) = match self {
            // What comes later in the list has no reference yet: its key does as well.
            Self::Reference(key) => {
                return Ok(references.get(&key).map_or_else(|| Parent::from(key), Parent::from));
            }
            Self::Existing { task_id, on } => (Parent::existing(task_id), on),
            Self::Key { key, on } => (Parent::from(key), on),
        };
        match on.as_deref() {
            None => Ok(parent),
            Some("success") => Ok(parent.on_success()),
            Some("completion") => Ok(parent.on_completion()),
            Some("failure") => Ok(parent.on_failure()),
            Some(on) => Err(Failure::runner(format!("no such condition: {on}"))),
        }
    }
}

impl From<RetryOp> for Retry {
    fn from(op: RetryOp) -> Self {
        let mut retry = Retry::max_attempts(op.max_attempts);
        if let Some(millis) = op.initial_backoff_ms {
            retry = retry.initial_backoff(Duration::from_millis(millis));
        }
        if let Some(millis) = op.max_backoff_ms {
            retry = retry.max_backoff(Duration::from_millis(millis));
        }
        if let Some(multiplier) = op.multiplier {
            retry = retry.multiplier(multiplier);
        }
        retry
    }
}

fn system_time(text: &str) -> Result<SystemTime, Failure> {
    let timestamp: prost_types::Timestamp =
        text.parse().map_err(|error| Failure::runner(format!("{text}: {error}")))?;
    timestamp.try_into().map_err(|error| Failure::runner(format!("{text}: {error}")))
}

/// Tells a null that is given from a field that is not.
pub fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

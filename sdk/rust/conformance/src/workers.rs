//! The ops `worker.*`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use millpond::{TaskContext, Worker};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::actions::{self, Action};
use crate::outcome::{Failure, Outcome, error_json};
use crate::{Runner, lock};

/// The workers under way, by name.
pub type Workers = Mutex<HashMap<String, Arc<Watched>>>;

/// A worker, and what has been seen of it.
pub struct Watched {
    worker: Worker,
    seen: Arc<Seen>,
}

/// What is seen of a worker, and whether handlers that hold may go on.
#[derive(Default)]
pub struct Seen {
    events: Mutex<Vec<Value>>,
    errors: Mutex<Vec<String>>,
    released: watch::Sender<bool>,
}

impl Seen {
    /// Notes what a handler has come to.
    pub fn note(&self, context: &TaskContext, kind: &str, more: Option<(&str, Value)>) {
        let task = context.task();
        let mut event =
            json!({ "type": kind, "taskId": task.task_id, "kind": task.kind, "attempt": context.attempt() });
        if let Some((name, value)) = more {
            event[name] = value;
        }
        lock(&self.events).push(event);
    }

    /// Resolves when handlers that hold may go on.
    pub async fn released(&self) {
        let mut released = self.released.subscribe();
        // It lives as long as this does.
        let _ = released.wait_for(|released| *released).await;
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerOpen {
    client: String,
    worker: String,
    handlers: HashMap<String, Action>,
    worker_id: Option<String>,
    slots: Option<usize>,
    #[serde(default)]
    labels: HashMap<String, String>,
    stream: Option<bool>,
    lease_ms: Option<u64>,
    stop_grace_ms: Option<u64>,
    stop_on_sigterm: Option<bool>,
    silence_max_ms: Option<u64>,
    stream_retry_ms: Option<u64>,
}

#[derive(Deserialize)]
pub struct WorkerName {
    worker: String,
}

impl Runner {
    pub fn open_worker(&self, open: WorkerOpen) -> Outcome {
        let seen = Arc::new(Seen::default());
        let mut builder = Worker::builder(self.client(&open.client)?);
        macro_rules! set {
            ($($option:ident),*) => {
                $(if let Some(value) = open.$option { builder = builder.$option(value); })*
            };
        }
        set!(worker_id, slots, stream, stop_on_sigterm);
        macro_rules! set_millis {
            ($($option:ident => $method:ident),*) => {
                $(if let Some(millis) = open.$option { builder = builder.$method(Duration::from_millis(millis)); })*
            };
        }
        set_millis!(
            lease_ms => lease,
            stop_grace_ms => stop_grace,
            silence_max_ms => silence_max,
            stream_retry_ms => stream_retry
        );
        for (key, value) in open.labels {
            builder = builder.label(key, value);
        }
        for (kind, action) in open.handlers {
            let (action, seen) = (Arc::new(action), seen.clone());
            builder = builder.handle(kind, move |context| actions::watch(context, action.clone(), seen.clone()));
        }
        let listener = seen.clone();
        let worker = builder.on_error(move |error| lock(&listener.errors).push(error.to_string())).start()?;
        let worker_id = worker.id().to_owned();
        lock(&self.workers).insert(open.worker, Arc::new(Watched { worker, seen }));
        Ok(json!({ "workerId": worker_id }))
    }

    pub fn release_worker(&self, name: &WorkerName) -> Outcome {
        self.worker(name)?.seen.released.send_replace(true);
        Ok(json!({}))
    }

    pub fn worker_state(&self, name: &WorkerName) -> Outcome {
        let Watched { worker, seen } = &*self.worker(name)?;
        let done = match worker.wait().now_or_never() {
            None => Value::Null,
            Some(Ok(())) => json!({}),
            Some(Err(error)) => json!({ "error": error_json(&error) }),
        };
        Ok(json!({ "events": *lock(&seen.events), "errors": *lock(&seen.errors), "done": done }))
    }

    pub async fn stop_worker(&self, name: &WorkerName) -> Outcome {
        self.worker(name)?.worker.stop().await;
        Ok(json!({}))
    }

    fn worker(&self, name: &WorkerName) -> Result<Arc<Watched>, Failure> {
        let worker = lock(&self.workers).get(&name.worker).cloned();
        worker.ok_or_else(|| Failure::runner(format!("no such worker: {}", name.worker)))
    }
}

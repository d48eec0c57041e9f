//! The ops `watch.*` and `logs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millpond::{Watch, v1};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::outcome::{Failure, Outcome};
use crate::{Runner, lock};

/// The watches under way, by name.
pub type Watches = Mutex<HashMap<String, Arc<tokio::sync::Mutex<Watch>>>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchOpen {
    client: String,
    watch: String,
    filter: Option<Value>,
    #[serde(default)]
    cursor: String,
    #[serde(default)]
    snapshot: bool,
    silence_max_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchNext {
    watch: String,
    timeout_ms: u64,
}

#[derive(Deserialize)]
pub struct WatchName {
    watch: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogsOp {
    client: String,
    task_id: String,
    #[serde(default)]
    attempt: i32,
    #[serde(default)]
    follow: bool,
}

impl Runner {
    pub fn open_watch(&self, open: WatchOpen) -> Outcome {
        let filter = open.filter.map(|filter| self.json.read::<v1::EventFilter>(filter)).transpose()?;
        let request = v1::WatchEventsRequest { filter, cursor: open.cursor, snapshot: open.snapshot };
        let mut watch = self.client(&open.client)?.watch(request);
        if let Some(millis) = open.silence_max_ms {
            watch = watch.silence_max(Duration::from_millis(millis));
        }
        lock(&self.watches).insert(open.watch, Arc::new(tokio::sync::Mutex::new(watch)));
        Ok(json!({}))
    }

    pub async fn next_of_watch(&self, next: WatchNext) -> Outcome {
        let watch = lock(&self.watches).get(&next.watch).cloned();
        let watch = watch.ok_or_else(|| Failure::runner(format!("no such watch: {}", next.watch)))?;
        let message = async { watch.lock().await.next().await };
        match timeout(Duration::from_millis(next.timeout_ms), message).await {
            Ok(Some(message)) => Ok(json!({ "message": self.json.write(&message?)? })),
            Ok(None) => Ok(json!({ "end": true })),
            Err(_) => Ok(json!({ "timedOut": true })),
        }
    }

    /// A watch is ended by letting go of it.
    pub fn close_watch(&self, name: &WatchName) -> Outcome {
        lock(&self.watches).remove(&name.watch);
        Ok(json!({}))
    }

    pub async fn logs(&self, op: LogsOp) -> Outcome {
        let mut lines = self.client(&op.client)?.logs(op.task_id).attempt(op.attempt).follow(op.follow);
        let mut entries = Vec::new();
        while let Some(line) = lines.next().await {
            entries.push(self.json.write(&line?)?);
        }
        Ok(json!({ "entries": entries }))
    }
}

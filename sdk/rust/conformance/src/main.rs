//! The runner of the conformance suite for the Rust SDK: does what it is told by lines of JSON on stdin, and answers by
//! lines on stdout. `sdk/conformance/README.md` says what it is told.

mod actions;
mod calls;
mod graphs;
mod outcome;
mod proto_json;
mod streams;
mod watches;
mod workers;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millpond::Client;
use outcome::{Failure, Outcome};
use proto_json::ProtoJson;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// What the runner keeps by name.
struct Runner {
    json: ProtoJson,
    clients: Mutex<HashMap<String, Client>>,
    calls: calls::Calls,
    watches: watches::Watches,
    workers: workers::Workers,
}

#[derive(Deserialize)]
struct Command {
    id: Value,
    op: String,
    #[serde(flatten)]
    fields: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientOpen {
    client: String,
    address: String,
    token: Option<String>,
    timeout_ms: Option<u64>,
    retry: Option<bool>,
}

#[derive(Deserialize)]
struct ClientName {
    client: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runner = Arc::new(Runner {
        json: ProtoJson::load()?,
        clients: Mutex::default(),
        calls: calls::Calls::default(),
        watches: watches::Watches::default(),
        workers: workers::Workers::default(),
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        tokio::spawn(answer(runner.clone(), line));
    }
    // Whatever is under way ends with the process.
    std::process::exit(0);
}

async fn answer(runner: Arc<Runner>, line: String) {
    let (id, outcome) = match serde_json::from_str::<Command>(&line) {
        Ok(command) => (command.id.clone(), runner.run(command).await),
        Err(error) => (Value::Null, Err(error.into())),
    };
    let line = match outcome {
        Ok(value) => json!({ "id": id, "ok": value }),
        Err(failure) => json!({ "id": id, "error": failure.to_json() }),
    };
    let mut stdout = std::io::stdout().lock();
    // Nobody reads any more: the end of stdin follows.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

impl Runner {
    async fn run(&self, Command { op, fields, .. }: Command) -> Outcome {
        match op.as_str() {
            "hello" => Ok(json!({ "language": "rust", "version": env!("CARGO_PKG_VERSION") })),
            "client.open" => self.open_client(read(fields)?),
            "client.close" => self.close_client(&read(fields)?),
            "call" => self.call(read(fields)?).await,
            "cancel" => self.cancel(&read(fields)?),
            "stream" => self.stream(read(fields)?).await,
            "graph" => self.graph(read(fields)?).await,
            "watch.open" => self.open_watch(read(fields)?),
            "watch.next" => self.next_of_watch(read(fields)?).await,
            "watch.close" => self.close_watch(&read(fields)?),
            "logs" => self.logs(read(fields)?).await,
            "worker.open" => self.open_worker(read(fields)?),
            "worker.release" => self.release_worker(&read(fields)?),
            "worker.state" => self.worker_state(&read(fields)?),
            "worker.stop" => self.stop_worker(&read(fields)?).await,
            _ => Err(Failure::runner(format!("no such op: {op}"))),
        }
    }

    fn open_client(&self, open: ClientOpen) -> Outcome {
        let mut builder = Client::builder(&open.address).retry(open.retry.unwrap_or(true));
        if let Some(token) = open.token {
            builder = builder.token(token);
        }
        if let Some(timeout) = open.timeout_ms {
            builder = builder.timeout(Duration::from_millis(timeout));
        }
        lock(&self.clients).insert(open.client, builder.build()?);
        Ok(json!({}))
    }

    /// A client is closed by letting go of it.
    fn close_client(&self, name: &ClientName) -> Outcome {
        lock(&self.clients).remove(&name.client);
        Ok(json!({}))
    }

    fn client(&self, name: &str) -> Result<Client, Failure> {
        lock(&self.clients).get(name).cloned().ok_or_else(|| Failure::runner(format!("no such client: {name}")))
    }
}

fn read<T: DeserializeOwned>(fields: Value) -> Result<T, Failure> {
    Ok(serde_json::from_value(fields)?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of it panics")
}

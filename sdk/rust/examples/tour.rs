//! A tour of the SDK: a graph, the worker that executes it, a watch, a log and an error. The same in each language:
//! docs/sdk.md.
//!
//! ```sh
//! npm start                  # a server, in another terminal
//! cargo run --example tour   # in sdk/rust
//! ```

use millpond::v1::event::Payload;
use millpond::v1::watch_events_response::Message;
use millpond::v1::{Batch, EventFilter, GetTaskRequest, LogLevel, TaskStatus, WatchEventsRequest};
use millpond::{Client, Graph, Retry, TaskContext, TaskError, TaskSpec, Worker, WorkerBuilder};
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // snippet: connect
    let address = std::env::var("MILLPOND_ADDRESS").unwrap_or("http://127.0.0.1:8085".into());
    let client = Client::new(address)?;
    // end: connect

    // snippet: graph
    let mut graph = Graph::new("tour");
    let fetch = graph.task(TaskSpec::new("fetch", "tour.fetch").input(json!({ "sample": 7 })))?;
    let retry = Retry::max_attempts(3).initial_backoff(Duration::from_millis(100));
    let align = graph.task(TaskSpec::new("align", "tour.align").after(&fetch).retry(retry))?;
    graph.task(TaskSpec::new("report", "tour.report").after(align.on_completion()))?;
    let created = client.tasks().create_tasks(graph.build()).await?;
    println!("created {} tasks", created.tasks.len());
    // end: graph

    // snippet: worker
    let worker = Worker::builder(client.clone())
        .slots(10)
        .handle("tour.fetch", |context: TaskContext| async move {
            let input: Value = context.input()?;
            context.log(LogLevel::Info, format!("fetched sample {}", input["sample"]));
            Ok(json!({ "reads": 1_000_000 }))
        })
        .handle("tour.align", |context: TaskContext| async move {
            if context.attempt() == 1 {
                return Err(TaskError::new("the node is busy").code("NODE_BUSY"));
            }
            let fetched: Value = context.parent_output("fetch")?;
            Ok(json!({ "aligned": fetched["reads"] }))
        })
        .handle("tour.report", |_| async { Ok(()) });
    // end: worker

    let worker = watch(&client, created.batch.unwrap_or_default(), worker).await?;
    read_log(&client, &created.tasks[0].task_id).await?;
    print_reason(&client).await;
    worker.stop().await;
    Ok(())
}

async fn watch(client: &Client, batch: Batch, worker: WorkerBuilder) -> Result<Worker, Box<dyn Error>> {
    // snippet: watch
    let filter = Some(EventFilter { batch_ids: vec![batch.batch_id], ..Default::default() });
    let mut changes = client.watch(WatchEventsRequest { filter, snapshot: true, ..Default::default() });
    while let Some(message) = changes.next().await {
        if let Some(Message::SnapshotDone(_)) = message?.message {
            break;
        }
    }
    let worker = worker.start()?;
    'watching: while let Some(message) = changes.next().await {
        let Some(Message::Events(list)) = message?.message else {
            continue;
        };
        for event in list.events {
            match event.payload {
                Some(Payload::TaskStatusChanged(change)) if change.to() == TaskStatus::Success => {
                    println!("{}: {}", event.kind, change.to());
                }
                Some(Payload::BatchStatusChanged(change)) => {
                    println!("batch: {}", change.to());
                    break 'watching;
                }
                _ => {}
            }
        }
    }
    // end: watch
    Ok(worker)
}

async fn read_log(client: &Client, task_id: &str) -> Result<(), millpond::Error> {
    // snippet: logs
    let mut lines = client.logs(task_id);
    while let Some(line) = lines.next().await {
        let line = line?;
        println!("{} {}", line.level(), line.message);
    }
    // end: logs
    Ok(())
}

async fn print_reason(client: &Client) {
    // snippet: errors
    let task_id = "00000000-0000-7000-8000-000000000000".to_owned();
    if let Err(error) = client.tasks().get_task(GetTaskRequest { task_id }).await {
        println!("{}", error.reason());
    }
    // end: errors
}

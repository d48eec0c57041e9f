//! The Rust SDK of Millpond, a task-graph orchestrator: a client of every service, a builder of graphs, a watch and a
//! reader of logs that survive broken connections, and a worker.
//!
//! ```no_run
//! use millpond::{Client, Graph, TaskSpec};
//! use serde_json::json;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:8085")?;
//! let mut graph = Graph::new("sample 7");
//! let fetch = graph.task(TaskSpec::new("fetch", "download").input(json!({ "sample": 7 })))?;
//! graph.task(TaskSpec::new("align", "bwa").after(&fetch))?;
//! client.tasks().create_tasks(graph.build()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! All of it needs a [Tokio](https://tokio.rs) runtime with its timer and its I/O enabled. Messages and calls are made of
//! types of [`prost_types`] and [`tonic`], which are here, too: `millpond::prost_types::Duration` is of the right version.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod address;
mod backoff;
mod call;
mod client;
mod error;
mod failure_streak;
mod graph;
pub mod json;
mod logs;
mod names;
mod pull;
mod random;
mod services;
mod time;
mod upload;
mod watch;
mod worker;

/// The messages and generated clients of the contract, as `proto/millpond/v1` of the repository defines them.
#[rustfmt::skip]
#[allow(missing_docs, rustdoc::all, clippy::all, clippy::pedantic)]
pub mod v1 {
    include!("gen/millpond/v1/millpond.v1.rs");
}

pub use {prost_types, tonic};

pub use call::UnaryRequest;
pub use client::{Authorization, Client, ClientBuilder, Transport};
pub use error::{Error, FieldViolation, InvalidArgument};
pub use graph::{Graph, Parent, Retry, TaskRef, TaskSpec};
pub use logs::Logs;
pub use services::{BatchService, DeliveryService, EventService, TaskService, WorkerService};
pub use tonic::Code;
pub use upload::Upload;
pub use watch::Watch;
pub use worker::{
    CancelReason, Canceled, IntoOutput, Json, ParentOutcome, TaskContext, TaskError, Worker, WorkerBuilder,
};

/// Holds the README to what compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sendable<T: Send>(_: T) {}
    fn is_shareable<T: Send + Sync + 'static>() {}

    #[tokio::test]
    async fn what_callers_hold_may_go_to_another_thread() {
        is_shareable::<(Client, Error, InvalidArgument, Graph, Worker, TaskContext, TaskError)>();
        let client = Client::new("localhost").expect("an address");
        is_sendable(client.watch(v1::WatchEventsRequest::default()));
        is_sendable(client.logs("task"));
        is_sendable(client.upload(Graph::new("").build()).into_future());
        is_sendable(client.tasks().get_task(v1::GetTaskRequest::default()));
    }
}

//! Graphs that are too large for one call.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::stream;
use prost::Message;
use prost::bytes::Bytes;
use tokio::time::sleep;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

use crate::call::{EncodedCodec, grpc};
use crate::client::Client;
use crate::v1::{
    CreateTasksRequest, UploadTasksRequest, UploadTasksResponse, create_tasks_request, upload_tasks_request,
};
use crate::{Error, backoff, random};

const METHOD: &str = "/millpond.v1.TaskService/UploadTasks";
const PART_TASKS_MAX: usize = 5_000;
/// Well below the largest message that a server accepts by default, 16 MiB. A larger task travels alone.
const PART_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Client {
    /// Creates a graph of any size, all or none: it is sent in parts of at most 5,000 tasks and 4 MiB, and becomes visible
    /// at once when the last one has come. Await what this answers, after its options:
    ///
    /// ```no_run
    /// # async fn run(client: millpond::Client, graph: millpond::Graph) -> Result<(), millpond::Error> {
    /// let created = client.upload(graph.build()).request_id("cohort 7").await?;
    /// println!("{} tasks", created.created_count);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is repeated as a call is, with its request id. It has no deadline; the `validate_only` of the request is not
    /// looked at.
    pub fn upload(&self, graph: CreateTasksRequest) -> Upload {
        Upload { client: self.clone(), graph, part_size: PART_TASKS_MAX }
    }
}

/// An upload in the making, by [`Client::upload`].
#[derive(Debug, Clone)]
#[must_use = "an upload does nothing until it is awaited"]
pub struct Upload {
    client: Client,
    graph: CreateTasksRequest,
    part_size: usize,
}

impl Upload {
    /// Makes the upload safe to repeat for 24 hours, by this program or the next. Default: that of the request, or a new
    /// one.
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.graph.request_id = request_id.into();
        self
    }

    /// Tasks in one message at most. Default and maximum 5,000.
    pub fn part_size(mut self, tasks: usize) -> Self {
        self.part_size = tasks.clamp(1, PART_TASKS_MAX);
        self
    }

    async fn send(self) -> Result<UploadTasksResponse, Error> {
        let parts = parts_of(self.graph, self.part_size);
        for attempt in 1.. {
            let error = match upload_once(&self.client, parts.clone()).await {
                Ok(response) => return Ok(response),
                Err(status) => Error::from_status(status, self.client.address()),
            };
            let delay = (self.client.repeats() && attempt < backoff::ATTEMPTS_MAX)
                .then(|| backoff::before_repeat(&error, attempt))
                .flatten();
            match delay {
                Some(delay) => sleep(delay).await,
                None => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }
}

impl IntoFuture for Upload {
    type Output = Result<UploadTasksResponse, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

async fn upload_once(client: &Client, parts: Vec<Bytes>) -> Result<UploadTasksResponse, Status> {
    let mut grpc = grpc(client).await?;
    let request = Request::new(stream::iter(parts));
    let response = grpc.client_streaming(request, PathAndQuery::from_static(METHOD), EncodedCodec::default()).await?;
    Ok(response.into_inner())
}

/// The messages of an upload, as they travel: the first says where to, each of the others holds some tasks.
fn parts_of(graph: CreateTasksRequest, part_size: usize) -> Vec<Bytes> {
    let request_id = if graph.request_id.is_empty() { random::unique_id() } else { graph.request_id };
    let target = graph.target.map(|target| match target {
        create_tasks_request::Target::NewBatch(batch) => upload_tasks_request::Target::NewBatch(batch),
        create_tasks_request::Target::BatchId(id) => upload_tasks_request::Target::BatchId(id),
    });
    let first = UploadTasksRequest { request_id, target, tasks: Vec::new() };
    let mut parts = vec![first.encode_to_vec().into()];
    let mut part = UploadTasksRequest::default();
    let mut bytes = 0;
    for task in graph.tasks {
        let own = task.encoded_len();
        if part.tasks.len() == part_size || (!part.tasks.is_empty() && bytes + own > PART_BYTES_MAX) {
            parts.push(std::mem::take(&mut part).encode_to_vec().into());
            bytes = 0;
        }
        bytes += own;
        part.tasks.push(task);
    }
    if !part.tasks.is_empty() {
        parts.push(part.encode_to_vec().into());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, TaskSpec};
    use serde_json::Value;

    fn graph(tasks: usize, input: &str) -> CreateTasksRequest {
        let mut graph = Graph::new("large");
        for number in 0..tasks {
            let input = Value::from(input);
            graph.task(TaskSpec::new(number.to_string(), "kind").input(input)).expect("a key that is free");
        }
        graph.build()
    }

    fn decoded(parts: Vec<Bytes>) -> Vec<UploadTasksRequest> {
        parts.into_iter().map(|part| UploadTasksRequest::decode(part).expect("a part")).collect()
    }

    #[test]
    fn the_first_part_says_where_to_and_the_others_hold_the_tasks() {
        let parts = decoded(parts_of(graph(5, ""), 2));
        assert!(
            matches!(&parts[0].target, Some(upload_tasks_request::Target::NewBatch(batch)) if batch.name == "large")
        );
        assert!(!parts[0].request_id.is_empty());
        assert_eq!(parts.iter().map(|part| part.tasks.len()).collect::<Vec<_>>(), [0, 2, 2, 1]);
        assert!(parts[1..].iter().all(|part| part.request_id.is_empty() && part.target.is_none()));
    }

    #[test]
    fn parts_are_cut_at_4_mib_and_a_larger_task_travels_alone() {
        let parts = decoded(parts_of(graph(5, &"x".repeat(1_500_000)), PART_TASKS_MAX));
        assert_eq!(parts.iter().map(|part| part.tasks.len()).collect::<Vec<_>>(), [0, 2, 2, 1]);
        let parts = decoded(parts_of(graph(2, &"x".repeat(5_000_000)), PART_TASKS_MAX));
        assert_eq!(parts.iter().map(|part| part.tasks.len()).collect::<Vec<_>>(), [0, 1, 1]);
    }
}

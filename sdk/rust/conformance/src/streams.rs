//! The op `stream`: the generated clients.

use std::time::Duration;

use futures_util::stream;
use millpond::v1::task_service_client::TaskServiceClient;
use millpond::v1::worker_service_client::WorkerServiceClient;
use millpond::{Client, v1};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{Request, Streaming};

use crate::Runner;
use crate::outcome::{Failure, Outcome};
use crate::proto_json::Named;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamOp {
    client: String,
    method: String,
    requests: Vec<Value>,
    timeout_ms: Option<u64>,
}

impl Runner {
    pub async fn stream(&self, op: StreamOp) -> Outcome {
        let client = self.client(&op.client)?;
        let mut tasks = TaskServiceClient::new(client.transport());
        let mut workers = WorkerServiceClient::new(client.transport());
        let timeout = op.timeout_ms.map(Duration::from_millis);
        match op.method.as_str() {
            "millpond.v1.TaskService/UploadTasks" => {
                let requests = self.requests::<v1::UploadTasksRequest>(op.requests, timeout)?;
                let answer = tasks.upload_tasks(requests).await.map_err(|status| client.error_of(status))?;
                Ok(json!({ "responses": [self.json.write(answer.get_ref())?] }))
            }
            "millpond.v1.TaskService/StreamReports" => {
                let requests = self.requests::<v1::StreamReportsRequest>(op.requests, timeout)?;
                self.responses(&client, tasks.stream_reports(requests).await).await
            }
            "millpond.v1.TaskService/StreamCounts" => {
                let requests = self.requests::<v1::StreamCountsRequest>(op.requests, timeout)?;
                self.responses(&client, tasks.stream_counts(requests).await).await
            }
            "millpond.v1.WorkerService/Work" => {
                let requests = self.requests::<v1::WorkRequest>(op.requests, timeout)?;
                self.responses(&client, workers.work(requests).await).await
            }
            method => Err(Failure::runner(format!("no such stream: {method}"))),
        }
    }

    fn requests<M: Message + Default + Named>(
        &self,
        messages: Vec<Value>,
        timeout: Option<Duration>,
    ) -> Result<Request<stream::Iter<std::vec::IntoIter<M>>>, Failure> {
        let messages: Vec<M> = messages.into_iter().map(|json| self.json.read(json)).collect::<Result<_, _>>()?;
        let mut request = Request::new(stream::iter(messages));
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        Ok(request)
    }

    async fn responses<M: Message + Named>(
        &self,
        client: &Client,
        answer: Result<tonic::Response<Streaming<M>>, tonic::Status>,
    ) -> Outcome {
        let mut stream = answer.map_err(|status| client.error_of(status))?.into_inner();
        let mut responses = Vec::new();
        while let Some(response) = stream.message().await.map_err(|status| client.error_of(status))? {
            responses.push(self.json.write(&response)?);
        }
        Ok(json!({ "responses": responses }))
    }
}

//! The ops `call` and `cancel`.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use millpond::{Client, UnaryRequest, v1};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tonic::Request;

use crate::outcome::{Failure, Outcome};
use crate::proto_json::Named;
use crate::{Runner, lock};

/// The calls under way that have a name: who cancels one sends to it.
pub type Calls = Mutex<HashMap<String, oneshot::Sender<()>>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    client: String,
    method: String,
    #[serde(default)]
    request: Value,
    timeout_ms: Option<u64>,
    call: Option<String>,
}

#[derive(Deserialize)]
pub struct CallName {
    call: String,
}

impl Runner {
    pub async fn call(&self, call: Call) -> Outcome {
        let client = self.client(&call.client)?;
        let Some(name) = call.call.clone() else {
            return self.unary(&client, call).await;
        };
        let (cancel, canceled) = oneshot::channel();
        lock(&self.calls).insert(name.clone(), cancel);
        let outcome = tokio::select! {
            outcome = self.unary(&client, call) => outcome,
            Ok(()) = canceled => Err(Failure::Canceled),
        };
        lock(&self.calls).remove(&name);
        outcome
    }

    pub fn cancel(&self, name: &CallName) -> Outcome {
        if let Some(cancel) = lock(&self.calls).remove(&name.call) {
            // It may just have ended.
            let _ = cancel.send(());
        }
        Ok(json!({}))
    }

    async fn unary(&self, client: &Client, call: Call) -> Outcome {
        macro_rules! among {
            ($($request:ident)*) => {
                $(if call.method == v1::$request::METHOD[1..] {
                    return self.typed::<v1::$request>(client, call).await;
                })*
            };
        }
        among! {
            CreateTasksRequest GetTaskRequest ListTasksRequest UpdateTaskRequest ReportTasksRequest AddCountsRequest
            CancelTasksRequest PauseTasksRequest ResumeTasksRequest RetryTasksRequest ExplainTaskRequest
            GetBatchRequest ListBatchesRequest SealBatchRequest StopBatchRequest PauseBatchRequest ResumeBatchRequest
            RetryBatchRequest UpdateBatchRulesRequest GetBatchGraphRequest ListRuleUsageRequest
            ListEventsRequest
            ClaimTasksRequest ExtendLeasesRequest AppendLogsRequest ListLogsRequest ListWorkersRequest
            ListDeliveriesRequest ReplayDeliveriesRequest
        }
        Err(Failure::runner(format!("no such unary method: {}", call.method)))
    }

    async fn typed<R>(&self, client: &Client, call: Call) -> Outcome
    where
        R: UnaryRequest<Response: Named> + Named + Default,
    {
        let message = if call.request.is_null() { json!({}) } else { call.request };
        let mut request = Request::new(self.json.read::<R>(message)?);
        if let Some(timeout) = call.timeout_ms {
            request.set_timeout(Duration::from_millis(timeout));
        }
        let response = client.call::<R>(request).await?;
        Ok(json!({ "response": self.json.write(&response)? }))
    }
}

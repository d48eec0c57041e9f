//! What handlers do.

use std::collections::HashMap;
use std::future::pending;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, FusedFuture};
use millpond::v1::LogLevel;
use millpond::{CancelReason, IntoOutput, Json, TaskContext, TaskError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::graphs::given;
use crate::workers::Seen;

type Output = Result<Option<Value>, TaskError>;

/// What a handler does.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    Echo,
    Return {
        value: Value,
    },
    Nothing,
    Parents,
    Fail {
        message: String,
        code: Option<String>,
        #[serde(default, deserialize_with = "given")]
        details: Option<Value>,
        retry_delay_ms: Option<u64>,
        #[serde(default)]
        non_retryable: bool,
    },
    Throw {
        message: String,
    },
    Panic {
        message: String,
    },
    Unencodable,
    Sleep {
        ms: u64,
    },
    Hold,
    Hang,
    Log {
        lines: Vec<Line>,
    },
    Count {
        success: String,
        failure: String,
    },
    Heartbeat {
        progress: Value,
    },
    Attempts {
        attempts: Vec<Action>,
    },
}

#[derive(Deserialize)]
pub struct Line {
    level: String,
    message: String,
}

/// Does it, and notes what is seen of it.
pub async fn watch(context: TaskContext, action: Arc<Action>, seen: Arc<Seen>) -> Output {
    let input = context.task().input.clone().map(millpond::json::from_proto);
    seen.note(&context, "started", input.map(|input| ("input", input)));
    let mut work = AssertUnwindSafe(perform(&context, &action, &seen)).catch_unwind();
    let canceled = context.canceled().fuse();
    tokio::pin!(canceled);
    let outcome = loop {
        tokio::select! {
            biased;
            canceled = &mut canceled, if !canceled.is_terminated() => {
                let reason = match canceled.reason() {
                    CancelReason::CancelRequested => "CANCEL_REQUESTED",
                    CancelReason::LeaseLost => "LEASE_LOST",
                    CancelReason::WorkerStopped => "WORKER_STOPPED",
                };
                seen.note(&context, "aborted", Some(("reason", json!(reason))));
            }
            outcome = &mut work => break outcome,
        }
    };
    seen.note(&context, "ended", None);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

fn perform<'a>(context: &'a TaskContext, action: &'a Action, seen: &'a Seen) -> BoxFuture<'a, Output> {
    async move {
        match action {
            Action::Echo => {}
            Action::Return { value } => return Ok(Some(value.clone())),
            Action::Nothing => return Ok(None),
            Action::Parents => return Ok(Some(parents(context))),
            Action::Fail { .. } => return Err(failure(action)),
            Action::Throw { message } => return Err(std::io::Error::other(message.clone()).into()),
            Action::Panic { message } => panic!("{message}"),
            Action::Unencodable => return Json(HashMap::from([((1, 2), 3)])).into_output(),
            Action::Sleep { ms } => context.unless_canceled(sleep(Duration::from_millis(*ms))).await?,
            Action::Hold => context.unless_canceled(seen.released()).await?,
            Action::Hang => pending().await,
            Action::Log { lines } => {
                lines.iter().for_each(|line| context.log(level(&line.level), &line.message));
                return Ok(None);
            }
            Action::Count { success, failure } => {
                context.count(success.parse()?, failure.parse()?);
                return Ok(None);
            }
            Action::Heartbeat { progress } => {
                context.heartbeat(Some(progress.clone())).await;
                context.unless_canceled(seen.released()).await?;
            }
            Action::Attempts { attempts } => {
                let place = usize::try_from(context.attempt() - 1)?.min(attempts.len() - 1);
                return perform(context, &attempts[place], seen).await;
            }
        }
        Ok(context.task().input.clone().map(millpond::json::from_proto))
    }
    .boxed()
}

fn parents(context: &TaskContext) -> Value {
    let parents = context.parents().into_iter().map(|(key, parent)| {
        let mut json = json!({ "status": parent.status.to_string() });
        if let Some(output) = parent.output {
            json["output"] = output;
        }
        (key, json)
    });
    Value::Object(parents.collect::<Map<_, _>>())
}

fn failure(action: &Action) -> TaskError {
    let Action::Fail { message, code, details, retry_delay_ms, non_retryable } = action else {
        unreachable!("it fails");
    };
    let mut error = TaskError::new(message).code(code.clone().unwrap_or_default());
    if let Some(details) = details {
        error = error.details(details.clone());
    }
    if let Some(millis) = retry_delay_ms {
        error = error.retry_delay(Duration::from_millis(*millis));
    }
    if *non_retryable { error.non_retryable() } else { error }
}

fn level(name: &str) -> LogLevel {
    LogLevel::from_str_name(&format!("LOG_LEVEL_{name}")).unwrap_or_default()
}

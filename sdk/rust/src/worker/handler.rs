//! Handlers of any type as one.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::context::TaskContext;
use super::output::IntoOutput;
use super::task_error::TaskError;

/// What a handler comes to: an output or none, or a failure.
pub(super) type Outcome = Result<Option<Value>, TaskError>;

/// A handler of a kind of task.
pub(super) type Handler = Arc<dyn Fn(TaskContext) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// Makes a handler of what a caller gives.
pub(super) fn handler<H, F, O>(handle: H) -> Handler
where
    H: Fn(TaskContext) -> F + Send + Sync + 'static,
    F: Future<Output = Result<O, TaskError>> + Send + 'static,
    O: IntoOutput,
{
    Arc::new(move |context| {
        let outcome = handle(context);
        async move { outcome.await?.into_output() }.boxed()
    })
}

/// Runs a handler to its end. A panic is a failure like any other; the panic hook of the process has told of it.
pub(super) async fn run(handler: &Handler, context: TaskContext) -> Outcome {
    // What panics is dropped whole, and nothing else sees what it leaves behind.
    let outcome = AssertUnwindSafe(async { handler(context).await }).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(TaskError::new(panic_text(&*panic))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("the handler panicked").to_owned()
}

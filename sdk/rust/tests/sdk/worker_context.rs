use crate::fake_server::{FakeServer, within};
use crate::worker::{REPORT, assign, credit, reported, taken, welcomed};
use futures_util::FutureExt;
use millpond::v1::*;
use millpond::{TaskContext, TaskError, Worker, WorkerBuilder};
use serde_json::json;
use tokio::sync::mpsc;

/// A worker whose handler hands its context out, and tells of the attempt of "b".
fn handing_out(server: &FakeServer) -> (WorkerBuilder, mpsc::UnboundedReceiver<TaskContext>) {
    let (contexts, handed_out) = mpsc::unbounded_channel();
    let builder = Worker::builder(server.client()).worker_id("worker").handle("kind", move |context: TaskContext| {
        let contexts = contexts.clone();
        async move {
            if context.task().task_id == "b" {
                context.log(LogLevel::Info, "in time");
                context.count(1, 0);
            }
            contexts.send(context).map_err(|_| TaskError::new("the test is over"))
        }
    });
    (builder, handed_out)
}

#[tokio::test]
async fn a_context_that_outlives_its_handler_tells_nothing_any_more() {
    let server = FakeServer::start().await;
    let (builder, mut contexts) = handing_out(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a"]);
    let context = within(contexts.recv()).await.expect("a context");
    assert_eq!(reported(&server).await, ["a"]);
    context.log(LogLevel::Info, "too late");
    context.count(1, 0);
    // Nobody would answer it.
    within(context.heartbeat(Some(json!(100)))).await;

    assign(&call, &["b"]);
    let counts = server.answer("TaskService/AddCounts", |_: &AddCountsRequest| Ok(AddCountsResponse::default())).await;
    assert_eq!(counts.counts, [CountDelta { task_id: "b".into(), success: 1, failure: 0 }]);
    let logs = server.answer("WorkerService/AppendLogs", |_: &AppendLogsRequest| Ok(AppendLogsResponse::default()));
    assert_eq!(logs.await.task_id, "b");
    assert_eq!(reported(&server).await, ["b"]);
    drop(call);
    within(worker.stop()).await;
}

#[tokio::test]
async fn heartbeats_that_nobody_waits_for_do_not_pile_up() {
    let server = FakeServer::start().await;
    let worker =
        Worker::builder(server.client()).worker_id("worker").handle("kind", |context: TaskContext| async move {
            for percent in 0..3 {
                // Its answer is not waited for.
                assert!(context.heartbeat(Some(json!(percent))).now_or_never().is_none());
            }
            Ok(())
        });
    let worker = worker.start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a"]);
    let mut reports = Vec::new();
    while reports.last().is_none_or(|report| !matches!(report, Some(task_report::Report::Success(_)))) {
        let request = server.answer(REPORT, taken).await;
        reports.extend(request.reports.into_iter().map(|report| report.report));
    }
    assert_eq!(reports.len(), 2, "{reports:?}");
    drop(call);
    within(worker.stop()).await;
}

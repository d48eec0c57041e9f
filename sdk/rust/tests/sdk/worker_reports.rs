use crate::fake_server::{FakeServer, within};
use crate::refusal;
use crate::worker::{REPORT, assign, credit, holding, noted, reported, taken, welcomed};
use millpond::v1::task_report::{Failure, Report};
use millpond::v1::*;
use millpond::{Json, TaskContext, TaskError, Worker};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tonic::{Code, Status};

/// Runs a task by a handler, and answers its reports until the closing one, which it returns.
async fn outcome<H, F, O>(handler: H) -> Report
where
    H: Fn(TaskContext) -> F + Send + Sync + 'static,
    F: Future<Output = Result<O, TaskError>> + Send + 'static,
    O: millpond::IntoOutput,
{
    let server = FakeServer::start().await;
    let worker =
        Worker::builder(server.client()).worker_id("worker").handle("kind", handler).start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a"]);
    let request = server.answer(REPORT, taken).await;
    drop(call);
    worker.stop().await;
    request.reports[0].report.clone().expect("a report")
}

fn failure_of(report: Report) -> Failure {
    match report {
        Report::Failure(failure) => failure,
        report => panic!("a failure, not {report:?}"),
    }
}

#[tokio::test]
async fn what_a_handler_returns_is_the_output() {
    let report = outcome(|context: TaskContext| async move {
        let input: HashMap<String, String> = context.input()?;
        Ok(Json(input))
    });
    let Report::Success(success) = report.await else { panic!("a success") };
    assert_eq!(success.output.map(millpond::json::from_proto), Some(json!({ "of": "a" })));
    let Report::Success(success) = outcome(|_| async { Ok(()) }).await else { panic!("a success") };
    assert_eq!(success.output, None);
}

#[tokio::test]
async fn an_input_of_another_type_fails_the_attempt_and_says_so() {
    let report = outcome(|context: TaskContext| async move {
        let number: u32 = context.input()?;
        Ok(json!(number))
    });
    let failure = failure_of(report.await);
    assert!(failure.message.starts_with("the input is not what the handler takes: "), "{}", failure.message);
}

#[tokio::test]
async fn a_panic_is_a_failure_like_any_other_wherever_it_happens() {
    let within_future = outcome(|_| async {
        if true {
            panic!("broke {}", "badly");
        }
        Ok(())
    });
    assert_eq!(failure_of(within_future.await).message, "broke badly");
    let before_future = outcome(|context: TaskContext| {
        assert!(context.attempt() == 0, "broke early");
        async { Ok(()) }
    });
    assert_eq!(failure_of(before_future.await).message, "broke early");
}

#[tokio::test]
async fn an_output_that_cannot_be_json_fails_for_good() {
    let failure = failure_of(outcome(|_| async { Ok(Json(HashMap::from([((1, 2), 3)]))) }).await);
    assert_eq!((failure.code.as_str(), failure.non_retryable), ("OUTPUT_NOT_JSON", true));
}

#[tokio::test]
async fn what_becomes_due_while_a_report_is_in_flight_goes_together_into_the_next_call() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.slots(3).start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 3);
    assign(&call, &["a", "b", "c"]);
    for _ in 0..3 {
        noted(&mut notes).await;
    }
    gate.add_permits(1);
    let mut first = server.take::<ReportTasksRequest, ReportTasksResponse>(REPORT).await;
    let request = first.next().await;
    assert_eq!(request.reports.len(), 1);
    gate.add_permits(2);
    // Both are through: their slots are free.
    let mut free = 0;
    while free < 3 {
        free += credit(&mut call).await;
    }
    first.send(taken(&request).expect("an answer"));
    drop(first);
    assert_eq!(reported(&server).await.len(), 2);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn reports_are_sent_again_while_the_server_is_away_and_the_listener_is_told() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let errors = Arc::new(Mutex::new(Vec::new()));
    let listener = errors.clone();
    let builder = builder.on_error(move |error| {
        listener.lock().expect("whole").push(error.code());
        panic!("a listener that panics harms nothing");
    });
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a"]);
    noted(&mut notes).await;
    gate.add_permits(1);
    // One call of the client, and one more.
    for _ in 0..6 {
        server
            .answer(REPORT, |_: &ReportTasksRequest| Err::<ReportTasksResponse, _>(Status::unavailable("away")))
            .await;
    }
    assert_eq!(reported(&server).await, ["a"]);
    assert_eq!(*errors.lock().expect("whole"), [Code::Unavailable]);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn a_report_that_is_refused_alone_does_not_stop_others() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.slots(3).start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 3);
    assign(&call, &["a", "b", "c"]);
    for _ in 0..3 {
        noted(&mut notes).await;
    }
    gate.add_permits(1);
    let mut first = server.take::<ReportTasksRequest, ReportTasksResponse>(REPORT).await;
    let request = first.next().await;
    gate.add_permits(2);
    let mut free = 0;
    while free < 3 {
        free += credit(&mut call).await;
    }
    first.send(taken(&request).expect("an answer"));
    drop(first);

    // The call is refused as a whole, then the first of its reports alone.
    let refuse = |_: &ReportTasksRequest| {
        Err::<ReportTasksResponse, _>(refusal(Code::ResourceExhausted, ErrorReason::LimitExceeded))
    };
    let refused = server.answer(REPORT, refuse).await;
    assert_eq!(refused.reports.len(), 2);
    let alone = server.answer(REPORT, refuse).await;
    assert_eq!(alone.reports, refused.reports[..1]);
    let other = server.answer(REPORT, taken).await;
    assert_eq!(other.reports, refused.reports[1..]);
    let instead = server.answer(REPORT, taken).await;
    assert_eq!(instead.reports[0].task_id, alone.reports[0].task_id);
    let failure = failure_of(instead.reports[0].report.clone().expect("a report"));
    assert_eq!((failure.code.as_str(), failure.non_retryable), ("OUTPUT_REFUSED", true));
    drop(call);
    within(worker.stop()).await;
}

#[tokio::test]
async fn a_refusal_of_who_reports_makes_no_failure_of_a_success() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a"]);
    noted(&mut notes).await;
    gate.add_permits(1);
    server
        .answer(REPORT, |_: &ReportTasksRequest| {
            Err::<ReportTasksResponse, _>(refusal(Code::Unauthenticated, ErrorReason::Unauthenticated))
        })
        .await;
    drop(call);
    // Nothing more is reported for it: nobody would answer.
    within(worker.stop()).await;
    assert_eq!(worker.running(), 0);
}

#[tokio::test]
async fn a_lease_that_is_lost_while_the_report_is_on_its_way_ends_the_attempt() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a"]);
    noted(&mut notes).await;
    gate.add_permits(1);
    let mut report = server.take::<ReportTasksRequest, ReportTasksResponse>(REPORT).await;
    report.next().await;
    let lease = Some(LeaseRef { task_id: "a".into(), attempt: 1 });
    crate::worker::say(&call, work_response::Message::LeaseLost(LeaseLost { lease }));
    let error = ItemError { reason: ErrorReason::StaleAttempt.into(), ..ItemError::default() };
    let result = ReportResult { result: Some(report_result::Result::Error(error)), cancel_requested: false };
    report.send(ReportTasksResponse { results: vec![result] });
    drop((report, call));
    within(worker.stop()).await;
    assert_eq!(worker.running(), 0);
}

/// Tells of its attempt all that can be told, unless it is that of "b".
async fn tell(context: TaskContext) -> Result<(), TaskError> {
    if context.task().task_id == "b" {
        return Ok(());
    }
    context.log(LogLevel::Info, "one");
    context.log(LogLevel::Warn, "two");
    context.count(3, 5);
    context.heartbeat(Some(json!(40))).await;
    Ok(())
}

#[tokio::test]
async fn what_was_told_of_an_attempt_is_in_before_its_closing_report() {
    let server = FakeServer::start().await;
    let builder = Worker::builder(server.client()).worker_id("worker").handle("kind", tell);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a"]);
    let heartbeat = server.answer(REPORT, taken).await;
    let progress = match heartbeat.reports[0].report.clone() {
        Some(Report::Heartbeat(heartbeat)) => heartbeat.progress.map(millpond::json::from_proto),
        report => panic!("a heartbeat, not {report:?}"),
    };
    assert_eq!(progress, Some(json!(40)));
    let log =
        server.answer("WorkerService/AppendLogs", |_: &AppendLogsRequest| Ok(AppendLogsResponse::default())).await;
    let lines: Vec<(LogLevel, &str)> = log.entries.iter().map(|line| (line.level(), line.message.as_str())).collect();
    assert_eq!(lines, [(LogLevel::Info, "one"), (LogLevel::Warn, "two")]);
    assert!(!log.request_id.is_empty());

    let mut counts = server.take::<AddCountsRequest, AddCountsResponse>("TaskService/AddCounts").await;
    let request = counts.next().await;
    assert_eq!(request.counts, [CountDelta { task_id: "a".into(), success: 3, failure: 5 }]);
    assert!(!request.request_id.is_empty());
    // The report of another attempt goes before, as long as the counts are not in.
    assign(&call, &["b"]);
    assert_eq!(reported(&server).await, ["b"]);
    counts.send(AddCountsResponse::default());
    drop(counts);
    assert_eq!(reported(&server).await, ["a"]);
    drop(call);
    worker.stop().await;
}

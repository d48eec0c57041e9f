use crate::fake_server::{Exchange, FakeServer, within};
use crate::refusal;
use millpond::v1::work_request::Message as Request;
use millpond::v1::work_response::Message as Response;
use millpond::v1::*;
use millpond::{CancelReason, TaskContext, TaskError, Worker, WorkerBuilder};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tonic::{Code, Status};

pub type Work = Exchange<WorkRequest, WorkResponse>;

pub const WORK: &str = "WorkerService/Work";
pub const CLAIM: &str = "WorkerService/ClaimTasks";
pub const REPORT: &str = "TaskService/ReportTasks";

/// A worker of two slots whose handler holds until it is let go, and says what becomes of it.
pub fn holding(server: &FakeServer) -> (WorkerBuilder, Arc<Semaphore>, mpsc::UnboundedReceiver<String>) {
    let (gate, (notes, noted)) = (Arc::new(Semaphore::new(0)), mpsc::unbounded_channel());
    let held = gate.clone();
    let builder = Worker::builder(server.client())
        .slots(2)
        .worker_id("worker")
        .handle("kind", move |context| hold(context, held.clone(), notes.clone()));
    (builder, gate, noted)
}

async fn hold(
    context: TaskContext,
    gate: Arc<Semaphore>,
    notes: mpsc::UnboundedSender<String>,
) -> Result<(), TaskError> {
    let note = |what: &str| notes.send(format!("{} {what}", context.task().task_id)).expect("the test reads");
    note("began");
    match context.unless_canceled(gate.acquire()).await {
        Ok(permit) => permit?.forget(),
        Err(canceled) => {
            note(match canceled.reason() {
                CancelReason::CancelRequested => "was canceled",
                CancelReason::LeaseLost => "was lost",
                CancelReason::WorkerStopped => "was stopped",
            });
            return Err(canceled.into());
        }
    }
    Ok(())
}

pub async fn noted(notes: &mut mpsc::UnboundedReceiver<String>) -> String {
    within(notes.recv()).await.expect("a note")
}

pub fn assignment(task_id: &str) -> Assignment {
    let input = Some(millpond::json::to_proto(json!({ "of": task_id })));
    let task = Task { task_id: task_id.into(), kind: "kind".into(), input, ..Task::default() };
    Assignment { task: Some(task), attempt: 1, ..Assignment::default() }
}

pub fn assign(call: &Work, task_ids: &[&str]) {
    let assignments = task_ids.iter().map(|task_id| assignment(task_id)).collect();
    say(call, Response::Assignments(AssignmentList { assignments }));
}

pub fn say(call: &Work, message: Response) {
    call.send(WorkResponse { message: Some(message) });
}

pub fn welcome(call: &Work, heartbeat_interval: Duration) {
    let duration = |duration: Duration| prost_types::Duration::try_from(duration).ok();
    let (heartbeat_interval, lease) = (duration(heartbeat_interval), duration(Duration::from_secs(60)));
    say(call, Response::Welcome(WorkerWelcome { heartbeat_interval, lease }));
}

/// Takes the worker's stream, and welcomes it.
pub async fn welcomed(server: &FakeServer) -> Work {
    let mut call = server.take(WORK).await;
    assert!(matches!(next(&mut call).await, Request::Hello(hello) if hello.worker_id == "worker"));
    welcome(&call, Duration::from_secs(60));
    call
}

async fn next(call: &mut Work) -> Request {
    call.next().await.message.expect("a message")
}

/// The next credit; whatever else the worker says is passed over.
pub async fn credit(call: &mut Work) -> i32 {
    loop {
        if let Request::Credit(credit) = next(call).await {
            return credit.tasks;
        }
    }
}

/// The next heartbeat that names an attempt.
pub async fn heartbeat(call: &mut Work) -> Vec<String> {
    loop {
        match next(call).await {
            Request::Heartbeat(heartbeat) if !heartbeat.leases.is_empty() => {
                return heartbeat.leases.into_iter().map(|lease| lease.task_id).collect();
            }
            _ => {}
        }
    }
}

/// Takes the next call of reports and all of them, and tells of which tasks they are.
pub async fn reported(server: &FakeServer) -> Vec<String> {
    let request = server.answer(REPORT, taken).await;
    assert!(request.brief);
    request.reports.into_iter().map(|report| report.task_id).collect()
}

pub fn taken(request: &ReportTasksRequest) -> Result<ReportTasksResponse, Status> {
    let result = ReportResult { result: Some(report_result::Result::Task(Task::default())), cancel_requested: false };
    Ok(ReportTasksResponse { results: vec![result; request.reports.len()] })
}

#[tokio::test]
async fn credit_is_given_for_free_slots_and_never_for_more() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a", "b"]);
    assert_eq!([noted(&mut notes).await, noted(&mut notes).await].len(), 2);
    gate.add_permits(1);
    // The slot is free though the report is not answered yet.
    assert_eq!(credit(&mut call).await, 1);
    assign(&call, &["c"]);
    assert_eq!(noted(&mut notes).await, "c began");
    gate.add_permits(2);
    let mut tasks = Vec::new();
    while tasks.len() < 3 {
        tasks.extend(reported(&server).await);
    }
    tasks.sort();
    assert_eq!(tasks, ["a", "b", "c"]);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn an_attempt_that_is_canceled_or_lost_is_told_so_and_nothing_is_reported_for_it() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a", "b"]);
    assert_eq!([noted(&mut notes).await, noted(&mut notes).await].len(), 2);
    say(&call, Response::Cancel(CancelAttempt { task_id: "a".into(), attempt: 1, reason: "not needed".into() }));
    assert_eq!(noted(&mut notes).await, "a was canceled");
    assert_eq!(credit(&mut call).await, 1);
    let lease = Some(LeaseRef { task_id: "b".into(), attempt: 1 });
    say(&call, Response::LeaseLost(LeaseLost { lease }));
    assert_eq!(noted(&mut notes).await, "b was lost");
    assert_eq!(credit(&mut call).await, 1);
    assign(&call, &["c"]);
    assert_eq!(noted(&mut notes).await, "c began");
    gate.add_permits(1);
    assert_eq!(reported(&server).await, ["c"]);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn a_stream_is_made_anew_with_what_is_under_way() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a"]);
    assert_eq!(noted(&mut notes).await, "a began");
    server.disconnect();
    let mut call = welcomed(&server).await;
    // One of its two slots is taken.
    let (named, given) = named_and_given(&mut call).await;
    assert_eq!((named, given), (vec!["a".to_owned()], 1));
    gate.add_permits(1);
    assert_eq!(reported(&server).await, ["a"]);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_made_anew_by_another_connection() {
    let server = FakeServer::start().await;
    let (builder, _gate, _notes) = holding(&server);
    let worker = builder.silence_max(Duration::from_millis(500)).start().expect("a worker");
    let _silent = welcomed(&server).await;
    let call = welcomed(&server).await;
    assert!(server.connections() > 1);
    drop(call);
    worker.stop().await;
}

/// What the first heartbeat names, and the first credit, in whatever order they come.
async fn named_and_given(call: &mut Work) -> (Vec<String>, i32) {
    let (mut named, mut given) = (None, None);
    while named.is_none() || given.is_none() {
        match next(call).await {
            Request::Heartbeat(heartbeat) => {
                named.get_or_insert(heartbeat.leases.into_iter().map(|lease| lease.task_id).collect());
            }
            Request::Credit(credit) => _ = given.get_or_insert(credit.tasks),
            other => panic!("{other:?}"),
        }
    }
    (named.expect("a heartbeat"), given.expect("a credit"))
}

#[tokio::test]
async fn heartbeats_come_at_the_servers_interval() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = server.take(WORK).await;
    welcome(&call, Duration::from_millis(20));
    assign(&call, &["a"]);
    assert_eq!(noted(&mut notes).await, "a began");
    for _ in 0..3 {
        assert_eq!(heartbeat(&mut call).await, ["a"]);
    }
    gate.add_permits(1);
    assert_eq!(reported(&server).await, ["a"]);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn where_no_stream_passes_tasks_are_claimed_and_no_slot_is_filled_twice_when_one_does() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.stream_retry(Duration::from_millis(20)).start().expect("a worker");
    server.take::<WorkRequest, WorkResponse>(WORK).await.fail(Status::unimplemented("an older server"));
    let mut claim = server.take::<ClaimTasksRequest, ClaimTasksResponse>(CLAIM).await;
    assert_eq!(claim.next().await.max_tasks, 2);
    // A stream passes, while the claim may still fill both slots.
    let mut call = welcomed(&server).await;
    claim.send(ClaimTasksResponse { assignments: vec![assignment("a")] });
    drop(claim);
    assert_eq!(noted(&mut notes).await, "a began");
    assert_eq!(credit(&mut call).await, 1);
    gate.add_permits(1);
    assert_eq!(reported(&server).await, ["a"]);
    drop(call);
    worker.stop().await;
}

#[tokio::test]
async fn by_calls_leases_are_extended_and_what_the_server_says_of_them_is_told() {
    let server = FakeServer::start().await;
    let (builder, _gate, mut notes) = holding(&server);
    let worker = builder.stream(false).lease(Duration::from_secs(4)).start().expect("a worker");
    server
        .answer(CLAIM, |request: &ClaimTasksRequest| {
            assert_eq!((request.worker_id.as_str(), request.kinds.as_slice()), ("worker", &["kind".to_owned()][..]));
            Ok(ClaimTasksResponse { assignments: vec![assignment("a"), assignment("b")] })
        })
        .await;
    assert_eq!([noted(&mut notes).await, noted(&mut notes).await].len(), 2);
    let error = ItemError { reason: ErrorReason::StaleAttempt.into(), ..ItemError::default() };
    server
        .answer("WorkerService/ExtendLeases", |request: &ExtendLeasesRequest| {
            let results = request.leases.iter().map(|lease| LeaseResult {
                cancel_requested: lease.task_id == "a",
                result: Some(lease_result::Result::Error(error.clone())),
                ..LeaseResult::default()
            });
            Ok(ExtendLeasesResponse { results: results.collect() })
        })
        .await;
    let mut ends = [noted(&mut notes).await, noted(&mut notes).await];
    ends.sort();
    assert_eq!(ends, ["a was canceled", "b was lost"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_lease_that_may_have_run_out_is_lost() {
    let server = FakeServer::start().await;
    let (builder, _gate, mut notes) = holding(&server);
    let worker = builder.stream(false).lease(Duration::from_millis(200)).start().expect("a worker");
    server.answer(CLAIM, |_: &ClaimTasksRequest| Ok(ClaimTasksResponse { assignments: vec![assignment("a")] })).await;
    assert_eq!(noted(&mut notes).await, "a began");
    // Nobody answers the extensions.
    assert_eq!(noted(&mut notes).await, "a was lost");
    worker.stop().await;
}

#[tokio::test]
async fn what_the_server_refuses_for_good_ends_the_worker_with_the_error() {
    let server = FakeServer::start().await;
    let (builder, _gate, _notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let refused = refusal(Code::Unauthenticated, ErrorReason::Unauthenticated);
    server.take::<WorkRequest, WorkResponse>(WORK).await.fail(refused);
    let error = within(worker.wait()).await.expect_err("it ends with the error");
    assert_eq!(error.reason(), ErrorReason::Unauthenticated);
    within(worker.stop()).await;
}

#[tokio::test]
async fn a_worker_without_slots_or_handlers_is_refused() {
    let server = FakeServer::start().await;
    for slots in [0, 10_001] {
        let refusal = holding(&server).0.slots(slots).start().expect_err("no such number of slots");
        assert_eq!(refusal.to_string(), format!("slots is {slots}; a worker has from 1 to 10000"));
    }
    let refusal = Worker::builder(server.client()).start().expect_err("no handler");
    assert!(refusal.to_string().contains("no handler"));
}

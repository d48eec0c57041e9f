use crate::fake_server::{FakeServer, within};
use crate::worker::{REPORT, Work, assign, credit, holding, noted, reported, taken, welcomed};
use millpond::v1::task_report::Report;
use millpond::v1::work_request::Message as Request;
use millpond::{Client, TaskContext, Worker};
use std::sync::Arc;
use std::time::Duration;

/// Waits until the worker has said that it takes no more.
async fn drained(call: &mut Work) {
    while !matches!(call.next().await.message, Some(Request::Drain(_))) {}
}

#[tokio::test]
async fn a_worker_that_stops_takes_no_more_finishes_what_it_has_and_what_was_on_its_way() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a"]);
    assert_eq!(noted(&mut notes).await, "a began");
    let script = async {
        drained(&mut call).await;
        assign(&call, &["b"]);
        assert_eq!(noted(&mut notes).await, "b began");
        gate.add_permits(2);
        let mut tasks = reported(&server).await;
        if tasks.len() < 2 {
            tasks.extend(reported(&server).await);
        }
        // The worker closes its side, and the server the other.
        while call.try_next().await.is_some() {}
        drop(call);
    };
    within(async { tokio::join!(worker.stop(), script) }).await;
    assert_eq!(worker.running(), 0);
    worker.wait().await.expect("it was stopped");
}

#[tokio::test]
async fn what_the_server_had_assigned_when_the_worker_closed_its_side_is_done() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    let script = async {
        while call.try_next().await.is_some() {}
        assign(&call, &["late"]);
        drop(call);
        assert_eq!(noted(&mut notes).await, "late began");
        gate.add_permits(1);
        assert_eq!(reported(&server).await, ["late"]);
    };
    within(async { tokio::join!(worker.stop(), script) }).await;
}

#[tokio::test]
async fn a_handler_that_outlasts_the_grace_is_told_to_stop_and_what_it_comes_to_is_reported() {
    let server = FakeServer::start().await;
    let (builder, _gate, mut notes) = holding(&server);
    let worker = builder.stop_grace(Duration::from_millis(10)).start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a"]);
    assert_eq!(noted(&mut notes).await, "a began");
    let script = async {
        assert_eq!(noted(&mut notes).await, "a was stopped");
        let request = server.answer(REPORT, taken).await;
        drop(call);
        request.reports[0].report.clone()
    };
    let ((), report) = within(async { tokio::join!(worker.stop(), script) }).await;
    let Some(Report::Failure(failure)) = report else { panic!("a failure, not {report:?}") };
    assert_eq!(failure.code, "WORKER_STOPPED");
}

#[tokio::test]
async fn a_worker_stops_though_a_handler_never_returns_and_drops_it() {
    let server = FakeServer::start().await;
    let (held, (began, mut begun)) = (Arc::new(()), tokio::sync::mpsc::unbounded_channel());
    let inner = held.clone();
    let builder = Worker::builder(server.client()).worker_id("worker").stop_grace(Duration::from_millis(10));
    let handler = move |_: TaskContext| {
        let (held, began) = (inner.clone(), began.clone());
        async move {
            began.send(()).expect("the test reads");
            std::future::pending::<()>().await;
            drop(held);
            Ok(())
        }
    };
    let worker = builder.handle("kind", handler).start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a"]);
    within(begun.recv()).await.expect("it has begun");
    drop(call);
    within(worker.stop()).await;
    drop(worker);
    within(async {
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_worker_stops_while_it_connects_to_a_server_that_says_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = Client::new(format!("http://{}", listener.local_addr().expect("an address"))).expect("an address");
    let worker = Worker::builder(client).handle("kind", |_| async { Ok(()) }).start().expect("a worker");
    let (_socket, _) = within(listener.accept()).await.expect("a connection");
    within(worker.stop()).await;
    worker.wait().await.expect("it was stopped");
}

#[tokio::test]
async fn a_worker_whose_last_handle_is_dropped_stops() {
    let server = FakeServer::start().await;
    let (builder, _gate, _notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    drop(worker);
    while call.try_next().await.is_some() {}
}

#[tokio::test]
async fn nothing_is_left_running_once_a_worker_has_stopped() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    credit(&mut call).await;
    assign(&call, &["a", "b"]);
    noted(&mut notes).await;
    noted(&mut notes).await;
    gate.add_permits(2);
    let mut tasks = reported(&server).await;
    if tasks.len() < 2 {
        tasks.extend(reported(&server).await);
    }
    drop(call);
    within(worker.stop()).await;
    drop((worker, server));
    let metrics = tokio::runtime::Handle::current().metrics();
    within(async {
        while metrics.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

use crate::fake_server::{FakeServer, within};
use crate::worker::{WORK, Work, assign, credit, heartbeat, holding, noted, say, welcome, welcomed};
use millpond::v1::work_response::Message as Response;
use millpond::v1::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::{Code, Status};

#[tokio::test]
async fn a_stream_is_not_kept_waiting_for_its_heartbeat_by_an_extension_that_hangs() {
    let server = FakeServer::start().await;
    let (builder, gate, mut notes) = holding(&server);
    let errors = Arc::new(Mutex::new(Vec::new()));
    let listener = errors.clone();
    let builder =
        builder.lease(Duration::from_secs(4)).on_error(move |error| listener.lock().expect("whole").push(error.code()));
    let worker = builder.start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    assign(&call, &["a"]);
    assert_eq!(noted(&mut notes).await, "a began");
    call.fail(Status::unavailable("it is gone"));
    let mut call: Work = server.take(WORK).await;
    // While there is no stream, leases are extended by a call, which nobody answers.
    let _hangs = server.take::<ExtendLeasesRequest, ExtendLeasesResponse>("WorkerService/ExtendLeases").await;
    welcome(&call, Duration::from_secs(60));
    assert_eq!(heartbeat(&mut call).await, ["a"]);
    assert_eq!(*errors.lock().expect("whole"), [Code::Unavailable]);
    gate.add_permits(1);
    assert_eq!(crate::worker::reported(&server).await, ["a"]);
    drop(call);
    within(worker.stop()).await;
}

#[tokio::test]
async fn a_short_lease_of_the_stream_is_watched_though_those_of_claims_are_long() {
    let server = FakeServer::start().await;
    let (builder, _gate, mut notes) = holding(&server);
    let worker = builder.lease(Duration::from_secs(3_600)).start().expect("a worker");
    let call: Work = server.take(WORK).await;
    let lease = Some(prost_types::Duration { seconds: 0, nanos: 300_000_000 });
    let heartbeat_interval = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    say(&call, Response::Welcome(WorkerWelcome { heartbeat_interval, lease }));
    assign(&call, &["a"]);
    assert_eq!(noted(&mut notes).await, "a began");
    // No heartbeat has extended it.
    assert_eq!(noted(&mut notes).await, "a was lost");
    drop(call);
    within(worker.stop()).await;
}

#[tokio::test]
async fn a_stream_may_be_silent_for_as_long_as_is_wished() {
    let server = FakeServer::start().await;
    let (builder, _gate, _notes) = holding(&server);
    let worker = builder.silence_max(Duration::MAX).start().expect("a worker");
    let mut call = welcomed(&server).await;
    assert_eq!(credit(&mut call).await, 2);
    drop(call);
    within(worker.stop()).await;
}

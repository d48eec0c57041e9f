use crate::fake_server::{Exchange, FakeServer, within};
use crate::refusal;
use futures_util::StreamExt;
use millpond::v1::watch_events_response::Message;
use millpond::v1::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::{Code, Status};

type Call = Exchange<WatchEventsRequest, WatchEventsResponse>;

async fn take(server: &FakeServer) -> Call {
    server.take("EventService/WatchEvents").await
}

fn checkpoint(cursor: &str) -> WatchEventsResponse {
    WatchEventsResponse { cursor: cursor.into(), message: Some(Message::Checkpoint(Checkpoint {})) }
}

fn part() -> WatchEventsResponse {
    WatchEventsResponse { cursor: String::new(), message: Some(Message::Snapshot(SnapshotPart::default())) }
}

fn snapshot() -> WatchEventsRequest {
    WatchEventsRequest { snapshot: true, ..WatchEventsRequest::default() }
}

#[tokio::test]
async fn a_watch_goes_on_from_its_last_cursor() {
    let server = FakeServer::start().await;
    let interruptions = Arc::new(Mutex::new(Vec::new()));
    let listener = interruptions.clone();
    let watch = server.client().watch(snapshot());
    let watch = watch.on_interrupted(move |error| listener.lock().expect("whole").push(error.code()));
    let script = async {
        let mut call = take(&server).await;
        assert!(call.next().await.snapshot);
        call.send(part());
        call.send(checkpoint("1"));
        call.fail(Status::unavailable("it drains"));

        let mut call = take(&server).await;
        let request = call.next().await;
        assert_eq!((request.cursor.as_str(), request.snapshot), ("1", false));
        call.send(checkpoint("2"));
        server.disconnect();
        call.canceled().await;

        // At its greatest age.
        let mut call = take(&server).await;
        assert!(["1", "2"].contains(&call.next().await.cursor.as_str()));
        call.send(checkpoint("3"));
        drop(call);

        let mut call = take(&server).await;
        assert_eq!(call.next().await.cursor, "3");
        call.fail(refusal(Code::OutOfRange, ErrorReason::CursorExpired));
    };
    let (items, ()) = within(async { tokio::join!(watch.collect::<Vec<_>>(), script) }).await;
    let last = items.last().expect("an item").as_ref().expect_err("it ends with the error");
    assert_eq!(last.reason(), ErrorReason::CursorExpired);
    let cursors: Vec<&str> = items.iter().flatten().map(|message| message.cursor.as_str()).collect();
    assert!(cursors == ["", "1", "2", "3"] || cursors == ["", "1", "3"], "{cursors:?}");
    assert_eq!(*interruptions.lock().expect("whole"), [Code::Unavailable, Code::Unavailable]);
}

#[tokio::test]
async fn a_snapshot_that_breaks_off_begins_anew() {
    let server = FakeServer::start().await;
    let mut watch = server.client().watch(snapshot());
    let script = async {
        let call = take(&server).await;
        call.send(part());
        call.fail(Status::unavailable("it drains"));
        let mut call = take(&server).await;
        assert!(call.next().await.snapshot);
        call.send(checkpoint("1"));
        call
    };
    let read = async { (watch.next().await, watch.next().await) };
    let ((first, second), call) = within(async { tokio::join!(read, script) }).await;
    assert_eq!(first.expect("a message").expect("a part"), part());
    assert_eq!(second.expect("a message").expect("a checkpoint"), checkpoint("1"));

    drop(watch);
    call.canceled().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_given_up_for_another() {
    let server = FakeServer::start().await;
    let mut watch = server.client().watch(snapshot()).silence_max(Duration::from_millis(500));
    let script = async {
        let silent = take(&server).await;
        let call = take(&server).await;
        assert!(server.connections() > 1);
        call.send(checkpoint("1"));
        (silent, call)
    };
    let (message, _) = within(async { tokio::join!(watch.next(), script) }).await;
    assert_eq!(message.expect("a message").expect("a checkpoint"), checkpoint("1"));
}

#[tokio::test]
async fn no_message_is_lost_by_who_gives_up_waiting_for_it() {
    let server = FakeServer::start().await;
    let mut watch = server.client().watch(snapshot());
    assert!(tokio::time::timeout(Duration::from_millis(1), watch.next()).await.is_err());
    let script = async {
        let call = take(&server).await;
        call.send(checkpoint("1"));
        call
    };
    let (message, _call) = within(async { tokio::join!(watch.next(), script) }).await;
    assert_eq!(message.expect("a message").expect("a checkpoint"), checkpoint("1"));
}

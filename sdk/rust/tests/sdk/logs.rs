use crate::fake_server::{FakeServer, within};
use crate::refusal;
use futures_util::TryStreamExt;
use millpond::v1::*;
use tonic::{Code, Status};

const LIST_LOGS: &str = "WorkerService/ListLogs";

fn page(lines: &[&str], next_cursor: &str, attempt_ended: bool) -> Result<ListLogsResponse, Status> {
    let entries = lines.iter().map(|line| LogEntry { message: (*line).into(), ..LogEntry::default() }).collect();
    Ok(ListLogsResponse { entries, next_cursor: next_cursor.into(), attempt_ended, truncated: false })
}

#[tokio::test]
async fn a_log_is_read_page_by_page_to_what_there_is() {
    let server = FakeServer::start().await;
    let lines = server.client().logs("task").attempt(2);
    let script = async {
        let first = server.answer(LIST_LOGS, |_: &ListLogsRequest| page(&["one", "two"], "2", false)).await;
        assert_eq!((first.task_id.as_str(), first.attempt, first.cursor.as_str()), ("task", 2, ""));
        let second = server.answer(LIST_LOGS, |_: &ListLogsRequest| page(&[], "2", false)).await;
        assert_eq!((second.cursor.as_str(), second.wait_timeout), ("2", None));
    };
    let (lines, ()) = within(async { tokio::join!(lines.try_collect::<Vec<_>>(), script) }).await;
    assert_eq!(lines.expect("lines").iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn a_log_is_followed_to_the_end_of_its_attempt_however_often_the_way_is_broken() {
    let server = FakeServer::start().await;
    let lines = server.client().logs("task").follow(true);
    let script = async {
        server.answer(LIST_LOGS, |_: &ListLogsRequest| page(&["one"], "1", false)).await;
        for _ in 0..7 {
            let request = server
                .answer(LIST_LOGS, |_: &ListLogsRequest| Err::<ListLogsResponse, _>(Status::unavailable("away")))
                .await;
            assert_eq!((request.cursor.as_str(), request.wait_timeout.is_some()), ("1", true));
        }
        server.answer(LIST_LOGS, |_: &ListLogsRequest| page(&["two"], "2", true)).await;
        server.answer(LIST_LOGS, |_: &ListLogsRequest| page(&[], "2", true)).await;
    };
    let (lines, ()) = within(async { tokio::join!(lines.try_collect::<Vec<_>>(), script) }).await;
    assert_eq!(lines.expect("lines").iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn what_repeating_cannot_mend_ends_it() {
    let server = FakeServer::start().await;
    let mut lines = server.client().logs("task").follow(true);
    let script = server.answer(LIST_LOGS, |_: &ListLogsRequest| {
        Err::<ListLogsResponse, _>(refusal(Code::NotFound, ErrorReason::TaskNotFound))
    });
    let (line, _) = within(async { tokio::join!(lines.next(), script) }).await;
    assert_eq!(line.expect("an item").expect_err("it ends").reason(), ErrorReason::TaskNotFound);
    for _ in 0..2 {
        assert!(lines.next().await.is_none());
    }
}

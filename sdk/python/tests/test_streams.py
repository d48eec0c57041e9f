from __future__ import annotations

from datetime import timedelta

import grpc
import pytest

from millpond import Graph, MillpondError, v1
from millpond._streams import LogPosition, Upload, WatchPosition

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")
EXPIRED = MillpondError(grpc.StatusCode.OUT_OF_RANGE, "gone", reason=v1.ErrorReason.ERROR_REASON_CURSOR_EXPIRED)


def test_a_watch_goes_on_from_the_last_cursor_without_the_snapshot() -> None:
    event_filter = v1.EventFilter(kinds=["k"])
    position = WatchPosition(event_filter, "", snapshot=True)
    position.passed(v1.WatchEventsResponse(snapshot=v1.SnapshotPart()))
    assert position.request() == v1.WatchEventsRequest(filter=event_filter, snapshot=True)
    position.passed(v1.WatchEventsResponse(cursor="c1", snapshot_done=v1.SnapshotDone()))
    assert position.request() == v1.WatchEventsRequest(filter=event_filter, cursor="c1")


def test_a_watch_does_not_give_up_while_the_server_is_away() -> None:
    position = WatchPosition(None, "", snapshot=False)
    assert all(0 <= position.delay_after(AWAY) <= 5 for _ in range(100))
    slow = MillpondError(grpc.StatusCode.UNAVAILABLE, "later", retry_delay=timedelta(minutes=1))
    assert 30 <= position.delay_after(slow) <= 35
    with pytest.raises(MillpondError, match="gone"):
        position.delay_after(EXPIRED)


@pytest.mark.parametrize(
    "message",
    [
        v1.WatchEventsResponse(cursor="c1", events=v1.EventList()),
        v1.WatchEventsResponse(cursor="c1", snapshot_done=v1.SnapshotDone()),
    ],
)
def test_failures_are_counted_anew_after_what_a_watch_is_for(message: v1.WatchEventsResponse) -> None:
    position = WatchPosition(None, "", snapshot=True)
    for _ in range(10):
        position.delay_after(AWAY)
    position.passed(message)
    assert position.pause() <= 0.1


@pytest.mark.parametrize(
    "message",
    [
        v1.WatchEventsResponse(cursor="c1", checkpoint=v1.Checkpoint()),
        v1.WatchEventsResponse(snapshot=v1.SnapshotPart()),
    ],
)
def test_a_watch_that_breaks_as_soon_as_it_is_welcomed_comes_back_after_longer_delays(
    message: v1.WatchEventsResponse,
) -> None:
    position = WatchPosition(None, "", snapshot=True)

    def delay() -> float:
        position.passed(message)
        return position.delay_after(AWAY)

    assert max(delay() for _ in range(100)) > 1


def page(*, entries: int, ended: bool) -> v1.ListLogsResponse:
    return v1.ListLogsResponse(entries=[v1.LogEntry()] * entries, next_cursor="c", attempt_ended=ended)


def test_a_log_is_read_to_what_there_is() -> None:
    position = LogPosition("t", 2, follow=False)
    assert position.request().attempt == 2
    assert not position.passed(page(entries=3, ended=False))
    assert position.request().cursor == "c"
    assert position.request().wait_timeout.seconds == 0
    assert position.passed(page(entries=0, ended=False))


def test_a_log_is_followed_to_the_end_of_the_attempt() -> None:
    position = LogPosition("t", 0, follow=True)
    assert not position.passed(page(entries=0, ended=False))
    assert position.request().wait_timeout.seconds == 30
    assert not position.passed(page(entries=1, ended=True))
    assert position.request().wait_timeout.seconds == 0
    assert position.passed(page(entries=0, ended=True))


def test_only_who_follows_waits_for_a_server_that_is_away() -> None:
    late = MillpondError(grpc.StatusCode.DEADLINE_EXCEEDED, "late")
    assert LogPosition("t", 0, follow=True).delay_after(AWAY) >= 0
    assert LogPosition("t", 0, follow=True).delay_after(late) >= 0
    with pytest.raises(MillpondError):
        LogPosition("t", 0, follow=False).delay_after(AWAY)


def graph_of(tasks: int, *, size: int = 0) -> Graph:
    graph = Graph("large")
    for number in range(tasks):
        graph.task(str(number), "k", input="x" * size)
    return graph


def parts_of(upload: Upload) -> list[int]:
    return [len(message.tasks) for message in upload.messages()]


def test_an_upload_says_where_to_and_then_sends_parts() -> None:
    upload = Upload(graph_of(5), "r", 2)
    first, *rest = upload.messages()
    assert first == v1.UploadTasksRequest(request_id="r", new_batch=v1.NewBatch(name="large"))
    assert [[task.key for task in message.tasks] for message in rest] == [["0", "1"], ["2", "3"], ["4"]]
    assert list(upload.messages()) == [first, *rest]


def test_an_upload_into_an_open_batch_names_it() -> None:
    first, *rest = Upload(Graph(batch_id="b"), "r", 2).messages()
    assert first == v1.UploadTasksRequest(request_id="r", batch_id="b")
    assert rest == []


def test_an_upload_has_a_request_id() -> None:
    first, *_ = Upload(graph_of(0), None, 2).messages()
    assert len(first.request_id) == 36


def test_parts_are_bounded_by_bytes_and_a_large_task_travels_alone() -> None:
    mebibyte = 1024 * 1024
    assert parts_of(Upload(graph_of(9, size=mebibyte), "r", 5_000)) == [0, 3, 3, 3]
    assert parts_of(Upload(graph_of(2, size=5 * mebibyte), "r", 5_000)) == [0, 1, 1]


def test_parts_have_at_most_5000_tasks() -> None:
    assert parts_of(Upload(graph_of(5_001), "r", 1_000_000)) == [0, 5_000, 1]


def test_a_part_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="part_size is 0"):
        Upload(graph_of(1), "r", 0)

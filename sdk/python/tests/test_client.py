"""The client of threads, against a server whose answers are written here."""

from __future__ import annotations

import gc
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import millpond
from fake_server import FakeServer, Script, answer, fail
from millpond import Cancellation, Client, MillpondError, RepeatPolicy, _methods, v1
from waiting import eventually
from watch_script import STAYS, WatchScript, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AWAY = fail(grpc.StatusCode.UNAVAILABLE, "away")
FOUND = answer(v1.GetTaskResponse(task=v1.Task(task_id="t")))
GET = v1.GetTaskRequest(task_id="t")
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


def wait_for_end(ended: threading.Event) -> Any:
    """Answer a call only when it is cancelled."""

    def behave(_request: Any, context: grpc.ServicerContext) -> v1.GetTaskResponse:
        if not context.add_callback(ended.set):
            ended.set()
        ended.wait()
        return v1.GetTaskResponse()

    return behave


def cancel_when(cancel: Cancellation, condition: Callable[[], object]) -> None:
    """Cancel, by another thread, once a condition holds."""

    def wait() -> None:
        eventually(condition)
        cancel.set()

    threading.Thread(target=wait).start()


def test_a_call_is_answered(server: FakeServer, client: Client) -> None:
    server.on(_methods.GET_TASK, FOUND)
    assert client.tasks.get_task(GET).task.task_id == "t"
    assert client.address == server.address


def test_a_token_goes_with_every_call(server: FakeServer) -> None:
    server.on(_methods.GET_TASK, FOUND)
    with Client(server.address, token="secret") as client:
        client.tasks.get_task(GET)
        client.tasks.get_task(GET, cancel=Cancellation())
    assert [metadata["authorization"] for metadata in server.metadata] == ["Bearer secret"] * 2


def test_a_token_that_no_header_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="no header"):
        Client(NOBODY, token="line\nbreak")


def test_compression_is_not_asked_for(server: FakeServer, client: Client) -> None:
    server.on(_methods.GET_TASK, FOUND)
    client.tasks.get_task(GET)
    assert "gzip" not in str(server.metadata[0].get("grpc-accept-encoding", ""))


def test_large_answers_are_taken(server: FakeServer, client: Client) -> None:
    server.on(_methods.GET_TASK, answer(v1.GetTaskResponse(task=v1.Task(name="x" * 20 * 1024 * 1024))))
    assert len(client.tasks.get_task(GET).task.name) == 20 * 1024 * 1024


def test_a_read_is_repeated_until_it_is_answered(server: FakeServer, client: Client) -> None:
    script = Script(AWAY, fail(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"), FOUND)
    server.on(_methods.GET_TASK, script)
    assert client.tasks.get_task(GET).task.task_id == "t"
    assert len(script.requests) == 3


def test_all_attempts_of_a_mutation_share_a_request_id(server: FakeServer, client: Client) -> None:
    script = Script(AWAY, AWAY, answer(v1.CreateTasksResponse()))
    server.on(_methods.CREATE_TASKS, script)
    client.tasks.create_tasks(v1.CreateTasksRequest())
    assert len({request.request_id for request in script.requests}) == 1
    assert script.requests[0].request_id


def test_a_claim_is_made_once(server: FakeServer, client: Client) -> None:
    script = Script(AWAY)
    server.on(_methods.CLAIM_TASKS, script)
    with pytest.raises(MillpondError, match="away"):
        client.workers.claim_tasks(v1.ClaimTasksRequest())
    assert len(script.requests) == 1


def test_a_call_is_given_up_after_five_attempts(server: FakeServer, client: Client) -> None:
    script = Script(AWAY)
    server.on(_methods.GET_TASK, script)
    with pytest.raises(MillpondError) as raised:
        client.tasks.get_task(GET)
    assert len(script.requests) == 5
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    assert raised.value.message == f"{server.address}: away"


def test_repeats_can_be_bounded_or_turned_off(server: FakeServer) -> None:
    script = Script(AWAY)
    server.on(_methods.GET_TASK, script)
    for repeats, attempts in [(None, 1), (RepeatPolicy(max_attempts=2), 3)]:
        with Client(server.address, repeats=repeats) as client, pytest.raises(MillpondError):
            client.tasks.get_task(GET)
        assert len(script.requests) == attempts


def test_the_servers_delay_is_waited_for(server: FakeServer, client: Client) -> None:
    busy = fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", reason="LIMIT_EXCEEDED", retry_delay=timedelta(seconds=0.3))
    server.on(_methods.GET_TASK, Script(busy, FOUND))
    began = time.monotonic()
    client.tasks.get_task(GET)
    assert time.monotonic() - began >= 0.3


def test_a_refusal_is_typed_and_not_repeated(server: FakeServer, client: Client) -> None:
    script = Script(fail(grpc.StatusCode.NOT_FOUND, "no", reason="TASK_NOT_FOUND", metadata={"task_id": "t"}))
    server.on(_methods.GET_TASK, script)
    with pytest.raises(MillpondError) as raised:
        client.tasks.get_task(GET)
    assert len(script.requests) == 1
    assert raised.value.reason == v1.ErrorReason.ERROR_REASON_TASK_NOT_FOUND
    assert raised.value.metadata == {"task_id": "t"}
    assert isinstance(raised.value.__cause__, grpc.RpcError)


def test_nobody_there_is_named() -> None:
    with Client(NOBODY) as client, pytest.raises(MillpondError, match=r"UNAVAILABLE: http://127\.0\.0\.1:1: .*refused"):
        client.tasks.get_task(GET)


def test_a_server_that_comes_back_is_found_within_the_repeats() -> None:
    with FakeServer() as gone:
        port = gone.port
    with Client(f"127.0.0.1:{port}") as client:
        with pytest.raises(MillpondError):
            client.workers.claim_tasks(v1.ClaimTasksRequest())
        with FakeServer(port) as server:
            server.on(_methods.GET_TASK, FOUND)
            assert all(client.tasks.get_task(GET).task.task_id == "t" for _ in range(3))


def test_calls_go_on_over_a_connection_that_others_have_left(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    script = Script(AWAY, FOUND)
    server.on(_methods.GET_TASK, script)
    messages = client.watch()
    assert next(messages).cursor == "1"
    client.tasks.get_task(GET)
    calls = client._calls
    assert len(calls._links) == 2
    assert not watch.ended[0].is_set()
    messages.close()
    assert len(calls._links) == 1
    assert watch.ended[0].wait(20)


def test_all_connections_end_with_the_client(server: FakeServer) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    client = Client(server.address)
    messages = client.watch()
    next(messages)
    client._calls.renew()
    client.close()
    assert watch.ended[0].wait(20)
    with pytest.raises(MillpondError, match="the client is closed"):
        next(messages)


def test_an_older_server_is_guessed_at(client: Client) -> None:
    with pytest.raises(MillpondError, match="may be older than this SDK"):
        client.workers.list_workers(v1.ListWorkersRequest())


@pytest.mark.parametrize("cancel", [None, Cancellation()])
def test_a_deadline_ends_a_call(server: FakeServer, client: Client, cancel: Cancellation | None) -> None:
    server.on(_methods.GET_TASK, wait_for_end(threading.Event()))
    with pytest.raises(MillpondError) as raised:
        client.tasks.get_task(GET, timeout=0.2, cancel=cancel)
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_call_is_cancelled_by_another_thread(server: FakeServer, client: Client) -> None:
    ended = threading.Event()
    script = Script(wait_for_end(ended))
    server.on(_methods.GET_TASK, script)
    cancel = Cancellation()
    cancel_when(cancel, lambda: script.requests)
    with pytest.raises(MillpondError) as raised:
        client.tasks.get_task(GET, cancel=cancel)
    assert raised.value.code is grpc.StatusCode.CANCELLED
    assert ended.wait(20)


def test_the_pause_before_a_repeat_is_cancelled(server: FakeServer, client: Client) -> None:
    busy = fail(grpc.StatusCode.UNAVAILABLE, "busy", retry_delay=timedelta(seconds=25))
    script = Script(busy)
    server.on(_methods.GET_TASK, script)
    cancel = Cancellation()
    cancel_when(cancel, lambda: script.requests)
    with pytest.raises(MillpondError) as raised:
        client.tasks.get_task(GET, cancel=cancel)
    assert raised.value.code is grpc.StatusCode.CANCELLED
    assert len(script.requests) == 1


def test_a_cancelled_call_is_not_begun(server: FakeServer, client: Client) -> None:
    script = Script(FOUND)
    server.on(_methods.GET_TASK, script)
    cancel = Cancellation()
    cancel.set()
    with pytest.raises(MillpondError):
        client.tasks.get_task(GET, cancel=cancel)
    assert not script.requests


def test_a_closed_client_says_so(client: Client) -> None:
    client.close()
    client.close()
    with pytest.raises(MillpondError, match="the client is closed"):
        client.tasks.get_task(GET)


def test_raw_streams_go_both_ways(server: FakeServer, client: Client) -> None:
    def count(requests: Any, _: grpc.ServicerContext) -> Any:
        for request in requests:
            yield v1.StreamCountsResponse(acknowledged_sequence=request.sequence)

    server.on(_methods.STREAM_COUNTS, count)
    requests = [v1.StreamCountsRequest(sequence=number) for number in (1, 2)]
    answers = client.tasks.stream_counts(requests)
    assert [each.acknowledged_sequence for each in answers] == [1, 2]


def test_a_watch_outlives_broken_connections(server: FakeServer, client: Client) -> None:
    watch = WatchScript(
        [v1.WatchEventsResponse(snapshot=v1.SnapshotPart()), event("1"), AWAY], [event("2")], [event("3"), event("4")]
    )
    server.on(_methods.WATCH_EVENTS, watch)
    interrupted: list[MillpondError] = []
    messages = client.watch(snapshot=True, on_interrupted=interrupted.append)
    assert [next(messages).cursor for _ in range(5)] == ["", "1", "2", "3", "4"]
    messages.close()
    assert [(request.cursor, request.snapshot) for request in watch.requests] == [
        ("", True),
        ("1", False),
        ("2", False),
    ]
    assert [error.code for error in interrupted] == [grpc.StatusCode.UNAVAILABLE]


def test_a_watch_ends_with_what_repeating_cannot_mend(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), fail(grpc.StatusCode.OUT_OF_RANGE, "gone", reason="CURSOR_EXPIRED")])
    server.on(_methods.WATCH_EVENTS, watch)
    messages = client.watch(v1.EventFilter(), cursor="0")
    assert next(messages).cursor == "1"
    with pytest.raises(MillpondError, match="CURSOR_EXPIRED"):
        next(messages)
    with pytest.raises(StopIteration):
        next(messages)


def test_leaving_a_watch_ends_the_call_at_the_server(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    for _message in client.watch():
        break
    gc.collect()
    assert watch.ended[0].wait(20)


def test_a_watch_is_cancelled_by_another_thread(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    cancel = Cancellation()
    messages = client.watch(cancel=cancel)
    assert next(messages).cursor == "1"
    threading.Thread(target=cancel.set).start()
    assert list(messages) == []
    assert watch.ended[0].wait(20)


def test_a_silent_watch_is_made_anew(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), STAYS], [event("2"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    interrupted: list[MillpondError] = []
    messages = client.watch(silence_max=0.3, on_interrupted=interrupted.append)
    assert [next(messages).cursor, next(messages).cursor] == ["1", "2"]
    messages.close()
    assert watch.requests[1].cursor == "1"
    # The connection may be dead.
    assert watch.peers[0] != watch.peers[1]
    assert watch.ended[0].wait(20)
    assert "no message for 0.3 s" in interrupted[0].message


def test_a_busy_consumer_is_not_taken_for_silence(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), event("2"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    messages = client.watch(silence_max=0.2)
    next(messages)
    time.sleep(0.6)
    assert next(messages).cursor == "2"
    messages.close()
    assert len(watch.requests) == 1


def test_threads_of_a_watch_end_with_it(server: FakeServer, client: Client) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    messages = client.watch()
    next(messages)
    assert any(thread.name == "millpond-silence-guard" for thread in threading.enumerate())
    messages.close()
    eventually(lambda: not any(thread.name == "millpond-silence-guard" for thread in threading.enumerate()))


def lines(*texts: str, cursor: str, ended: bool = False) -> Any:
    entries = [v1.LogEntry(message=text) for text in texts]
    return answer(v1.ListLogsResponse(entries=entries, next_cursor=cursor, attempt_ended=ended))


def test_a_log_is_read_page_by_page(server: FakeServer, client: Client) -> None:
    script = Script(lines("a", "b", cursor="2"), lines("c", cursor="3"), lines(cursor="3"))
    server.on(_methods.LIST_LOGS, script)
    assert [entry.message for entry in client.logs("t", attempt=2)] == ["a", "b", "c"]
    assert [request.cursor for request in script.requests] == ["", "2", "3"]
    assert {request.attempt for request in script.requests} == {2}


def test_a_log_is_followed_over_broken_connections(server: FakeServer) -> None:
    script = Script(lines("a", cursor="1"), AWAY, lines("b", cursor="2"), lines(cursor="2", ended=True))
    server.on(_methods.LIST_LOGS, script)
    interrupted: list[MillpondError] = []
    with Client(server.address, repeats=None) as client:
        entries = [entry.message for entry in client.logs("t", follow=True, on_interrupted=interrupted.append)]
    assert entries == ["a", "b"]
    assert [request.cursor for request in script.requests] == ["", "1", "1", "2"]
    assert len(interrupted) == 1


def test_following_a_log_is_cancelled_by_another_thread(server: FakeServer, client: Client) -> None:
    script = Script(lines("a", cursor="1"), wait_for_end(threading.Event()))
    server.on(_methods.LIST_LOGS, script)
    cancel = Cancellation()
    cancel_when(cancel, lambda: len(script.requests) == 2)
    assert [entry.message for entry in client.logs("t", follow=True, cancel=cancel)] == ["a"]


def test_an_upload_is_repeated_whole_under_one_id(server: FakeServer, client: Client) -> None:
    uploads: list[list[v1.UploadTasksRequest]] = []

    def upload(requests: Any, context: grpc.ServicerContext) -> v1.UploadTasksResponse:
        uploads.append(list(requests))
        if len(uploads) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return v1.UploadTasksResponse(created_count=3)

    server.on(_methods.UPLOAD_TASKS, upload)
    graph = millpond.Graph("g")
    for key in "abc":
        graph.task(key, "k")
    assert client.upload(graph, part_size=2, timeout=20).created_count == 3
    assert uploads[0] == uploads[1]
    assert [len(message.tasks) for message in uploads[0]] == [0, 2, 1]


def test_an_upload_that_is_refused_says_why(server: FakeServer, client: Client) -> None:
    server.on(_methods.UPLOAD_TASKS, fail(grpc.StatusCode.INVALID_ARGUMENT, "a -> a", reason="GRAPH_HAS_CYCLE"))
    with pytest.raises(MillpondError, match="GRAPH_HAS_CYCLE: a -> a"):
        client.upload(millpond.Graph())

"""The client of asyncio, against a server whose answers are written here."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import millpond
from fake_server import FakeServer, Script, answer, fail
from millpond import MillpondError, _methods, v1
from millpond.aio import Client
from waiting import eventually_async, run_async
from watch_script import STAYS, WatchScript, event

if TYPE_CHECKING:
    from collections.abc import Iterator

AWAY = fail(grpc.StatusCode.UNAVAILABLE, "away")
FOUND = answer(v1.GetTaskResponse(task=v1.Task(task_id="t")))
GET = v1.GetTaskRequest(task_id="t")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


def hold(ended: threading.Event) -> Any:
    def behave(_request: Any, context: grpc.ServicerContext) -> v1.GetTaskResponse:
        if not context.add_callback(ended.set):
            ended.set()
        ended.wait()
        return v1.GetTaskResponse()

    return behave


def test_a_call_is_repeated_until_it_is_answered(server: FakeServer) -> None:
    script = Script(AWAY, FOUND)
    server.on(_methods.GET_TASK, script)

    async def scenario() -> None:
        async with Client(server.address, token="secret") as client:
            assert (await client.tasks.get_task(GET)).task.task_id == "t"
            assert client.address == server.address

    run_async(scenario())
    assert len(script.requests) == 2
    assert server.metadata[0]["authorization"] == "Bearer secret"
    assert "gzip" not in str(server.metadata[0].get("grpc-accept-encoding", ""))


def test_a_refusal_is_typed(server: FakeServer) -> None:
    server.on(_methods.GET_TASK, fail(grpc.StatusCode.NOT_FOUND, "no", reason="TASK_NOT_FOUND"))

    async def scenario() -> None:
        async with Client(server.address) as client:
            with pytest.raises(MillpondError) as raised:
                await client.tasks.get_task(GET)
        assert raised.value.reason == v1.ErrorReason.ERROR_REASON_TASK_NOT_FOUND

    run_async(scenario())


def test_a_claim_is_made_once(server: FakeServer) -> None:
    script = Script(AWAY)
    server.on(_methods.CLAIM_TASKS, script)

    async def scenario() -> None:
        async with Client(server.address) as client:
            with pytest.raises(MillpondError, match="away"):
                await client.workers.claim_tasks(v1.ClaimTasksRequest())

    run_async(scenario())
    assert len(script.requests) == 1


def test_a_deadline_ends_a_call(server: FakeServer) -> None:
    server.on(_methods.GET_TASK, hold(threading.Event()))

    async def scenario() -> None:
        async with Client(server.address, timeout=0.2) as client:
            with pytest.raises(MillpondError) as raised:
                await client.tasks.get_task(GET)
        assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED

    run_async(scenario())


def test_cancelling_the_task_ends_the_call(server: FakeServer) -> None:
    ended = threading.Event()
    script = Script(hold(ended))
    server.on(_methods.GET_TASK, script)

    async def scenario() -> None:
        async with Client(server.address) as client:
            call = asyncio.ensure_future(client.tasks.get_task(GET))
            await eventually_async(lambda: script.requests)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run_async(scenario())
    assert ended.wait(20)


def test_cancelling_the_task_ends_the_pause_before_a_repeat(server: FakeServer) -> None:
    script = Script(fail(grpc.StatusCode.UNAVAILABLE, "busy", retry_delay=timedelta(seconds=25)))
    server.on(_methods.GET_TASK, script)

    async def scenario() -> None:
        async with Client(server.address) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.tasks.get_task(GET), 0.3)

    run_async(scenario())
    assert len(script.requests) == 1


def test_a_server_that_comes_back_is_found_within_the_repeats() -> None:
    async def scenario() -> None:
        with FakeServer() as gone:
            port = gone.port
        async with Client(f"127.0.0.1:{port}") as client:
            with pytest.raises(MillpondError):
                await client.workers.claim_tasks(v1.ClaimTasksRequest())
            with FakeServer(port) as server:
                server.on(_methods.GET_TASK, FOUND)
                for _ in range(3):
                    assert (await client.tasks.get_task(GET)).task.task_id == "t"

    run_async(scenario())


def test_calls_go_on_over_a_connection_that_others_have_left(server: FakeServer) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    server.on(_methods.GET_TASK, Script(AWAY, FOUND))

    async def scenario() -> None:
        async with Client(server.address) as client:
            async with aclosing(client.watch()) as messages:
                assert (await anext(messages)).cursor == "1"
                await client.tasks.get_task(GET)
                assert len(client._calls._links) == 2
                assert not watch.ended[0].is_set()
            assert len(client._calls._links) == 1
            await eventually_async(watch.ended[0].is_set)

    run_async(scenario())


def test_a_client_is_made_outside_of_a_loop_and_closed_in_it(server: FakeServer) -> None:
    server.on(_methods.GET_TASK, FOUND)
    client = Client(server.address)

    async def scenario() -> None:
        await client.tasks.get_task(GET)
        await client.close()
        await client.close()
        with pytest.raises(MillpondError, match="the client is closed"):
            await client.tasks.get_task(GET)

    run_async(scenario())


def test_raw_streams_go_both_ways(server: FakeServer) -> None:
    def count(requests: Any, _: grpc.ServicerContext) -> Any:
        for request in requests:
            yield v1.StreamCountsResponse(acknowledged_sequence=request.sequence)

    server.on(_methods.STREAM_COUNTS, count)

    async def scenario() -> None:
        async with Client(server.address) as client:
            requests = [v1.StreamCountsRequest(sequence=number) for number in (1, 2)]
            answers = client.tasks.stream_counts(requests)
            assert [each.acknowledged_sequence async for each in answers] == [1, 2]

    run_async(scenario())


def test_a_watch_outlives_broken_connections(server: FakeServer) -> None:
    watch = WatchScript([event("1"), AWAY], [event("2")], [event("3"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    interrupted: list[MillpondError] = []

    async def scenario() -> None:
        async with (
            Client(server.address) as client,
            aclosing(client.watch(snapshot=True, on_interrupted=interrupted.append)) as messages,
        ):
            assert [(await anext(messages)).cursor for _ in range(3)] == ["1", "2", "3"]

    run_async(scenario())
    assert [(request.cursor, request.snapshot) for request in watch.requests] == [
        ("", True),
        ("1", False),
        ("2", False),
    ]
    assert len(interrupted) == 1


def test_a_watch_ends_with_what_repeating_cannot_mend(server: FakeServer) -> None:
    watch = WatchScript([event("1"), fail(grpc.StatusCode.OUT_OF_RANGE, "gone", reason="CURSOR_EXPIRED")])
    server.on(_methods.WATCH_EVENTS, watch)

    async def scenario() -> None:
        async with Client(server.address) as client:
            messages = client.watch()
            await anext(messages)
            with pytest.raises(MillpondError, match="CURSOR_EXPIRED"):
                await anext(messages)

    run_async(scenario())


def test_closing_a_watch_ends_the_call_at_the_server(server: FakeServer) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)

    async def scenario() -> None:
        async with Client(server.address) as client:
            async with aclosing(client.watch()) as messages:
                async for _message in messages:
                    break
            await eventually_async(watch.ended[0].is_set)

    run_async(scenario())


def test_a_watch_that_is_only_left_ends_when_it_is_collected(server: FakeServer) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)

    async def scenario() -> None:
        async with Client(server.address) as client:
            async for _message in client.watch():
                break
            gc.collect()
            await eventually_async(watch.ended[0].is_set)

    run_async(scenario())


def test_cancelling_the_task_of_a_watch_ends_the_call_at_the_server(server: FakeServer) -> None:
    watch = WatchScript([event("1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)

    async def scenario() -> None:
        async with Client(server.address) as client:
            seen: list[str] = []

            async def consume() -> None:
                seen.extend([message.cursor async for message in client.watch()])

            consuming = asyncio.create_task(consume())
            await eventually_async(lambda: watch.requests)
            consuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            await eventually_async(watch.ended[0].is_set)

    run_async(scenario())


def test_a_silent_watch_is_made_anew(server: FakeServer) -> None:
    watch = WatchScript([event("1"), STAYS], [event("2"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)
    interrupted: list[MillpondError] = []

    async def scenario() -> None:
        async with (
            Client(server.address) as client,
            aclosing(client.watch(silence_max=0.3, on_interrupted=interrupted.append)) as messages,
        ):
            assert [(await anext(messages)).cursor for _ in range(2)] == ["1", "2"]

    run_async(scenario())
    assert watch.requests[1].cursor == "1"
    # The connection may be dead.
    assert watch.peers[0] != watch.peers[1]
    assert "no message for 0.3 s" in interrupted[0].message


def test_a_log_is_followed_over_broken_connections(server: FakeServer) -> None:
    def page(*texts: str, cursor: str, ended: bool = False) -> Any:
        entries = [v1.LogEntry(message=text) for text in texts]
        return answer(v1.ListLogsResponse(entries=entries, next_cursor=cursor, attempt_ended=ended))

    script = Script(page("a", cursor="1"), AWAY, page("b", cursor="2"), page(cursor="2", ended=True))
    server.on(_methods.LIST_LOGS, script)
    interrupted: list[MillpondError] = []

    async def scenario() -> None:
        async with Client(server.address, repeats=None) as client:
            entries = client.logs("t", follow=True, on_interrupted=interrupted.append)
            assert [entry.message async for entry in entries] == ["a", "b"]

    run_async(scenario())
    assert len(interrupted) == 1


def test_an_upload_is_repeated_whole_under_one_id(server: FakeServer) -> None:
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

    async def scenario() -> None:
        async with Client(server.address) as client:
            assert (await client.upload(graph, part_size=2, timeout=20)).created_count == 3

    run_async(scenario())
    assert uploads[0] == uploads[1]
    assert [len(message.tasks) for message in uploads[0]] == [0, 2, 1]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks do not say whether they are being cancelled")
def test_closing_the_client_fails_what_waits_instead_of_cancelling_it(server: FakeServer) -> None:
    ended = threading.Event()
    server.on(_methods.GET_TASK, hold(ended))
    watch = WatchScript([event("c1"), STAYS])
    server.on(_methods.WATCH_EVENTS, watch)

    async def scenario() -> None:
        client = Client(server.address)
        seen = asyncio.Event()

        async def follow() -> None:
            async for _ in client.watch():
                seen.set()

        waiting = [asyncio.create_task(client.tasks.get_task(GET)), asyncio.create_task(follow())]
        await seen.wait()
        await eventually_async(lambda: len(server.metadata) == 2)
        await client.close()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, MillpondError)
            assert "the client is closed" in result.message

    run_async(scenario())

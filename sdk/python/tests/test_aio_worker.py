"""The worker of asyncio, over gRPC."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

import grpc
import pytest

import millpond
import millpond.aio
from fake_millpond import FakeMillpond
from fake_server import fail
from millpond import AbortReason, MillpondError, _methods, v1
from millpond.aio import Client, TaskContext
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[FakeMillpond]:
    with FakeMillpond() as server:
        yield server


def test_coroutine_functions_run_as_tasks_and_plain_functions_in_threads(server: FakeMillpond) -> None:
    threads: dict[str, str] = {}

    async def scenario() -> None:
        async with Client(server.address) as client:
            worker = client.worker(slots=2)

            @worker.handle("task")
            async def as_task(context: TaskContext) -> object:
                threads["task"] = threading.current_thread().name
                context.log("info", "echoing")
                await context.heartbeat({"percent": 50})
                return context.input

            @worker.handle("thread")
            def in_thread(context: millpond.TaskContext) -> object:
                threads["thread"] = threading.current_thread().name
                context.count(success=3)
                context.heartbeat()
                return context.input

            class Handler:
                async def __call__(self, _: TaskContext) -> str:
                    return "called"

            worker.handle("object", Handler())
            async with worker:
                server.add("a", "task", {"n": 1})
                server.add("b", "thread", {"n": 2})
                server.add("c", "object")
                await eventually_async(lambda: all(server.report_of(task) for task in "abc"))
            await worker.wait()
            await eventually_async(lambda: not any(worker.worker_id in thread.name for thread in threading.enumerate()))

    run_async(scenario())
    assert threads["task"] == threading.main_thread().name
    assert threads["thread"].startswith("millpond-handler-")
    outputs = {report.task_id: millpond.from_value(report.success.output) for report in server.reports}
    assert outputs == {"a": {"n": 1}, "b": {"n": 2}, "c": "called"}
    assert server.lines == ["echoing"]
    assert [delta.success for delta in server.counts] == [3]


def test_a_task_is_cancelled_and_a_thread_is_told(server: FakeMillpond) -> None:
    reasons: dict[str, AbortReason | None] = {}

    async def scenario() -> None:
        async with Client(server.address) as client:
            worker = client.worker()

            @worker.handle("task")
            async def as_task(context: TaskContext) -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    reasons["task"] = context.reason
                    raise

            @worker.handle("thread")
            def in_thread(context: millpond.TaskContext) -> None:
                context.cancelled.wait()
                reasons["thread"] = context.reason
                context.raise_if_cancelled()

            async with worker:
                server.add("a", "task")
                server.add("b", "thread")
                await eventually_async(lambda: worker.running == 2)
                for task_id in "ab":
                    server.say(lease_lost=v1.LeaseLost(lease=v1.LeaseRef(task_id=task_id, attempt=1)))
                await eventually_async(lambda: worker.running == 0)

    run_async(scenario())
    assert reasons == {"task": AbortReason.LEASE_LOST, "thread": AbortReason.LEASE_LOST}
    assert server.reports == []


def test_a_silent_stream_is_made_anew(server: FakeMillpond) -> None:
    async def scenario() -> None:
        async with Client(server.address) as client:
            errors: list[str] = []
            worker = client.worker(silence_max=0.1, on_error=lambda error: errors.append(str(error)))
            worker.handle("k", lambda _: None)
            async with worker:
                await eventually_async(lambda: len(server.hellos) == 3)
                server.add("a", "k")
                await eventually_async(lambda: server.report_of("a"))
            await worker.wait()
            assert set(errors) == {"UNAVAILABLE: no message came within 0.1 s"}

    run_async(scenario())


def test_a_worker_may_be_stopped_by_a_handler(server: FakeMillpond) -> None:
    async def scenario() -> None:
        async with Client(server.address) as client:
            worker = client.worker()

            @worker.handle("last")
            async def last(_: TaskContext) -> str:
                await worker.stop(wait=False)
                return "bye"

            worker.start()
            server.add("a", "last")
            await worker.wait()

    run_async(scenario())
    assert [report.WhichOneof("report") for report in server.reports] == ["success"]


def test_what_the_server_refuses_for_good_ends_the_worker(server: FakeMillpond) -> None:
    server.on(_methods.WORK, fail(grpc.StatusCode.UNAUTHENTICATED, "who?", reason="UNAUTHENTICATED"))

    async def scenario() -> None:
        told: list[Exception] = []
        async with Client(server.address) as client:
            worker = client.worker(on_error=told.append)
            worker.handle("k", lambda _: None)
            worker.start()
            with pytest.raises(MillpondError, match="UNAUTHENTICATED: who") as raised:
                await worker.wait()
            # grpcio may have lost why the first stream ended.
            assert told[-1] == raised.value
            await worker.stop()

    run_async(scenario())


def test_a_worker_is_made_with_care(server: FakeMillpond) -> None:
    async def scenario() -> None:
        async with Client(server.address) as client:
            with pytest.raises(ValueError, match="slots is 0"):
                client.worker(slots=0)
            worker = client.worker()
            with pytest.raises(RuntimeError, match="no handler"):
                worker.start()
            worker.handle("k", lambda _: None)
            worker.start()
            worker.start()
            with pytest.raises(RuntimeError, match="too late"):
                worker.handle("other", lambda _: None)
            await worker.stop()
            await worker.stop()
            await worker.wait()

    run_async(scenario())


def test_a_worker_that_was_stopped_does_not_start(server: FakeMillpond) -> None:
    async def scenario() -> None:
        async with Client(server.address) as client:
            worker = client.worker()
            worker.handle("k", lambda _: None)
            await worker.stop()
            worker.start()
            await worker.wait()
            assert worker.running == 0

    run_async(scenario())
    assert server.hellos == []


def test_sigterm_stops_a_worker_that_heeds_it(server: FakeMillpond) -> None:
    async def scenario() -> None:
        async with Client(server.address) as client:
            worker = client.worker(stop_on_sigterm=True)
            worker.handle("k", lambda _: None)
            worker.start()
            os.kill(os.getpid(), signal.SIGTERM)
            await worker.wait()

    before = signal.getsignal(signal.SIGTERM)
    run_async(scenario())
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_loop_that_ends_takes_the_worker_with_it(server: FakeMillpond) -> None:
    async def scenario() -> None:
        worker = Client(server.address).worker()

        @worker.handle("k")
        async def hold(_: TaskContext) -> None:
            await asyncio.Event().wait()

        worker.start()
        server.add("a", "k")
        await eventually_async(lambda: worker.running == 1)

    run_async(scenario())
    assert server.reports == []

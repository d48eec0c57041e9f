"""How a worker stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from millpond import AbortReason, _methods
from millpond._worker import engine as engine_module
from scripted_calls import Worker, assignment, begin, settle, wait_forever
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    import pytest

    from millpond.aio import TaskContext


async def hold(_: TaskContext) -> None:
    await asyncio.Event().wait()


async def nothing(_: TaskContext) -> None:
    pass


def test_stopping_takes_no_more_and_lets_handlers_finish() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def handler(_: TaskContext) -> None:
            await gate.wait()

        worker = await begin(handler)
        await settle()
        stream = worker.calls.stream
        worker.engine.request_stop()
        # Told at once: what ends from now on makes no room for more.
        assert stream.kinds_sent()[-1] == "drain"
        # It was on its way.
        stream.assign(assignment("b"))
        await settle()
        assert worker.engine.running == 2
        gate.set()
        await worker.life
        assert stream.kinds_sent()[-1] == "drain"
        assert stream.credit == 10
        assert {report.task_id for report in worker.calls.reports()} == {"a", "b"}
        assert len(worker.calls.streams) == 1

    run_async(scenario())


def test_stopping_waits_for_no_welcome() -> None:
    async def scenario() -> None:
        worker = Worker({"k": nothing})
        await settle()
        worker.calls.stream.is_polite = False
        await asyncio.wait_for(worker.stop(), 2)
        assert worker.calls.stream.is_closed

    run_async(scenario())


def test_a_worker_that_is_stopped_before_it_begins_takes_nothing() -> None:
    async def scenario() -> None:
        worker = Worker({"k": nothing})
        worker.engine.request_stop()
        await worker.life
        assert worker.calls.streams == []
        assert worker.calls.of(_methods.CLAIM_TASKS) == []

    run_async(scenario())


def test_after_the_grace_handlers_are_cancelled_and_fail_as_stopped() -> None:
    async def scenario() -> None:
        worker = await begin(hold, stop_grace=0.05)
        await settle()
        await worker.stop()
        (report,) = worker.calls.reports()
        assert report.failure.code == "WORKER_STOPPED"
        assert not report.failure.non_retryable

    run_async(scenario())


def test_a_handler_that_never_returns_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_ABANDON_SECONDS", 0.05)

    async def scenario() -> None:
        gate = asyncio.Event()

        async def handler(context: TaskContext) -> None:
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    assert context.reason is AbortReason.WORKER_STOPPED
            # The worker has gone: none of these wakes it, or waits for it.
            context.log("info", "late")
            context.count(1)
            await context.heartbeat()
            ended.set()

        ended = asyncio.Event()
        worker = await begin(handler, stop_grace=0.05)
        await settle()
        await worker.stop()
        gate.set()
        await ended.wait()
        await settle()
        assert worker.calls.reports() == []
        assert worker.calls.of(_methods.APPEND_LOGS) == []

    run_async(scenario())


def test_what_cannot_be_sent_when_it_stops_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_ABANDON_SECONDS", 0.05)

    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            if context.task.task_id == "logs":
                context.log("info", "one")
            if context.task.task_id == "counts":
                context.count(1)

        worker = Worker({"k": handler}, stop_grace=0.05)
        for method in (_methods.REPORT_TASKS, _methods.APPEND_LOGS, _methods.ADD_COUNTS):
            worker.calls.on(method, wait_forever)
        await settle()
        worker.calls.stream.welcome()
        worker.calls.stream.assign(assignment("plain"), assignment("logs"), assignment("counts"))
        await eventually_async(lambda: worker.begun == 3 and worker.engine._executing == 0)
        await worker.stop()
        assert sorted(worker.errors) == [
            "1 lines of log of task logs may be lost",
            "counts of task counts may be lost",
            "the report on task counts was given up unsent",
            "the report on task logs was given up unsent",
            "the report on task plain was given up unanswered",
        ]

    run_async(scenario())

"""What handlers log and count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from millpond import MillpondError, _methods, v1
from millpond._worker import log_queue
from scripted_calls import Script, Worker, assignment, begin, raising, settle, take_reports
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    from millpond.aio import TaskContext

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")


def test_what_was_logged_is_in_before_the_closing_report() -> None:
    async def scenario() -> None:
        order: list[str] = []

        def append(request: v1.AppendLogsRequest) -> v1.AppendLogsResponse:
            order.extend(entry.message for entry in request.entries)
            return v1.AppendLogsResponse()

        def report(request: v1.ReportTasksRequest) -> v1.ReportTasksResponse:
            order.append("report")
            return take_reports(request)

        async def handler(context: TaskContext) -> None:
            context.log("debug", "one")
            context.log("error", "two")
            context.log("info", {"not": "a text"})

        worker = await begin(
            handler, answers={_methods.APPEND_LOGS: Script(raising(AWAY), append), _methods.REPORT_TASKS: report}
        )
        await eventually_async(lambda: worker.engine.running == 0)
        assert order == ["one", "two", "{'not': 'a text'}", "report"]
        first, second = worker.calls.of(_methods.APPEND_LOGS)
        assert first == second
        assert first.request_id
        assert [v1.LogLevel.Name(entry.level) for entry in first.entries] == [
            "LOG_LEVEL_DEBUG",
            "LOG_LEVEL_ERROR",
            "LOG_LEVEL_INFO",
        ]
        await worker.stop()

    run_async(scenario())


def test_lines_are_sent_together_while_the_handler_goes_on() -> None:
    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            for number in range(3):
                context.log("info", number)
            await asyncio.Event().wait()

        worker = await begin(handler)
        await eventually_async(lambda: worker.calls.of(_methods.APPEND_LOGS))
        (request,) = worker.calls.of(_methods.APPEND_LOGS)
        assert [entry.message for entry in request.entries] == ["0", "1", "2"]
        worker.calls.stream.say(cancel=v1.CancelAttempt(task_id="a", attempt=1))
        await worker.stop()

    run_async(scenario())


def test_what_is_logged_faster_than_it_is_taken_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "_LINES_WAITING_MAX", 4)

    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            for number in range(10):
                context.log("info", number)

        worker = await begin(handler)
        await eventually_async(worker.calls.reports)
        (request,) = worker.calls.of(_methods.APPEND_LOGS)
        assert [entry.message for entry in request.entries[:4]] == ["0", "1", "2", "3"]
        assert request.entries[4].message.startswith("6 lines were dropped")
        assert worker.engine._logs._size == 0
        await worker.stop()

    run_async(scenario())


def test_a_long_line_becomes_several() -> None:
    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            context.log("info", "é" * 40_000)

        worker = await begin(handler)
        await eventually_async(worker.calls.reports)
        (request,) = worker.calls.of(_methods.APPEND_LOGS)
        assert [len(entry.message) for entry in request.entries] == [16_384, 16_384, 7_232]
        await worker.stop()

    run_async(scenario())


def test_lines_that_are_refused_do_not_hold_up_the_report() -> None:
    stale = MillpondError(grpc.StatusCode.NOT_FOUND, "gone", reason=v1.ErrorReason.ERROR_REASON_TASK_NOT_FOUND)

    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            context.log("info", "one")
            await eventually_async(lambda: worker.errors)
            context.log("info", "two")

        worker = Worker({"k": handler})
        worker.calls.on(_methods.APPEND_LOGS, raising(stale))
        await settle()
        worker.calls.stream.welcome()
        worker.calls.stream.assign(assignment("a"))
        await eventually_async(worker.calls.reports)
        assert worker.errors == ["TASK_NOT_FOUND: gone"]
        await eventually_async(lambda: worker.engine._logs._buffers == {})
        await worker.stop()

    run_async(scenario())


def test_what_was_counted_is_in_before_the_closing_report() -> None:
    async def scenario() -> None:
        order: list[Any] = []

        def add(request: v1.AddCountsRequest) -> v1.AddCountsResponse:
            order.extend((delta.task_id, delta.success, delta.failure) for delta in request.counts)
            return v1.AddCountsResponse()

        def report(request: v1.ReportTasksRequest) -> v1.ReportTasksResponse:
            order.append("report")
            return take_reports(request)

        async def handler(context: TaskContext) -> None:
            context.count(success=1)
            context.count(success=2**63 - 1, failure=2)

        worker = await begin(
            handler, answers={_methods.ADD_COUNTS: Script(raising(AWAY), add), _methods.REPORT_TASKS: report}
        )
        await eventually_async(lambda: worker.engine.running == 0)
        # The sum is beyond what one item holds.
        assert order == [("a", 2**63 - 1, 2), ("a", 1, 0), "report"]
        first, second, third = worker.calls.of(_methods.ADD_COUNTS)
        assert first == second
        assert third.request_id != first.request_id
        await worker.stop()

    run_async(scenario())


def test_counts_that_are_refused_are_told() -> None:
    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            context.count(failure=1)

        rejection = v1.CountRejection(index=0, error=v1.ItemError(message="it has ended"))
        worker = await begin(
            handler, answers={_methods.ADD_COUNTS: lambda _: v1.AddCountsResponse(rejections=[rejection])}
        )
        await eventually_async(worker.calls.reports)
        assert worker.errors == ["counts of task a refused: it has ended"]
        await worker.stop()

    run_async(scenario())


@pytest.mark.parametrize("count", [{"success": -1}, {"failure": 2**63}])
def test_counts_out_of_bounds_are_refused_at_once(count: dict[str, int]) -> None:
    async def scenario() -> None:
        async def handler(context: TaskContext) -> None:
            context.count(**count)

        worker = await begin(handler)
        await eventually_async(worker.calls.reports)
        assert worker.calls.reports()[0].failure.message.startswith("counts are from 0 to")
        await worker.stop()

    run_async(scenario())


def test_counts_that_are_no_whole_numbers_are_refused_at_once() -> None:
    async def scenario() -> None:
        half: Any = 0.5

        async def handler(context: TaskContext) -> None:
            with pytest.raises(TypeError):
                context.count(half)
            context.count(1)

        worker = await begin(handler)
        await eventually_async(worker.calls.reports)
        assert worker.calls.reports()[0].HasField("success")
        await worker.stop()

    run_async(scenario())

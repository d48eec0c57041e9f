"""What becomes of what a handler says: its reports."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import millpond
from millpond import MillpondError, _methods, v1
from scripted_calls import Script, Worker, assignment, begin, raising, settle, take_reports
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.aio import TaskContext

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")
LATE = MillpondError(grpc.StatusCode.DEADLINE_EXCEEDED, "late")
BAD = MillpondError(grpc.StatusCode.INVALID_ARGUMENT, "too large")


def item_error(reason: v1.ErrorReason, message: str = "no") -> v1.ReportResult:
    return v1.ReportResult(error=v1.ItemError(reason=reason, message=message))


def answering(*results: v1.ReportResult) -> Callable[[Any], Any]:
    return lambda _: v1.ReportTasksResponse(results=results)


async def nothing(_: TaskContext) -> None:
    pass


def test_a_handler_sees_its_task_and_its_output_is_reported() -> None:
    async def scenario() -> None:
        async def handler(context: TaskContext) -> object:
            parent = context.parents["fetch"]
            assert parent.status == v1.TaskStatus.TASK_STATUS_SUCCESS
            return [context.input, context.attempt, context.task.task_id, parent.output, parent.task_id]

        worker = Worker({"k": handler})
        await settle()
        worker.calls.stream.welcome()
        given = assignment("a", attempt=2, input=millpond.to_value({"sample": 7}))
        given.parents["fetch"].CopyFrom(
            v1.ParentResult(
                task_id="f", status=v1.TaskStatus.TASK_STATUS_SUCCESS, output=millpond.to_value({"reads": 3})
            )
        )
        worker.calls.stream.assign(given)
        await eventually_async(worker.calls.reports)
        (report,) = worker.calls.reports()
        assert (report.task_id, report.attempt) == ("a", 2)
        assert millpond.from_value(report.success.output) == [{"sample": 7}, 2, "a", {"reads": 3}, "f"]
        assert worker.calls.of(_methods.REPORT_TASKS)[0].brief
        await worker.stop()

    run_async(scenario())


def test_a_kind_without_a_handler_fails() -> None:
    async def scenario() -> None:
        async def missing(context: TaskContext) -> None:
            raise millpond.NonRetryableError(f"no {context.task.kind}", code="GONE")

        worker = await begin(missing)
        await eventually_async(worker.calls.reports)
        failure = worker.calls.reports()[0].failure
        assert (failure.message, failure.code, failure.non_retryable) == ("no k", "GONE", True)
        await worker.stop()

    run_async(scenario())


def test_what_becomes_due_while_a_call_is_in_flight_goes_into_the_next() -> None:
    async def scenario() -> None:
        answered = asyncio.Event()

        async def slow(request: v1.ReportTasksRequest) -> v1.ReportTasksResponse:
            await answered.wait()
            return take_reports(request)

        async def handler(context: TaskContext) -> None:
            await asyncio.sleep(0 if context.task.task_id == "a" else 0.05)

        worker = await begin(handler, "a", "b", "c", "d", answers={_methods.REPORT_TASKS: slow})
        await eventually_async(lambda: worker.engine._executing == 0)
        assert [len(request.reports) for request in worker.calls.of(_methods.REPORT_TASKS)] == [1]
        answered.set()
        await eventually_async(lambda: worker.engine.running == 0)
        assert [len(request.reports) for request in worker.calls.of(_methods.REPORT_TASKS)] == [1, 3]
        await worker.stop()

    run_async(scenario())


def test_the_reports_of_an_attempt_keep_their_order() -> None:
    async def scenario() -> None:
        async def handler(context: TaskContext) -> str:
            await context.heartbeat({"percent": 40})
            await context.heartbeat()
            return "done"

        worker = await begin(handler, answers={_methods.REPORT_TASKS: Script(raising(AWAY), take_reports)})
        await eventually_async(lambda: worker.engine.running == 0)
        said = [report.WhichOneof("report") for report in worker.calls.reports()]
        assert said == ["heartbeat", "heartbeat", "heartbeat", "success"]
        assert millpond.from_value(worker.calls.reports()[1].heartbeat.progress) == {"percent": 40}
        assert not worker.calls.reports()[2].heartbeat.HasField("progress")
        await worker.stop()

    run_async(scenario())


def test_reports_wait_for_a_server_that_is_away_or_stalls() -> None:
    async def scenario() -> None:
        worker = await begin(
            nothing, answers={_methods.REPORT_TASKS: Script(raising(AWAY), raising(LATE), raising(AWAY), take_reports)}
        )
        await eventually_async(lambda: worker.engine.running == 0)
        assert len(worker.calls.of(_methods.REPORT_TASKS)) == 4
        assert {report.WhichOneof("report") for report in worker.calls.reports()} == {"success"}
        await worker.stop()

    run_async(scenario())


def test_a_report_that_is_refused_alone_does_not_stop_others() -> None:
    async def scenario() -> None:
        def refuse(request: v1.ReportTasksRequest) -> Any:
            if any(millpond.from_value(report.success.output) == "b" for report in request.reports):
                raise BAD
            return take_reports(request)

        async def handler(context: TaskContext) -> str:
            return context.task.task_id

        worker = await begin(handler, "a", "b", "c", answers={_methods.REPORT_TASKS: refuse})
        await eventually_async(lambda: worker.engine.running == 0)
        sent = [[report.task_id for report in request.reports] for request in worker.calls.of(_methods.REPORT_TASKS)]
        assert sent == [["a", "b", "c"], ["a"], ["b"], ["c"], ["b"]]
        failure = worker.calls.reports()[-1].failure
        assert (failure.code, failure.non_retryable) == ("OUTPUT_REFUSED", True)
        assert "too large" in failure.message
        await worker.stop()

    run_async(scenario())


def test_an_output_that_the_server_does_not_take_fails_the_task() -> None:
    async def scenario() -> None:
        async def handler(_: TaskContext) -> str:
            return "x"

        invalid = item_error(v1.ErrorReason.ERROR_REASON_INVALID_FIELD, "output is too large")
        worker = await begin(handler, answers={_methods.REPORT_TASKS: Script(answering(invalid), take_reports)})
        await eventually_async(lambda: worker.engine.running == 0)
        assert worker.calls.reports()[1].failure.code == "OUTPUT_REFUSED"
        assert "INVALID_FIELD" in worker.errors[0]
        await worker.stop()

    run_async(scenario())


def test_a_refusal_for_a_reason_of_a_later_version_ends_the_attempt() -> None:
    async def scenario() -> None:
        later: Any = 9_999
        refusal = item_error(later)
        worker = await begin(nothing, "a", "b", answers={_methods.REPORT_TASKS: answering(refusal, refusal)})
        await eventually_async(lambda: worker.engine.running == 0)
        assert worker.errors == [f"report on task {task_id} refused: 9999: no" for task_id in "ab"]
        await worker.stop()

    run_async(scenario())


def test_details_that_the_server_does_not_take_are_left_out() -> None:
    async def scenario() -> None:
        async def handler(_: TaskContext) -> None:
            raise millpond.TaskError("busy", code="BUSY", details={"large": True}, retry_delay=timedelta(seconds=1))

        invalid = item_error(v1.ErrorReason.ERROR_REASON_INVALID_FIELD)
        worker = await begin(handler, answers={_methods.REPORT_TASKS: Script(answering(invalid), answering(invalid))})
        await eventually_async(lambda: worker.engine.running == 0)
        first, second = (report.failure for report in worker.calls.reports())
        assert first.HasField("details")
        assert not second.HasField("details")
        assert (second.message, second.code, second.retry_delay.seconds) == ("busy", "BUSY", 1)
        await worker.stop()

    run_async(scenario())


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INTERNAL])
def test_a_refusal_that_does_not_blame_the_output_does_not_fail_the_task(code: grpc.StatusCode) -> None:
    async def scenario() -> None:
        worker = await begin(nothing, answers={_methods.REPORT_TASKS: raising(MillpondError(code, "no"))})
        await eventually_async(lambda: worker.engine.running == 0)
        assert [report.WhichOneof("report") for report in worker.calls.reports()] == ["success"]
        assert worker.errors == [f"{code.name}: no"]
        await worker.stop()

    run_async(scenario())


def test_an_answer_that_was_lost_is_no_complaint() -> None:
    async def scenario() -> None:
        worker = await begin(
            nothing, answers={_methods.REPORT_TASKS: answering(item_error(v1.ErrorReason.ERROR_REASON_TASK_ENDED))}
        )
        await eventually_async(lambda: worker.calls.reports() and worker.engine.running == 0)
        assert worker.errors == []
        await worker.stop()

    run_async(scenario())


def test_a_handler_that_is_cancelled_by_something_else_fails() -> None:
    async def scenario() -> None:
        async def handler(_: TaskContext) -> None:
            raise asyncio.CancelledError

        worker = await begin(handler)
        await eventually_async(worker.calls.reports)
        failure = worker.calls.reports()[0].failure
        assert failure.code == ""
        assert "cancelled by something else" in failure.message
        await worker.stop()

    run_async(scenario())


@pytest.mark.parametrize("error", [SystemExit("gone"), RuntimeError("gone"), GeneratorExit("gone")])
def test_whatever_a_handler_raises_is_its_failure(error: BaseException) -> None:
    async def scenario() -> None:
        async def handler(_: TaskContext) -> None:
            raise error

        worker = await begin(handler)
        await eventually_async(worker.calls.reports)
        assert worker.calls.reports()[0].failure.message == "gone"
        await worker.stop()

    run_async(scenario())

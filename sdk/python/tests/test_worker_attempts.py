"""What becomes of attempts: reports, logs, counts, leases, cancellation and stopping."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import millpond
from millpond import AbortReason, MillpondError, _methods, v1
from millpond._worker import engine as engine_module
from millpond._worker import log_queue
from scripted_calls import Script, Worker, assignment, raising, take_reports, wait_forever
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from millpond._methods import Method
    from millpond.aio import TaskContext

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")
LATE = MillpondError(grpc.StatusCode.DEADLINE_EXCEEDED, "late")
BAD = MillpondError(grpc.StatusCode.INVALID_ARGUMENT, "too large")


async def settle() -> None:
    """Let everything happen that happens without time."""
    for _ in range(50):
        await asyncio.sleep(0)


async def begin(
    handler: Callable[[TaskContext], Awaitable[object]],
    *task_ids: str,
    answers: Mapping[Method[Any, Any], Callable[[Any], Any]] | None = None,
    **options: Any,
) -> Worker:
    """Make a worker whose handler has been given tasks."""
    worker = Worker({"k": handler}, **options)
    for method, behaviour in (answers or {}).items():
        worker.calls.on(method, behaviour)
    await settle()
    worker.calls.stream.welcome()
    worker.calls.stream.assign(*(assignment(task_id) for task_id in task_ids or ("a",)))
    await eventually_async(lambda: worker.begun == len(task_ids or ("a",)))
    return worker


def item_error(reason: v1.ErrorReason, message: str = "no") -> v1.ReportResult:
    return v1.ReportResult(error=v1.ItemError(reason=reason, message=message))


def answering(*results: v1.ReportResult) -> Callable[[Any], Any]:
    return lambda _: v1.ReportTasksResponse(results=results)


async def hold(_: TaskContext) -> None:
    await asyncio.Event().wait()


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


async def aborted_by(worker_of: Callable[[Any], Awaitable[Worker]], act: Callable[[Worker], object]) -> list[Any]:
    """Begin a handler that holds, do something, and answer why it was cancelled."""
    reasons: list[Any] = []

    async def handler(context: TaskContext) -> None:
        assert context.reason is None
        try:
            await asyncio.Event().wait()
        finally:
            reasons.append(context.reason)

    worker = await worker_of(handler)
    await eventually_async(lambda: worker.engine.running == 1)
    await settle()
    act(worker)
    await eventually_async(lambda: worker.engine.running == 0)
    assert worker.calls.reports() == []
    await worker.stop()
    return reasons


def test_a_canceled_attempt_is_told_so_and_nothing_is_reported() -> None:
    def cancel(worker: Worker) -> None:
        worker.calls.stream.say(cancel=v1.CancelAttempt(task_id="a", attempt=1, reason="not needed"))

    async def scenario() -> None:
        assert await aborted_by(begin, cancel) == [AbortReason.CANCEL_REQUESTED]

    run_async(scenario())


def test_an_attempt_whose_lease_is_lost_is_told_so() -> None:
    def lose(worker: Worker) -> None:
        worker.calls.stream.say(lease_lost=v1.LeaseLost(lease=v1.LeaseRef(task_id="a", attempt=1)))

    async def scenario() -> None:
        assert await aborted_by(begin, lose) == [AbortReason.LEASE_LOST]

    run_async(scenario())


def test_what_is_said_of_another_attempt_is_not_heeded() -> None:
    async def scenario() -> None:
        worker = await begin(hold)
        await settle()
        worker.calls.stream.say(cancel=v1.CancelAttempt(task_id="a", attempt=2))
        worker.calls.stream.say(lease_lost=v1.LeaseLost(lease=v1.LeaseRef(task_id="b", attempt=1)))
        await settle()
        assert worker.engine.running == 1
        worker.calls.stream.say(cancel=v1.CancelAttempt(task_id="a", attempt=1))
        await worker.stop()

    run_async(scenario())


async def claimed(handler: Any, **options: Any) -> Worker:
    """Make a worker without a stream that has claimed a task."""
    worker = Worker({"k": handler}, stream=False, slots=1, **options)
    given = v1.ClaimTasksResponse(assignments=[assignment("a")])
    worker.calls.on(_methods.CLAIM_TASKS, Script(lambda _: given, wait_forever))
    return worker


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (v1.LeaseResult(cancel_requested=True), AbortReason.CANCEL_REQUESTED),
        (
            v1.LeaseResult(error=v1.ItemError(reason=v1.ErrorReason.ERROR_REASON_STALE_ATTEMPT)),
            AbortReason.LEASE_LOST,
        ),
    ],
)
def test_extending_a_lease_tells_of_its_end(result: v1.LeaseResult, reason: AbortReason) -> None:
    async def worker_of(handler: Any) -> Worker:
        worker = await claimed(handler, lease=0.4)
        worker.calls.on(_methods.EXTEND_LEASES, lambda _: v1.ExtendLeasesResponse(results=[result]))
        return worker

    async def scenario() -> None:
        assert await aborted_by(worker_of, lambda _: None) == [reason]

    run_async(scenario())


def test_a_lease_that_may_have_run_out_counts_as_lost() -> None:
    async def worker_of(handler: Any) -> Worker:
        worker = await claimed(handler, lease=0.4)
        worker.calls.on(_methods.EXTEND_LEASES, raising(AWAY))
        return worker

    async def scenario() -> None:
        assert await aborted_by(worker_of, lambda _: None) == [AbortReason.LEASE_LOST]

    run_async(scenario())


def test_a_lease_that_is_extended_is_kept() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def handler(_: TaskContext) -> None:
            await gate.wait()

        worker = await claimed(handler, lease=0.2)
        kept = v1.ExtendLeasesResponse(results=[v1.LeaseResult()])
        worker.calls.on(_methods.EXTEND_LEASES, lambda _: kept)
        await eventually_async(lambda: len(worker.calls.of(_methods.EXTEND_LEASES)) == 8)
        request = worker.calls.of(_methods.EXTEND_LEASES)[0]
        assert (request.worker_id, list(request.leases)) == ("w", [v1.LeaseRef(task_id="a", attempt=1)])
        assert request.lease.ToMilliseconds() == 200
        gate.set()
        await eventually_async(worker.calls.reports)
        assert worker.calls.reports()[0].HasField("success")
        await worker.stop()

    run_async(scenario())


def test_heartbeats_of_the_stream_come_as_often_as_the_server_says() -> None:
    async def scenario() -> None:
        worker = Worker({"k": hold})
        await settle()
        worker.calls.stream.welcome(heartbeat=0.01)
        await eventually_async(lambda: worker.calls.stream.kinds_sent().count("heartbeat") == 5)
        assert worker.calls.of(_methods.EXTEND_LEASES) == []
        await worker.stop()

    run_async(scenario())


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

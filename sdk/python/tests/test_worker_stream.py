"""How a worker takes tasks: by its stream, and by calls where none passes."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from millpond import MillpondError, _methods, v1
from millpond._worker import connection as connection_module
from millpond._worker.work_stream import stream_retry_delay
from scripted_calls import Script, Worker, assignment, raising, settle, wait_forever
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    from millpond.aio import TaskContext

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")
UNKNOWN = MillpondError(grpc.StatusCode.UNIMPLEMENTED, "no such method")


class Gate:
    """A handler that goes on when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.started: list[str] = []

    async def __call__(self, context: TaskContext) -> None:
        self.started.append(context.task.task_id)
        await self.open.wait()


def test_hello_comes_first_then_a_heartbeat_and_credit_for_the_slots() -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()}, slots=3, labels={"site": "7"})
        await settle()
        stream = worker.calls.stream
        hello = v1.WorkerHello(worker_id="w", kinds=["k"], slots=3, labels={"site": "7"})
        assert [request.hello for request in stream.sent] == [hello]
        stream.welcome()
        await settle()
        assert stream.kinds_sent() == ["hello", "heartbeat", "credit"]
        assert stream.credit == 3
        await worker.stop()

    run_async(scenario())


def test_credit_follows_the_free_slots() -> None:
    async def scenario() -> None:
        gate = Gate()
        worker = Worker({"k": gate}, slots=2)
        await settle()
        stream = worker.calls.stream
        stream.welcome()
        stream.assign(assignment("a"), assignment("b"))
        await settle()
        assert gate.started == ["a", "b"]
        assert stream.credit == 2
        gate.open.set()
        await settle()
        assert stream.credit == 4
        assert stream.sent[-1].credit.tasks == 2
        await worker.stop()

    run_async(scenario())


def test_as_many_reports_may_be_on_their_way_as_there_are_slots() -> None:
    async def scenario() -> None:
        gate = Gate()
        gate.open.set()
        worker = Worker({"k": gate}, slots=2)
        worker.calls.on(_methods.REPORT_TASKS, wait_forever)
        await settle()
        stream = worker.calls.stream
        stream.welcome()
        for name in ("a", "b", "c", "d"):
            stream.assign(assignment(name))
            await settle()
        assert worker.engine.running == 4
        # Four were given and used; no slot is free before a report is answered.
        assert stream.credit == 4
        worker.life.cancel()
        await asyncio.wait([worker.life])

    run_async(scenario())


def test_an_attempt_that_is_assigned_twice_runs_once() -> None:
    async def scenario() -> None:
        gate = Gate()
        worker = Worker({"k": gate})
        await settle()
        worker.calls.stream.welcome()
        worker.calls.stream.assign(assignment("a"), assignment("a"))
        await settle()
        assert gate.started == ["a"]
        gate.open.set()
        await worker.stop()
        assert len(worker.calls.reports()) == 1

    run_async(scenario())


def test_a_stream_that_breaks_is_made_anew_with_what_is_under_way() -> None:
    async def scenario() -> None:
        gate = Gate()
        worker = Worker({"k": gate}, slots=2)
        await settle()
        worker.calls.stream.welcome()
        worker.calls.stream.assign(assignment("a", attempt=3))
        await settle()
        worker.calls.stream.end(AWAY)
        await eventually_async(lambda: len(worker.calls.streams) == 2)
        stream = worker.calls.stream
        stream.welcome()
        await settle()
        assert stream.kinds_sent() == ["hello", "heartbeat", "credit"]
        assert list(stream.sent[1].heartbeat.leases) == [v1.LeaseRef(task_id="a", attempt=3)]
        assert stream.credit == 1
        assert worker.errors == ["UNAVAILABLE: away"]
        gate.open.set()
        await worker.stop()

    run_async(scenario())


def test_a_server_that_drains_is_left_without_a_complaint() -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()})
        await settle()
        first = worker.calls.stream
        first.is_polite = False
        first.welcome()
        first.say(drain=v1.ServerDrain())
        await settle()
        assert first.has_ended_sending
        assert worker.engine.free() == 10
        first.end(AWAY)
        await eventually_async(lambda: len(worker.calls.streams) == 2)
        assert worker.errors == []
        await worker.stop()

    run_async(scenario())


def test_leases_are_extended_by_calls_while_the_server_drains() -> None:
    async def scenario() -> None:
        gate = Gate()
        worker = Worker({"k": gate}, lease=0.2)
        await settle()
        stream = worker.calls.stream
        stream.is_polite = False
        stream.welcome(lease=30)
        stream.assign(assignment("a"))
        stream.say(drain=v1.ServerDrain())
        await eventually_async(lambda: worker.calls.of(_methods.EXTEND_LEASES))
        gate.open.set()
        stream.end()
        await worker.stop()

    run_async(scenario())


def test_a_silent_stream_is_made_anew() -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()}, silence_max=0.05)
        await settle()
        worker.calls.stream.welcome()
        await eventually_async(lambda: len(worker.calls.streams) == 2)
        assert worker.calls.streams[0].is_closed
        assert worker.errors == ["UNAVAILABLE: no message came within 0.05 s"]
        await worker.stop()

    run_async(scenario())


def test_without_a_welcome_tasks_are_claimed_by_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_WELCOME_SECONDS", 0.05)

    async def scenario() -> None:
        worker = Worker({"k": Gate()}, slots=3)
        assert worker.calls.of(_methods.CLAIM_TASKS) == []
        await eventually_async(lambda: len(worker.calls.of(_methods.CLAIM_TASKS)) == 2)
        assert worker.calls.streams[0].is_closed
        assert sum(request.max_tasks for request in worker.calls.of(_methods.CLAIM_TASKS)) == 3
        await worker.stop()

    run_async(scenario())


def test_the_stream_is_tried_again_and_claims_end() -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()}, slots=2, stream_retry=0.01)
        await settle()
        worker.calls.stream.end(UNKNOWN)
        await eventually_async(lambda: worker.calls.of(_methods.CLAIM_TASKS))
        await eventually_async(lambda: len(worker.calls.streams) == 2)
        worker.calls.stream.welcome()
        await settle()
        # What claims under way may still bring is not asked for again.
        assert worker.calls.stream.credit == 0
        await worker.stop()

    run_async(scenario())


def test_slots_that_a_claim_has_not_filled_go_to_the_stream() -> None:
    async def scenario() -> None:
        answers: list[asyncio.Future[v1.ClaimTasksResponse]] = []

        async def claim(_: v1.ClaimTasksRequest) -> v1.ClaimTasksResponse:
            answers.append(asyncio.get_running_loop().create_future())
            return await answers[-1]

        gate = Gate()
        worker = Worker({"k": gate}, slots=4, stream_retry=0.01)
        worker.calls.on(_methods.CLAIM_TASKS, claim)
        await settle()
        worker.calls.stream.end(UNKNOWN)
        await eventually_async(lambda: len(answers) == 2 and len(worker.calls.streams) == 2)
        worker.calls.stream.welcome()
        await settle()
        for answer in answers:
            answer.set_result(v1.ClaimTasksResponse(assignments=[assignment(f"t{answers.index(answer)}")]))
        await settle()
        assert gate.started == ["t0", "t1"]
        assert worker.calls.stream.credit == 2
        assert len(answers) == 2
        gate.open.set()
        await worker.stop()

    run_async(scenario())


def test_five_failures_in_a_row_mean_that_no_stream_passes_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()})
        await settle()
        worker.calls.stream.welcome()
        await settle()
        # Only now: the first one is not to be late, however busy the machine.
        monkeypatch.setattr(connection_module, "_WELCOME_SECONDS", 0.01)
        worker.calls.stream.end(AWAY)
        await eventually_async(lambda: worker.calls.of(_methods.CLAIM_TASKS))
        assert len(worker.calls.streams) == 5
        await worker.stop()

    run_async(scenario())


def test_a_server_that_is_away_is_waited_for() -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()})
        for number in range(6):
            await eventually_async(lambda number=number: len(worker.calls.streams) == number + 1)  # type: ignore[misc]
            worker.calls.stream.end(AWAY)
        assert worker.calls.of(_methods.CLAIM_TASKS) == []
        await worker.stop()

    run_async(scenario())


@pytest.mark.parametrize(
    "error",
    [
        MillpondError(grpc.StatusCode.INVALID_ARGUMENT, "bad"),
        MillpondError(grpc.StatusCode.UNAUTHENTICATED, "who?"),
        MillpondError(grpc.StatusCode.PERMISSION_DENIED, "no"),
        MillpondError(grpc.StatusCode.FAILED_PRECONDITION, "the client is closed"),
        MillpondError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "another one",
            reason=v1.ErrorReason.ERROR_REASON_LEASE_LOST,
            metadata={"worker_id": "w"},
        ),
    ],
)
def test_a_worker_that_is_refused_for_good_ends_with_the_error(error: MillpondError) -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()})
        await settle()
        worker.calls.stream.end(error)
        await worker.life
        assert worker.failures == [error]
        assert worker.errors == [str(error)]
        assert worker.calls.stream.is_closed

    run_async(scenario())


def test_who_was_silent_comes_back() -> None:
    silent = MillpondError(grpc.StatusCode.FAILED_PRECONDITION, "silent", reason=v1.ErrorReason.ERROR_REASON_LEASE_LOST)

    async def scenario() -> None:
        worker = Worker({"k": Gate()})
        await settle()
        worker.calls.stream.welcome()
        await settle()
        worker.calls.stream.end(silent)
        await eventually_async(lambda: len(worker.calls.streams) == 2)
        assert worker.failures == []
        await worker.stop()

    run_async(scenario())


def test_a_claim_that_is_refused_for_good_ends_the_worker() -> None:
    refused = MillpondError(grpc.StatusCode.UNAUTHENTICATED, "who?")

    async def scenario() -> None:
        worker = Worker({"k": Gate()}, stream=False)
        worker.calls.on(_methods.CLAIM_TASKS, raising(refused))
        await worker.life
        assert worker.failures == [refused]
        assert worker.calls.streams == []

    run_async(scenario())


def test_claims_go_on_while_the_server_is_away() -> None:
    def tasks(_: v1.ClaimTasksRequest) -> v1.ClaimTasksResponse:
        return v1.ClaimTasksResponse(assignments=[assignment("a")])

    async def scenario() -> None:
        gate = Gate()
        worker = Worker({"k": gate}, slots=1, stream=False)
        worker.calls.on(_methods.CLAIM_TASKS, Script(raising(AWAY), raising(AWAY), tasks, wait_forever))
        await eventually_async(lambda: gate.started == ["a"])
        assert worker.errors == ["UNAVAILABLE: away"] * 2
        gate.open.set()
        await worker.stop()

    run_async(scenario())


def test_claims_ask_for_the_free_slots_and_never_for_more() -> None:
    asked: list[int] = []

    async def scenario() -> None:
        gate = Gate()

        async def claim(request: v1.ClaimTasksRequest) -> Any:
            asked.append(request.max_tasks)
            if len(asked) == 1:
                return v1.ClaimTasksResponse(assignments=[assignment("a"), assignment("b")])
            return await wait_forever(request)

        worker = Worker({"k": gate}, slots=5, stream=False)
        worker.calls.on(_methods.CLAIM_TASKS, claim)
        await settle()
        # Three, and two by the other; when the three have brought two, one slot is free.
        assert asked == [3, 2, 1]
        assert math.fsum(asked[1:]) + len(gate.started) == 5
        gate.open.set()
        await worker.stop()

    run_async(scenario())


def test_a_claim_never_asks_for_more_than_one_call_may_bring() -> None:
    async def scenario() -> None:
        worker = Worker({"k": Gate()}, slots=2_500, stream=False)
        await settle()
        assert [request.max_tasks for request in worker.calls.of(_methods.CLAIM_TASKS)] == [1_000, 1_000]
        await worker.stop()

    run_async(scenario())


def test_the_pause_before_the_stream_is_tried_again_doubles_up_to_twenty_times() -> None:
    assert [stream_retry_delay(30, misses) for misses in range(7)] == [30, 60, 120, 240, 480, 600, 600]
    assert stream_retry_delay(30, 10_000) == 600

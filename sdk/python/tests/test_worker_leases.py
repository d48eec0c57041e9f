"""Attempts that are canceled or lost, and leases that are kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from millpond import AbortReason, MillpondError, _methods, v1
from scripted_calls import Script, Worker, assignment, begin, raising, settle, wait_forever
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.aio import TaskContext

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")


async def hold(_: TaskContext) -> None:
    await asyncio.Event().wait()


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

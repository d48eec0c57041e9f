"""Takes tasks, has them executed, and reports what became of them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc

from millpond import v1
from millpond._worker.attempt import Attempt
from millpond._worker.claim_loop import WAIT_SECONDS, ClaimLoop
from millpond._worker.count_queue import CountQueue
from millpond._worker.errors import AbortReason
from millpond._worker.lease_keeper import LeaseKeeper
from millpond._worker.log_queue import LogQueue
from millpond._worker.outcome import report_instead_of
from millpond._worker.posting import post
from millpond._worker.report_queue import ReportEntry, ReportQueue
from millpond._worker.work_stream import WorkStream
from millpond.errors import MillpondError, reason_name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from millpond._worker.log_queue import LogLevelName
    from millpond._worker.options import WorkerOptions
    from millpond._worker.persistence import WorkerCalls

# How long aborted handlers and their reports may take before the worker ends without them.
_ABANDON_SECONDS = 5.0
# The share of a lease that is counted on when it comes: it began before, and the clocks cannot be compared.
_LEASE_SHARE = 2 / 3
_STOPS = "the worker stops"
# Refusals of a call that blame what the reports hold.
_CONTENT_CODES = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.RESOURCE_EXHAUSTED}
)


class Engine:
    """A worker's life, in the loop that makes it: from ``run`` until it has been told to stop and has stopped."""

    def __init__(
        self,
        calls: WorkerCalls,
        options: WorkerOptions,
        kinds: Collection[str],
        execute: Callable[[Attempt, Engine], object],
    ) -> None:
        """Make one. ``execute`` begins the handler of an attempt, which ends by ``handler_ended``."""
        self._options = options
        self._kinds = kinds
        self._execute = execute
        self._loop = asyncio.get_running_loop()
        # Attempts until their closing report is answered.
        self._running: dict[tuple[str, int], Attempt] = {}
        # The number of those whose handler has not ended.
        self._executing = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_aborting = False
        # Nothing is sent any more.
        self._is_over = False
        self._stop_requested = asyncio.Event()
        # Closing reports that wait for what was logged or counted.
        self._closing: set[asyncio.Task[None]] = set()
        self._reports = ReportQueue(calls, on_error=options.tell, on_answer=self._answered, on_refusal=self._refused)
        self._logs = LogQueue(calls, options.tell)
        self._counts = CountQueue(calls, options.tell)
        self._stream = WorkStream(
            calls,
            v1.WorkerHello(worker_id=options.worker_id, kinds=kinds, labels=options.labels, slots=options.slots),
            connection_listener=self,
            listener=self,
            retry=options.stream_retry,
            silence_max=options.silence_max,
        )
        self._claims = ClaimLoop(
            calls,
            request=self._claim_request,
            free=self._free_slots,
            on_assignments=lambda response: self.on_assignments(response.assignments, options.lease),
            on_asked_less=self._stream.slots_changed,
            on_error=options.tell,
        )
        self._leases = LeaseKeeper(
            calls,
            options.worker_id,
            options.lease,
            attempts=self._running.values,
            heartbeat=self._heartbeat,
            on_error=options.tell,
        )

    @property
    def running(self) -> int:
        """The number of attempts under way."""
        return len(self._running)

    def request_stop(self) -> None:
        """Have it take no more tasks from now on, and stop. Harmless when it stops, or has stopped."""
        self._stop_requested.set()
        self._claims.stop()
        self._stream.drain()

    async def run(self, on_failed: Callable[[Exception], object]) -> None:
        """Take tasks until it is told to stop, then stop.

        When the server refuses it for good, ``on_failed`` is told so at once, and it stops.
        """
        leases = asyncio.create_task(self._leases.run())
        taking = [asyncio.create_task(self._claims.run())]
        if self._options.stream:
            self._claims.pause()
            taking.append(asyncio.create_task(self._stream.run()))
        stop = asyncio.create_task(self._stop_requested.wait())
        try:
            done, _ = await asyncio.wait([*taking, leases, stop], return_when=asyncio.FIRST_COMPLETED)
            for error in (task.exception() for task in done):
                if isinstance(error, Exception):
                    self._options.tell(error)
                    on_failed(error)
            self.request_stop()
            await self._stop(taking)
        finally:
            self._is_over = True
            await _cancel_all([leases, stop, *taking, *self._closing])
            await self._counts.close()
            await self._logs.close()
            await self._reports.close()

    def handler_ended(self, attempt: Attempt, report: v1.TaskReport) -> None:
        """Learn how the handler of an attempt has ended."""
        if self._is_over:
            return
        # The slot is free while the report is on its way: what it makes ready can be handed out in its commit. As many
        # may be on their way as there are slots.
        self._executing -= 1
        self._slots_changed()
        if not self._logs.holds(attempt) and not self._counts.holds(attempt):
            self._close(attempt, report)
            return
        closing = asyncio.create_task(self._close_behind(attempt, report))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def heartbeat(self, attempt: Attempt, report: v1.TaskReport, on_done: Callable[[], object]) -> None:
        """Send a report that the work goes on. By any thread."""
        post(self._loop, self._add_heartbeat, ReportEntry(attempt, report, on_done))

    def log(self, attempt: Attempt, level: LogLevelName, message: object) -> None:
        """Take a line of log. By any thread."""
        if not self._is_over:
            self._logs.add(attempt, level, message)

    def count(self, attempt: Attempt, success: int, failure: int) -> None:
        """Add to the counters of a task. By any thread."""
        if not self._is_over:
            self._counts.add(attempt, success, failure)

    def free(self) -> int:
        """Answer the slots that the stream may fill: claims that were under way may bring tasks, too."""
        return self._free_slots() - self._claims.asked

    def on_welcome(self, heartbeat_seconds: float) -> None:
        """Take tasks by the stream, and extend leases by it."""
        self._claims.pause()
        self._leases.every(heartbeat_seconds)

    def on_no_stream(self) -> None:
        """Take tasks by calls."""
        self._claims.resume()

    def on_assignments(self, assignments: Sequence[v1.Assignment], lease: float) -> None:
        """Begin tasks."""
        expires_at = time.monotonic() + lease * _LEASE_SHARE
        for assignment in assignments:
            self._begin(assignment, expires_at)

    def on_cancel(self, cancel: v1.CancelAttempt) -> None:
        """Abort an attempt that is to stop."""
        attempt = self._running.get((cancel.task_id, cancel.attempt))
        if attempt is not None:
            message = cancel.reason or "the server asked to stop the attempt"
            attempt.abort(AbortReason.CANCEL_REQUESTED, message)

    def on_lease_lost(self, lease: v1.LeaseRef) -> None:
        """Abort an attempt that is no longer the worker's."""
        attempt = self._running.get((lease.task_id, lease.attempt))
        if attempt is not None:
            attempt.abort(AbortReason.LEASE_LOST, "the attempt is no longer this worker's")

    def on_error(self, error: Exception) -> None:
        """Tell the error listener."""
        self._options.tell(error)

    def _free_slots(self) -> int:
        slots = self._options.slots
        return slots - max(self._executing, len(self._running) - slots)

    def _slots_changed(self) -> None:
        self._stream.slots_changed()
        self._claims.slots_changed()

    def _claim_request(self, max_tasks: int) -> v1.ClaimTasksRequest:
        return v1.ClaimTasksRequest(
            worker_id=self._options.worker_id,
            kinds=self._kinds,
            labels=self._options.labels,
            max_tasks=max_tasks,
            wait_timeout=timedelta(seconds=WAIT_SECONDS),
            lease=timedelta(seconds=self._options.lease),
        )

    def _heartbeat(self, attempts: Collection[Attempt]) -> float | None:
        lease = self._stream.lease
        if lease is not None:
            self._stream.heartbeat([attempt.lease for attempt in attempts])
        return lease

    def _begin(self, assignment: v1.Assignment, lease_expires_at: float) -> None:
        attempt = Attempt(assignment, lease_expires_at)
        if attempt.key in self._running:
            return
        self._running[attempt.key] = attempt
        self._is_idle.clear()
        self._executing += 1
        self._execute(attempt, self)
        if self._is_aborting:
            attempt.abort(AbortReason.WORKER_STOPPED, _STOPS)

    async def _close_behind(self, attempt: Attempt, report: v1.TaskReport) -> None:
        """Report when what was counted and logged is in: a task that has ended takes no counts."""
        try:
            if not attempt.is_disowned:
                await self._counts.finish(attempt)
            await self._logs.finish(attempt)
        except asyncio.CancelledError:
            self._options.tell(RuntimeError(f"the report on task {attempt.task_id} was given up unsent"))
            raise
        self._close(attempt, report)

    def _close(self, attempt: Attempt, report: v1.TaskReport) -> None:
        if attempt.is_disowned:
            self._ended(attempt)
        else:
            self._reports.add(ReportEntry(attempt, report))

    def _ended(self, attempt: Attempt) -> None:
        del self._running[attempt.key]
        self._slots_changed()
        if not self._running:
            self._is_idle.set()

    def _add_heartbeat(self, entry: ReportEntry) -> None:
        if self._is_over:
            self._done(entry)
        else:
            self._reports.add(entry)

    def _answered(self, entry: ReportEntry, result: v1.ReportResult) -> None:
        attempt = entry.attempt
        if result.cancel_requested:
            attempt.abort(AbortReason.CANCEL_REQUESTED, "the server asked to stop the attempt")
        if result.WhichOneof("result") != "error":
            self._done(entry)
        elif result.error.reason == v1.ErrorReason.ERROR_REASON_TASK_ENDED:
            # Of a closing report: its first answer was lost. Of a heartbeat: somebody else ended the task.
            attempt.abort(AbortReason.CANCEL_REQUESTED, result.error.message)
            self._done(entry)
        else:
            self._report_failed(entry, result.error)

    def _report_failed(self, entry: ReportEntry, error: v1.ItemError) -> None:
        attempt = entry.attempt
        reason = reason_name_of(error.reason)
        self._options.tell(RuntimeError(f"report on task {attempt.task_id} refused: {reason}: {error.message}"))
        if reason in {"STALE_ATTEMPT", "LEASE_LOST"}:
            attempt.abort(AbortReason.LEASE_LOST, error.message)
        if reason == "INVALID_FIELD":
            self._report_instead(entry, error.message)
        else:
            self._done(entry)

    def _refused(self, entry: ReportEntry, error: Exception) -> None:
        self._options.tell(error)
        if isinstance(error, MillpondError) and error.code in _CONTENT_CODES:
            self._report_instead(entry, error.message)
        else:
            self._done(entry)

    def _report_instead(self, entry: ReportEntry, refusal: str) -> None:
        """Report what is left to say: at most twice, as each time something is left out."""
        report = None if entry.on_done else report_instead_of(entry.attempt, entry.report, refusal)
        if report is None:
            self._done(entry)
        else:
            self._reports.add(ReportEntry(entry.attempt, report))

    def _done(self, entry: ReportEntry) -> None:
        if entry.on_done is not None:
            entry.on_done()
        else:
            self._ended(entry.attempt)

    async def _stop(self, taking: list[asyncio.Task[None]]) -> None:
        drained = asyncio.create_task(self._drained(taking))
        try:
            done, _ = await asyncio.wait([drained], timeout=self._options.stop_grace)
            if done:
                return
            self._is_aborting = True
            for attempt in list(self._running.values()):
                attempt.abort(AbortReason.WORKER_STOPPED, _STOPS)
            await asyncio.wait([drained], timeout=_ABANDON_SECONDS)
        finally:
            await _cancel_all([drained])

    async def _drained(self, taking: list[asyncio.Task[None]]) -> None:
        """Wait until the last report is answered. What was on its way by the stream comes until that is closed."""
        await self._is_idle.wait()
        await self._stream.close()
        await asyncio.wait(taking)
        await self._is_idle.wait()
        await self._reports.flushed()


async def _cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            # It has been told, or comes too late to matter.
            task.exception()

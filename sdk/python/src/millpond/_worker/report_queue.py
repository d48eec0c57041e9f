"""Sends reports in few calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond import _methods, v1
from millpond._worker.persistence import persist
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond._worker.attempt import Attempt
    from millpond._worker.persistence import WorkerCalls

# Bounds of one ReportTasks call: the contract's number of reports, and bytes well below what servers accept.
_REPORTS_MAX = 1_000
_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class ReportEntry:
    """A report that waits to be sent, and whom it concerns."""

    attempt: Attempt
    report: v1.TaskReport
    on_done: Callable[[], object] | None = None
    """Of a heartbeat: is to be told when it is dealt with. Without it the report is a closing one."""


class ReportQueue:
    """Sends reports, one call at a time: what is reported meanwhile goes together into the next.

    So the reports of one attempt arrive in their order. While the server is away it goes on trying.
    """

    def __init__(
        self,
        calls: WorkerCalls,
        *,
        on_error: Callable[[Exception], object],
        on_answer: Callable[[ReportEntry, v1.ReportResult], object],
        on_refusal: Callable[[ReportEntry, Exception], object],
    ) -> None:
        self._calls = calls
        self._on_error = on_error
        self._on_answer = on_answer
        self._on_refusal = on_refusal
        self._waiting: list[ReportEntry] = []
        # In order, until each is answered.
        self._in_flight: dict[ReportEntry, None] = {}
        self._sending: asyncio.Task[None] | None = None

    def add(self, entry: ReportEntry) -> None:
        """Queue a report. Its answer goes to ``on_answer`` or ``on_refusal``."""
        self._waiting.append(entry)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())

    async def flushed(self) -> None:
        """Wait until nothing waits to be sent or answered."""
        while self._sending is not None:
            await asyncio.wait([self._sending])

    async def close(self) -> None:
        """Give up what has not been answered: says what is lost, and lets go of who waits."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        for entry in [*self._in_flight, *self._waiting]:
            if entry.on_done is not None:
                entry.on_done()
            else:
                self._on_error(RuntimeError(f"the report on task {entry.attempt.task_id} was given up unanswered"))
        self._in_flight.clear()
        self._waiting.clear()

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                # What ends in the same turn of the loop goes into the same call.
                await asyncio.sleep(0)
                batch = self._take_batch()
                self._in_flight = dict.fromkeys(batch)
                await self._send(batch)
        finally:
            self._sending = None

    def _take_batch(self) -> list[ReportEntry]:
        size = 0
        count = 0
        for entry in self._waiting[:_REPORTS_MAX]:
            size += entry.report.ByteSize()
            if count > 0 and size > _BYTES_MAX:
                break
            count += 1
        batch = self._waiting[:count]
        del self._waiting[:count]
        return batch

    async def _send(self, batch: list[ReportEntry]) -> None:
        request = v1.ReportTasksRequest(reports=[entry.report for entry in batch], brief=True)
        try:
            response = await persist(lambda: self._calls.unary(_methods.REPORT_TASKS, request, None), self._on_error)
        except MillpondError as error:
            await self._split(batch, error)
            return
        for index, entry in enumerate(batch):
            del self._in_flight[entry]
            if index < len(response.results):
                self._on_answer(entry, response.results[index])
            else:
                message = f"the server answered {len(response.results)} of {len(batch)} reports"
                self._on_refusal(entry, RuntimeError(message))

    async def _split(self, batch: list[ReportEntry], error: MillpondError) -> None:
        # The call was refused as a whole. One report may be to blame: each gets its own answer.
        if len(batch) == 1:
            del self._in_flight[batch[0]]
            self._on_refusal(batch[0], error)
            return
        for entry in batch:
            await self._send([entry])

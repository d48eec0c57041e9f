"""Sends what handlers count in few calls."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import TYPE_CHECKING

from millpond import _methods, v1
from millpond._worker.persistence import persist
from millpond._worker.posting import post
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond._worker.attempt import Attempt
    from millpond._worker.persistence import WorkerCalls

COUNT_MAX = 2**63 - 1
"""The largest number that one item of a call holds."""

_ITEMS_PER_CALL_MAX = 2_000


class CountQueue:
    """Sums up by task what is counted while a call is in flight; what waits goes into the next.

    Each count is added once, whatever connection breaks. A server that is away is waited for. ``add`` may be called by
    any thread: what waits is bounded by the number of tasks under way.
    """

    def __init__(self, calls: WorkerCalls, on_error: Callable[[Exception], object]) -> None:
        self._calls = calls
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        # Guards the sums, and who sees to them.
        self._lock = threading.Lock()
        self._sums: dict[str, tuple[int, int]] = {}
        self._is_begun = False
        self._in_flight: list[v1.CountDelta] = []
        self._sending: asyncio.Task[None] | None = None
        # Is set, and made anew, whenever a call has been answered.
        self._answered = asyncio.Event()

    def add(self, attempt: Attempt, success: int, failure: int) -> None:
        """Add to the counters of an attempt's task."""
        with self._lock:
            successes, failures = self._sums.get(attempt.task_id, (0, 0))
            self._sums[attempt.task_id] = (successes + success, failures + failure)
            is_idle = not self._is_begun
            self._is_begun = True
        if is_idle:
            post(self._loop, self._begin)

    def holds(self, attempt: Attempt) -> bool:
        """Tell whether counts of an attempt's task are not in yet."""
        return attempt.task_id in self._sums or any(delta.task_id == attempt.task_id for delta in self._in_flight)

    async def finish(self, attempt: Attempt) -> None:
        """Wait until what was counted for an attempt's task is in, or has been refused."""
        while self.holds(attempt):
            await self._answered.wait()

    async def close(self) -> None:
        """Give up what is not in; says what may be lost."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        lost = {delta.task_id for delta in self._in_flight} | self._sums.keys()
        for task_id in sorted(lost):
            self._on_error(RuntimeError(f"counts of task {task_id} may be lost"))

    def _begin(self) -> None:
        self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._take():
            await self._send()
            self._in_flight = []
            self._answered.set()
            self._answered = asyncio.Event()
        self._sending = None

    def _take(self) -> bool:
        """Take the counts of the next call; where there are none, have the next count begin anew."""
        with self._lock:
            for task_id in list(self._sums)[:_ITEMS_PER_CALL_MAX]:
                successes, failures = self._sums.pop(task_id)
                delta = v1.CountDelta(
                    task_id=task_id, success=min(successes, COUNT_MAX), failure=min(failures, COUNT_MAX)
                )
                self._in_flight.append(delta)
                if successes > COUNT_MAX or failures > COUNT_MAX:
                    self._sums[task_id] = (successes - delta.success, failures - delta.failure)
            self._is_begun = bool(self._in_flight)
            return self._is_begun

    async def _send(self) -> None:
        request = v1.AddCountsRequest(request_id=str(uuid.uuid4()), counts=self._in_flight)
        try:
            response = await persist(lambda: self._calls.unary(_methods.ADD_COUNTS, request, None), self._on_error)
        except MillpondError as error:
            self._on_error(error)
            return
        for rejection in response.rejections:
            task_id = request.counts[rejection.index].task_id
            self._on_error(RuntimeError(f"counts of task {task_id} refused: {rejection.error.message}"))

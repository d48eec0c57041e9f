"""Takes tasks by calls."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import grpc

from millpond import _methods, v1
from millpond._worker.persistence import BACKOFF
from millpond.errors import MillpondError
from millpond.repeats import pause_after_empty

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond._worker.persistence import WorkerCalls

# Claims that wait at the server at the same time: while the answer to one is on its way, another is there to be handed
# what becomes ready.
_CLAIMS_MAX = 2
# The contract's bound of one call. Free slots beyond it are claimed for once a claim has been answered.
_TASKS_PER_CALL_MAX = 1_000
WAIT_SECONDS = 30
"""How long a claim asks the server to wait for the first task."""
# Answers to a claim that will not change by asking again.
_FINAL_CODES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)


class ClaimLoop:
    """Keeps claims waiting at the server for as many tasks as there are free slots, never for more."""

    def __init__(
        self,
        calls: WorkerCalls,
        *,
        request: Callable[[int], v1.ClaimTasksRequest],
        free: Callable[[], int],
        on_assignments: Callable[[v1.ClaimTasksResponse], object],
        on_asked_less: Callable[[], object],
        on_error: Callable[[Exception], object],
    ) -> None:
        """Make one.

        ``free`` answers the number of slots that are free; ``on_asked_less`` is told when a claim under way may fill
        them no more.
        """
        self._calls = calls
        self._request = request
        self._free = free
        self._on_assignments = on_assignments
        self._on_asked_less = on_asked_less
        self._on_error = on_error
        self.asked = 0
        """Slots that claims under way may fill."""
        self._under_way: set[asyncio.Task[v1.ClaimTasksResponse]] = set()
        self._is_paused = False
        self._is_stopped = False
        self._changed = asyncio.Event()

    def pause(self) -> None:
        """Begin no more claims until ``resume``.

        Those under way may still bring tasks: what an answer brings that nobody takes is a lost attempt.
        """
        self._is_paused = True

    def resume(self) -> None:
        """Claim again."""
        self._is_paused = False
        self.slots_changed()

    def slots_changed(self) -> None:
        """Say that a slot may have become free."""
        self._changed.set()
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """Claim no more. What has been answered is still begun."""
        self._is_stopped = True
        for claim in self._under_way:
            claim.cancel()
        self.slots_changed()

    async def run(self) -> None:
        """Claim until it is stopped. Raises MillpondError when the server refuses for good."""
        keepers = [asyncio.create_task(self._keep_claiming()) for _ in range(_CLAIMS_MAX)]
        try:
            await asyncio.wait(keepers, return_when=asyncio.FIRST_EXCEPTION)
            self.stop()
            await asyncio.wait(keepers)
        finally:
            for keeper in keepers:
                keeper.cancel()
        for keeper in keepers:
            keeper.result()

    async def _keep_claiming(self) -> None:
        failures = 0
        while not self._is_stopped:
            free = self._free() - self.asked
            if self._is_paused or free <= 0:
                await self._changed.wait()
                # What becomes free in the same turn of the loop is claimed together.
                await asyncio.sleep(0)
                continue
            try:
                # Even shares, of which the last claim that is not under way takes what is left.
                share = math.ceil(free / (_CLAIMS_MAX - len(self._under_way)))
                await self._claim(min(share, _TASKS_PER_CALL_MAX))
                failures = 0
            except MillpondError as error:
                if error.code in _FINAL_CODES:
                    raise
                failures += 1
                self._on_error(error)
                await self._sleep(BACKOFF.backoff(failures))

    async def _claim(self, max_tasks: int) -> None:
        sent_at = time.monotonic()
        claim = asyncio.ensure_future(self._calls.unary(_methods.CLAIM_TASKS, self._request(max_tasks), None))
        self._under_way.add(claim)
        self.asked += max_tasks
        try:
            await asyncio.wait([claim])
        finally:
            claim.cancel()
            self._under_way.remove(claim)
            self.asked -= max_tasks
            self.slots_changed()
        try:
            response = v1.ClaimTasksResponse() if claim.cancelled() else claim.result()
            self._on_assignments(response)
        finally:
            self._on_asked_less()
        if not response.assignments:
            await self._sleep(pause_after_empty(time.monotonic() - sent_at))

    async def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_stopped and (left := deadline - time.monotonic()) > 0:
            waiting = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait([waiting], timeout=left)
            waiting.cancel()

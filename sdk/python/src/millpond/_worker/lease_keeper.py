"""Extends the leases of what is under way."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from millpond import _methods, v1
from millpond._worker.errors import AbortReason
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from millpond._worker.attempt import Attempt
    from millpond._worker.persistence import WorkerCalls

LEASES_MAX = 1_000
"""The leases of one message."""


class LeaseKeeper:
    """Extends the leases of all attempts: by heartbeats of the worker's stream, else every quarter of a lease by calls.

    One call that fails leaves time for another. An attempt is aborted when the server says so, and when its lease may
    have run out because the server was away.
    """

    def __init__(
        self,
        calls: WorkerCalls,
        worker_id: str,
        lease: float,
        *,
        attempts: Callable[[], Collection[Attempt]],
        heartbeat: Callable[[Collection[Attempt]], float | None],
        on_error: Callable[[Exception], object],
    ) -> None:
        """Make one. ``heartbeat`` answers how long leases last from now, or None where there is no stream for it."""
        self._calls = calls
        self._worker_id = worker_id
        self._lease = lease
        self._attempts = attempts
        self._heartbeat = heartbeat
        self._on_error = on_error
        self._interval = lease / 4
        self._due_at = time.monotonic() + self._interval
        self._changed = asyncio.Event()
        self._extending: asyncio.Task[None] | None = None

    def every(self, seconds: float) -> None:
        """Extend at once, and from then on so often: as a server asks for."""
        self._interval = min(seconds, self._lease / 4)
        self._due_at = time.monotonic() + self._interval
        self._changed.set()
        self.extend()

    async def run(self) -> None:
        """Extend until it is cancelled."""
        try:
            while True:
                await self._pause()
                self._abort_expired()
                if time.monotonic() >= self._due_at:
                    self._due_at = time.monotonic() + self._interval
                    self.extend()
        finally:
            if self._extending is not None:
                self._extending.cancel()

    def extend(self) -> None:
        """Extend every lease once; by calls only when none is in flight."""
        now = time.monotonic()
        attempts = [attempt for attempt in self._attempts() if not attempt.is_disowned]
        lease = self._heartbeat(attempts)
        if lease is not None:
            # What a heartbeat does not reach is told by the end of the stream, or by the next one.
            for attempt in attempts:
                attempt.lease_expires_at = now + lease
        elif attempts and self._extending is None:
            self._extending = asyncio.create_task(self._extend_by_calls(attempts))

    async def _pause(self) -> None:
        """Wait until an extension is due or a lease runs out."""
        expiries = (each.lease_expires_at for each in self._attempts() if each.aborted is None)
        wake_at = min(self._due_at, min(expiries, default=self._due_at))
        waiting = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([waiting], timeout=max(0.0, wake_at - time.monotonic()))
        finally:
            waiting.cancel()
        self._changed.clear()

    def _abort_expired(self) -> None:
        now = time.monotonic()
        for attempt in list(self._attempts()):
            if attempt.lease_expires_at <= now:
                attempt.abort(AbortReason.LEASE_LOST, "the lease ran out before it was extended")

    async def _extend_by_calls(self, attempts: list[Attempt]) -> None:
        try:
            for start in range(0, len(attempts), LEASES_MAX):
                await self._extend(attempts[start : start + LEASES_MAX])
        finally:
            self._extending = None

    async def _extend(self, attempts: list[Attempt]) -> None:
        sent_at = time.monotonic()
        request = v1.ExtendLeasesRequest(
            worker_id=self._worker_id,
            leases=[attempt.lease for attempt in attempts],
            lease=timedelta(seconds=self._lease),
        )
        try:
            response = await self._calls.unary(_methods.EXTEND_LEASES, request, self._lease)
        except MillpondError as error:
            self._on_error(error)
            return
        for attempt, result in zip(attempts, response.results, strict=False):
            if result.cancel_requested:
                attempt.abort(AbortReason.CANCEL_REQUESTED, "the server asked to stop the attempt")
            elif result.WhichOneof("result") == "error":
                attempt.abort(AbortReason.LEASE_LOST, result.error.message)
            else:
                attempt.lease_expires_at = sent_at + self._lease

"""One stream of a worker to a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import grpc

from millpond import v1
from millpond._worker.lease_keeper import LEASES_MAX
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond._failure_streak import FailureStreak
    from millpond._worker.persistence import WorkerCalls

# How long a welcome may take: a proxy that does not let messages through both ways never brings it.
_WELCOME_SECONDS = 5.0
_CREDIT_MAX = 10_000
_HEARTBEAT_SECONDS_DEFAULT = 10.0
CLOSE_SECONDS: Final = 5.0
"""How long the end of the stream may take once this side has ended it."""


class ConnectionListener(Protocol):
    """Who is told what the server says. Nothing of it raises."""

    def free(self) -> int:
        """Answer the number of slots that are free."""

    def on_welcome(self, heartbeat_seconds: float) -> None:
        """Learn that the stream takes tasks, and heartbeats, as often as that."""

    def on_assignments(self, assignments: Sequence[v1.Assignment], lease: float) -> None:
        """Get tasks to begin, whose leases last so many seconds from now, or from the next heartbeat."""

    def on_cancel(self, cancel: v1.CancelAttempt) -> None:
        """Learn that an attempt is to stop."""

    def on_lease_lost(self, lease: v1.LeaseRef) -> None:
        """Learn that an attempt is no longer the worker's."""


class Connection:
    """One stream: hello, then credit for free slots, never more."""

    def __init__(
        self,
        calls: WorkerCalls,
        hello: v1.WorkerHello,
        listener: ConnectionListener,
        *,
        streak: FailureStreak,
        silence_max: float,
    ) -> None:
        self._calls = calls
        self._hello = hello
        self._listener = listener
        self._streak = streak
        self._silence_max = silence_max
        self._call = calls.work()
        self._reading: asyncio.Future[v1.WorkResponse | None] | None = None
        self._ended = asyncio.Event()
        self._lease: float | None = None
        # Given and not used.
        self._credit = 0
        self._is_giving = False
        self._takes_tasks = True
        self._sends_no_more = False
        self.was_drained = False
        """The server stops: another stream is made."""
        self.is_late = False
        """No welcome came in time."""

    @property
    def lease(self) -> float | None:
        """The lease, in seconds, that heartbeats extend to; None: it takes none, not yet or no more."""
        return None if self._sends_no_more else self._lease

    @property
    def was_welcomed(self) -> bool:
        """Whether the server has taken the stream."""
        return self._lease is not None

    async def run(self) -> MillpondError | None:
        """Read to the end of the stream, and answer how it ended; None: without an error."""
        self._send(v1.WorkRequest(hello=self._hello))
        try:
            while (response := await self._receive()) is not None:
                self._take(response)
        except MillpondError as error:
            return error
        finally:
            self._end_sending()
            self._ended.set()
            await self._call.close()
        return None

    def slots_changed(self) -> None:
        """Say that a slot may have become free. What becomes free in the same turn of the loop is given together."""
        if self._is_giving or not self.was_welcomed:
            return
        self._is_giving = True
        asyncio.get_running_loop().call_soon(self._give)

    def heartbeat(self, leases: list[v1.LeaseRef]) -> None:
        """Say that the worker lives, and so do these attempts."""
        for start in range(0, len(leases) or 1, LEASES_MAX):
            part = leases[start : start + LEASES_MAX]
            self._send(v1.WorkRequest(heartbeat=v1.WorkerHeartbeat(leases=part)))

    def drain(self) -> None:
        """Take no more tasks."""
        if self._takes_tasks:
            self._takes_tasks = False
            self._send(v1.WorkRequest(drain=v1.WorkerDrain()))

    async def close(self, seconds: float) -> None:
        """End the stream, and wait so long for the server to end it, too.

        Without a welcome nothing can be on its way, and there is no waiting.
        """
        self._end_sending()
        waiting = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait([waiting], timeout=seconds if self.was_welcomed else 0)
        finally:
            waiting.cancel()
            if self._reading is not None:
                self._reading.cancel()

    async def _receive(self) -> v1.WorkResponse | None:
        seconds = self._silence_max if self.was_welcomed else _WELCOME_SECONDS
        self._reading = asyncio.ensure_future(self._call.receive())
        try:
            done, _ = await asyncio.wait([self._reading], timeout=seconds)
        finally:
            # The stream cannot be closed before whoever reads it has ended.
            if self._reading.cancel():
                await asyncio.wait([self._reading])
        if not done:
            # Whoever stands in between may keep a connection to a server that has gone.
            self.is_late = not self.was_welcomed
            what = "no message" if self.was_welcomed else "no welcome"
            raise MillpondError(grpc.StatusCode.UNAVAILABLE, f"{what} came within {seconds:g} s")
        if self._reading.cancelled():
            raise MillpondError(grpc.StatusCode.CANCELLED, "the worker has closed its stream")
        return self._reading.result()

    def _take(self, response: v1.WorkResponse) -> None:
        match response.WhichOneof("message"):
            case "welcome":
                self._welcome(response.welcome)
            case "assignments":
                assignments = response.assignments.assignments
                self._credit -= len(assignments)
                if assignments:
                    self._streak.progressed()
                    self._listener.on_assignments(assignments, self._lease or 0.0)
                self.slots_changed()
            case "cancel":
                self._listener.on_cancel(response.cancel)
            case "lease_lost":
                self._listener.on_lease_lost(response.lease_lost.lease)
            case "drain":
                # Another one is made; nothing waits for an answer of this one.
                self.was_drained = True
                self._end_sending()

    def _welcome(self, welcome: v1.WorkerWelcome) -> None:
        interval = _HEARTBEAT_SECONDS_DEFAULT
        if welcome.HasField("heartbeat_interval"):
            interval = welcome.heartbeat_interval.ToTimedelta().total_seconds()
        self._lease = welcome.lease.ToTimedelta().total_seconds() if welcome.HasField("lease") else 2 * interval
        self._streak.welcomed()
        self._listener.on_welcome(interval)
        self._give()

    def _give(self) -> None:
        self._is_giving = False
        if not self._takes_tasks or self._sends_no_more:
            return
        tasks = min(self._listener.free(), _CREDIT_MAX) - self._credit
        if tasks > 0:
            self._credit += tasks
            self._send(v1.WorkRequest(credit=v1.WorkerCredit(tasks=tasks)))

    def _send(self, request: v1.WorkRequest) -> None:
        if not self._sends_no_more:
            self._call.send(request)

    def _end_sending(self) -> None:
        if not self._sends_no_more:
            self._sends_no_more = True
            self._call.end_sending()

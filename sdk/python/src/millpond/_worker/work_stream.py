"""Keeps a worker's stream to a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import grpc

from millpond import v1
from millpond._failure_streak import FailureStreak
from millpond._worker.connection import CLOSE_SECONDS, Connection
from millpond._worker.options import STREAM_RETRY_GROWTH_MAX
from millpond._worker.persistence import BACKOFF

if TYPE_CHECKING:
    from millpond._worker.connection import ConnectionListener
    from millpond._worker.persistence import WorkerCalls
    from millpond.errors import MillpondError

# From so many failures in a row on, none passes any more where one did: a proxy has come between, for example.
_FAILURES_MAX = 5
# Failures that will not change by connecting again.
_FINAL_CODES = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
)
# Failures of who cannot be reached, or not now: they say nothing about whether streams pass.
_AWAY_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


class StreamListener(Protocol):
    """Who is told whether streams pass."""

    def on_no_stream(self) -> None:
        """Learn that no stream passes for now: tasks have to be claimed until the next welcome."""

    def on_error(self, error: Exception) -> None:
        """Learn what went wrong. Does not raise."""


class WorkStream:
    """Keeps a stream of the worker to a server, and makes it anew when it is lost.

    Reports and logs do not go over it: calls of their own carry thousands at a time, and say of each why it was
    refused.

        trying ── welcome ──► passes ── is lost: tries again at once ──► passes
          ▲  └── refused, or silent ──► none passes ◄── five failures in a row, or UNIMPLEMENTED ──┘
          └──── after a while, longer each time ──┘

    A server that is away says nothing about whether streams pass: it is waited for.
    """

    def __init__(
        self,
        calls: WorkerCalls,
        hello: v1.WorkerHello,
        *,
        connection_listener: ConnectionListener,
        listener: StreamListener,
        retry: float,
        silence_max: float,
    ) -> None:
        """Make one that is kept by ``run``. ``retry`` is the first pause, in seconds, where none passes."""
        self._calls = calls
        self._hello = hello
        self._connection_listener = connection_listener
        self._listener = listener
        self._retry = retry
        self._silence_max = silence_max
        self._current: Connection | None = None
        # Takes no more tasks: a stream that is lost is not made anew.
        self._ending = asyncio.Event()

    @property
    def lease(self) -> float | None:
        """The lease, in seconds, that heartbeats extend to; None: there is no stream that takes them."""
        return None if self._current is None else self._current.lease

    def slots_changed(self) -> None:
        """Say that a slot may have become free."""
        if self._current is not None:
            self._current.slots_changed()

    def heartbeat(self, leases: list[v1.LeaseRef]) -> None:
        """Name the attempts under way."""
        if self._current is not None:
            self._current.heartbeat(leases)

    def drain(self) -> None:
        """Take no more tasks, and make no more streams."""
        self._ending.set()
        if self._current is not None:
            self._current.drain()

    async def close(self) -> None:
        """End the stream: whatever has been assigned has come when it returns."""
        self._ending.set()
        if self._current is not None:
            await self._current.close(CLOSE_SECONDS)

    async def run(self) -> None:
        """Keep a stream until it is drained or closed. Raises MillpondError when the server refuses for good."""
        misses = 0
        while True:
            has_passed = await self._keep()
            if self._ending.is_set():
                return
            misses = 0 if has_passed else misses
            self._listener.on_no_stream()
            await self._pause(stream_retry_delay(self._retry, misses))
            misses += 1

    async def _keep(self) -> bool:
        """Keep a stream until it is over, or none passes; tell whether one had passed."""
        has_passed = False
        streak = FailureStreak()
        while not self._ending.is_set():
            connection = Connection(
                self._calls, self._hello, self._connection_listener, streak=streak, silence_max=self._silence_max
            )
            self._current = connection
            try:
                error = await connection.run()
            finally:
                self._current = None
            has_passed = has_passed or connection.was_welcomed
            if error is not None and is_final(error):
                raise error
            if self._ending.is_set():
                break
            failures = streak.ended()
            is_unknown = error is not None and error.code is grpc.StatusCode.UNIMPLEMENTED
            may_pass = has_passed and failures < _FAILURES_MAX and not is_unknown
            if error is not None and not connection.was_drained:
                self._listener.on_error(error)
            if not may_pass and not _is_away(connection, error):
                break
            await self._pause(BACKOFF.backoff(failures))
        return has_passed

    async def _pause(self, seconds: float) -> None:
        waiting = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait([waiting], timeout=seconds)
        finally:
            waiting.cancel()


def stream_retry_delay(first: float, misses: int) -> float:
    """Answer how long to wait before a stream is tried again, after so many failures since one passed."""
    return first * min(1 << min(misses, 30), STREAM_RETRY_GROWTH_MAX)


def is_final(error: MillpondError) -> bool:
    """Tell whether the end of a stream is the end of the worker."""
    if error.code in _FINAL_CODES:
        return True
    # Only a client that has been closed fails so without a reason.
    if error.code is grpc.StatusCode.FAILED_PRECONDITION and not error.reason_name:
        return True
    # Another worker of this name has come.
    return error.reason == v1.ErrorReason.ERROR_REASON_LEASE_LOST and "worker_id" in error.metadata


def _is_away(connection: Connection, error: MillpondError | None) -> bool:
    """Tell whether the end of a stream says nothing about whether streams pass."""
    if error is None:
        return connection.was_welcomed
    return not connection.is_late and (error.code in _AWAY_CODES or error.is_transient)

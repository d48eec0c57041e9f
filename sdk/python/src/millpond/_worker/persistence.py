"""Calls that are made until they are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from millpond.errors import MillpondError
from millpond.repeats import RepeatPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond import v1
    from millpond._methods import Method, RequestT, ResponseT

ResultT = TypeVar("ResultT")

BACKOFF = RepeatPolicy()
"""The delays of everything that a worker does again and again."""


class WorkCall(Protocol):
    """A worker's stream."""

    def send(self, request: v1.WorkRequest) -> None:
        """Send a message, in order. Does not wait."""

    def end_sending(self) -> None:
        """Send no more. Harmless when it has been called."""

    async def receive(self) -> v1.WorkResponse | None:
        """Wait for a message; None: the stream has ended. Raises MillpondError."""

    async def close(self) -> None:
        """End the stream; where the server has not, its connection may be dead, and another one is made."""


class WorkerCalls(Protocol):
    """The calls that a worker makes. Cancelling the task that awaits one ends it."""

    async def unary(self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None) -> ResponseT:
        """Make a call. Raises MillpondError."""

    def work(self) -> WorkCall:
        """Begin a stream."""


async def persist(call: Callable[[], Awaitable[ResultT]], on_error: Callable[[Exception], object]) -> ResultT:
    """Make a call again and again while the server is away. Raises MillpondError when it refuses."""
    failures = 0
    while True:
        try:
            return await call()
        except MillpondError as error:
            failures += 1
            delay = BACKOFF.delay_before_going_on(error, failures)
            if delay is None:
                raise
            on_error(error)
        await asyncio.sleep(delay)

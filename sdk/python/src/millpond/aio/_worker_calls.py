"""The worker's calls where its client is one of asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from millpond import _methods, v1
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from millpond._methods import Method, RequestT, ResponseT
    from millpond._worker.persistence import WorkCall
    from millpond.aio._calls import Calls


class TaskCalls:
    """Makes the calls of a worker by a client of asyncio."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def unary(self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None) -> ResponseT:
        """Make a call. Raises MillpondError."""
        return await self._calls.unary(method, request, timeout)

    def work(self) -> WorkCall:
        """Begin a stream."""
        return _TaskWorkCall(self._calls)


class _TaskWorkCall:
    """A stream."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._has_ended = False
        self._requests: asyncio.Queue[v1.WorkRequest | None] = asyncio.Queue()
        self._responses = calls.bidi_stream(_methods.WORK, self._messages(), None)

    def send(self, request: v1.WorkRequest) -> None:
        """Send a message, in order."""
        self._requests.put_nowait(request)

    def end_sending(self) -> None:
        """Send no more."""
        self._requests.put_nowait(None)

    async def receive(self) -> v1.WorkResponse | None:
        """Wait for a message; None: the stream has ended."""
        try:
            response = await anext(self._responses, None)
        except MillpondError:
            self._has_ended = True
            raise
        self._has_ended = response is None
        return response

    async def close(self) -> None:
        """End the stream; where the server has not, its connection may be dead."""
        if not self._has_ended:
            self._calls.renew()
        await self._responses.aclose()

    async def _messages(self) -> AsyncGenerator[v1.WorkRequest, None]:
        while (request := await self._requests.get()) is not None:
            yield request

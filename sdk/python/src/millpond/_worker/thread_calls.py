"""The worker's calls where its client is one of threads: each waits in a thread of its own."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING

from millpond import _methods, v1
from millpond._worker.posting import post
from millpond.cancellation import Cancellation
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from millpond._calls import Calls
    from millpond._methods import Method, RequestT, ResponseT
    from millpond._worker.persistence import WorkCall
    from millpond._worker.threads import Threads


class ThreadCalls:
    """Makes the calls of a worker by a client of threads."""

    def __init__(self, calls: Calls, threads: Threads) -> None:
        self._calls = calls
        self._threads = threads

    async def unary(self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None) -> ResponseT:
        """Make a call. Raises MillpondError."""
        cancel = Cancellation()
        try:
            return await self._threads.run(lambda: self._calls.unary(method, request, timeout, cancel))
        except asyncio.CancelledError:
            cancel.set()
            raise

    def work(self) -> WorkCall:
        """Begin a stream."""
        return _ThreadWorkCall(self._calls, self._threads)


class _ThreadWorkCall:
    """A stream that a thread reads. What it reads is bounded by the credit that the worker gives."""

    def __init__(self, calls: Calls, threads: Threads) -> None:
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._cancel = Cancellation()
        self._requests: queue.SimpleQueue[v1.WorkRequest | None] = queue.SimpleQueue()
        self._received: asyncio.Queue[v1.WorkResponse | Exception | None] = asyncio.Queue()
        self._has_ended = False
        threads.begin(self._read)

    def send(self, request: v1.WorkRequest) -> None:
        """Send a message, in order."""
        self._requests.put(request)

    def end_sending(self) -> None:
        """Send no more."""
        self._requests.put(None)

    async def receive(self) -> v1.WorkResponse | None:
        """Wait for a message; None: the stream has ended."""
        received = await self._received.get()
        self._has_ended = not isinstance(received, v1.WorkResponse)
        if isinstance(received, Exception):
            raise received
        return received

    async def close(self) -> None:
        """End the stream; where the server has not, its connection may be dead."""
        if not self._has_ended:
            self._calls.renew()
        self._cancel.set()

    def _read(self) -> None:
        end: Exception | None = None
        try:
            for response in self._calls.bidi_stream(_methods.WORK, iter(self._requests.get, None), None, self._cancel):
                post(self._loop, self._received.put_nowait, response)
        except MillpondError as error:
            end = error
        finally:
            # grpcio takes the requests in a thread of its own, which waits for the next one.
            self._requests.put(None)
            post(self._loop, self._received.put_nowait, end)

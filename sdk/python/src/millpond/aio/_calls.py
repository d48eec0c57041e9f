"""Calls of asyncio, over grpcio."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from millpond._connection import CHANNEL_OPTIONS, ConnectionOptions
from millpond.errors import MillpondError, closed_error, error_of
from millpond.repeats import PlannedCall

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable

    from millpond._methods import Method, RequestT, ResponseT


class _Link:
    """A channel of grpcio, its functions that make calls, and how many of these are under way."""

    def __init__(self, options: ConnectionOptions) -> None:
        target = options.address.target
        if options.address.is_secure:
            self.channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self.users = 0
        self._functions: dict[str, Any] = {}

    def function(self, method: Method[RequestT, ResponseT], arity: str) -> Any:
        """Find the function that makes calls of a method."""
        function = self._functions.get(method.path)
        if function is None:
            function = self._functions[method.path] = getattr(self.channel, arity)(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        return function


class Calls:
    """Makes calls over one connection, which is made with the first of them. Belongs to the loop that makes that.

    A connection that has failed is left, and the next call makes another one: grpcio by itself would not look for the
    server for a while, and fail calls by what it saw before; all repeats of a call could be over until then.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self._link: _Link | None = None
        # That one, and those that were left and are still used.
        self._links: set[_Link] = set()
        self._is_closed = False
        # Of connections that were left.
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address of the server."""
        return self.options.address.url

    async def unary(self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None) -> ResponseT:
        """Make a call, and make it again while that is safe and promises something."""
        options = self.options
        call = PlannedCall(method, request, timeout=timeout, default_timeout=options.timeout, policy=options.repeats)
        while True:
            try:
                return await self._attempt(call)
            except MillpondError as error:
                delay = call.delay_after(error)
                if delay is None:
                    raise
            await asyncio.sleep(delay)

    async def client_stream(
        self,
        method: Method[RequestT, ResponseT],
        requests: AsyncIterable[RequestT] | Iterable[RequestT],
        timeout: float | None,
    ) -> ResponseT:
        """Send a stream, once, and wait for the answer to it."""
        with self._linked() as link:
            function = link.function(method, "stream_unary")
            response: ResponseT = await function(requests, timeout=timeout, metadata=self.options.metadata)
        return response

    def server_stream(
        self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None
    ) -> AsyncGenerator[ResponseT, None]:
        """Yield the answers to a request. Closing the generator ends the call at the server."""
        return self._stream(method, "unary_stream", request, timeout)

    def bidi_stream(
        self,
        method: Method[RequestT, ResponseT],
        requests: AsyncIterable[RequestT] | Iterable[RequestT],
        timeout: float | None,
    ) -> AsyncGenerator[ResponseT, None]:
        """Yield the answers to a stream of requests. Closing the generator ends the call at the server."""
        return self._stream(method, "stream_stream", requests, timeout)

    def renew(self) -> None:
        """Have the next call make a connection: there is something wrong with the one that there is."""
        if self._link is not None:
            self._leave(self._link)

    async def close(self) -> None:
        """End the connection and what runs over it. Harmless when it has ended."""
        self._is_closed = True
        self._link = None
        for link in list(self._links):
            self._close_link(link)
        if self._closing:
            await asyncio.wait(self._closing)

    @contextmanager
    def _linked(self) -> Generator[_Link, None, None]:
        """Lend a connection for one call, and make the SDK's errors of grpcio's."""
        if self._is_closed:
            raise closed_error(self.url)
        if self._link is None:
            self._link = _Link(self.options)
            self._links.add(self._link)
        link = self._link
        link.users += 1
        try:
            yield link
        except grpc.aio.AioRpcError as failure:
            error = error_of(self.url, failure)
            if error.is_of_connection:
                self._leave(link)
            raise error from failure
        except asyncio.CancelledError as cancelled:
            if self._was_closed_under_call():
                raise closed_error(self.url) from cancelled
            raise
        finally:
            link.users -= 1
            self._close_if_left(link)

    def _was_closed_under_call(self) -> bool:
        """Tell whether a call was cancelled because the client was closed, and not because its task was cancelled.

        grpcio does not tell them apart; Python 3.10 cannot, and there the task is taken for cancelled.
        """
        if sys.version_info >= (3, 11):
            task = asyncio.current_task()
            return self._is_closed and task is not None and task.cancelling() == 0
        return False

    def _leave(self, link: _Link) -> None:
        if self._link is link:
            self._link = None
        self._close_if_left(link)

    def _close_if_left(self, link: _Link) -> None:
        if self._link is not link and link.users == 0 and link in self._links:
            self._close_link(link)

    def _close_link(self, link: _Link) -> None:
        self._links.remove(link)
        closing = asyncio.ensure_future(link.channel.close(None))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _attempt(self, call: PlannedCall[RequestT, ResponseT]) -> ResponseT:
        with self._linked() as link:
            function = link.function(call.method, "unary_unary")
            response: ResponseT = await function(call.request, timeout=call.remaining, metadata=self.options.metadata)
        return response

    async def _stream(
        self,
        method: Method[RequestT, ResponseT],
        arity: str,
        requests: RequestT | AsyncIterable[RequestT] | Iterable[RequestT],
        timeout: float | None,
    ) -> AsyncGenerator[ResponseT, None]:
        with self._linked() as link:
            call = link.function(method, arity)(requests, timeout=timeout, metadata=self.options.metadata)
            try:
                async for response in call:
                    yield response
            finally:
                call.cancel()

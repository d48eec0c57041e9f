"""Calls of asyncio, over grpcio."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from millpond._connection import CHANNEL_OPTIONS, ConnectionOptions
from millpond.errors import MillpondError, closed_error, error_of
from millpond.repeats import PlannedCall

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable

    from millpond._methods import Method, RequestT, ResponseT


class Calls:
    """Makes calls over one connection, which is made with the first of them. Belongs to the loop that makes that."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self._channel: grpc.aio.Channel | None = None
        self._is_closed = False
        # The functions of grpcio that make calls, by path.
        self._functions: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The address of the server."""
        return self.options.address.url

    async def unary(self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None) -> ResponseT:
        """Make a call, and make it again while that is safe and promises something."""
        options = self.options
        call = PlannedCall(method, request, timeout=timeout, default_timeout=options.timeout, policy=options.repeats)
        while True:
            function = self._function(method, "unary_unary")
            try:
                attempt = function(call.request, timeout=call.remaining, metadata=options.metadata)
                return await self._answer(method, attempt)
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
        function = self._function(method, "stream_unary")
        return await self._answer(method, function(requests, timeout=timeout, metadata=self.options.metadata))

    def server_stream(
        self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None
    ) -> AsyncGenerator[ResponseT, None]:
        """Yield the answers to a request. Closing the generator ends the call at the server."""
        return self._stream(self._function(method, "unary_stream"), request, timeout)

    def bidi_stream(
        self,
        method: Method[RequestT, ResponseT],
        requests: AsyncIterable[RequestT] | Iterable[RequestT],
        timeout: float | None,
    ) -> AsyncGenerator[ResponseT, None]:
        """Yield the answers to a stream of requests. Closing the generator ends the call at the server."""
        return self._stream(self._function(method, "stream_stream"), requests, timeout)

    async def close(self) -> None:
        """End the connection and what runs over it. Harmless when it has ended."""
        self._is_closed = True
        channel, self._channel = self._channel, None
        self._functions.clear()
        if channel is not None:
            await channel.close()

    async def _answer(self, _: Method[RequestT, ResponseT], call: Any) -> ResponseT:
        try:
            response: ResponseT = await call
        except grpc.aio.AioRpcError as error:
            raise error_of(self.url, error) from error
        except asyncio.CancelledError as error:
            if self._was_closed_under_call():
                raise closed_error(self.url) from error
            raise
        return response

    async def _stream(
        self,
        function: Any,
        requests: RequestT | AsyncIterable[RequestT] | Iterable[RequestT],
        timeout: float | None,
    ) -> AsyncGenerator[ResponseT, None]:
        call = function(requests, timeout=timeout, metadata=self.options.metadata)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise error_of(self.url, error) from error
        except asyncio.CancelledError as error:
            if self._was_closed_under_call():
                raise closed_error(self.url) from error
            raise
        finally:
            call.cancel()

    def _was_closed_under_call(self) -> bool:
        """Tell whether a call was cancelled because the client was closed, and not because its task was cancelled.

        grpcio does not tell them apart; Python 3.10 cannot, and there the task is taken for cancelled.
        """
        if sys.version_info >= (3, 11):
            task = asyncio.current_task()
            return self._is_closed and task is not None and task.cancelling() == 0
        return False

    def _function(self, method: Method[RequestT, ResponseT], arity: str) -> Any:
        function = self._functions.get(method.path)
        if function is not None:
            return function
        if self._is_closed:
            raise closed_error(self.url)
        if self._channel is None:
            self._channel = _open(self.options)
        function = getattr(self._channel, arity)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        self._functions[method.path] = function
        return function


def _open(options: ConnectionOptions) -> grpc.aio.Channel:
    target = options.address.target
    if options.address.is_secure:
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)

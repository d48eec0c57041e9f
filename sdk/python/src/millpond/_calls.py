"""Calls of threads, over grpcio."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from millpond._connection import CHANNEL_OPTIONS, ConnectionOptions
from millpond.errors import MillpondError, cancelled_error, closed_error, error_of
from millpond.repeats import PlannedCall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from millpond._methods import Method, RequestT, ResponseT
    from millpond.cancellation import Cancellation


class Calls:
    """Makes calls over one connection, which is made with the first of them. Threads may share it."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._is_closed = False
        # The functions of grpcio that make calls, by path.
        self._functions: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The address of the server."""
        return self.options.address.url

    def unary(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        timeout: float | None,
        cancel: Cancellation | None,
    ) -> ResponseT:
        """Make a call, and make it again while that is safe and promises something."""
        options = self.options
        call = PlannedCall(method, request, timeout=timeout, default_timeout=options.timeout, policy=options.repeats)
        while True:
            try:
                return self._attempt(call, cancel)
            except MillpondError as error:
                delay = call.delay_after(error)
                if delay is None:
                    raise
            if cancel is None:
                time.sleep(delay)
            elif cancel.wait(delay):
                raise cancelled_error(self.url)

    def client_stream(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT],
        timeout: float | None,
        cancel: Cancellation | None,
    ) -> ResponseT:
        """Send a stream, once, and wait for the answer to it."""
        function = self._function(method, "stream_unary")
        response: ResponseT = self._result(
            lambda: function.future(iter(requests), timeout, self.options.metadata), cancel
        )
        return response

    def server_stream(
        self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None, cancel: Cancellation | None
    ) -> Generator[ResponseT, None, None]:
        """Yield the answers to a request. Closing the generator ends the call at the server."""
        return self._stream(self._function(method, "unary_stream"), request, timeout, cancel)

    def bidi_stream(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT],
        timeout: float | None,
        cancel: Cancellation | None,
    ) -> Generator[ResponseT, None, None]:
        """Yield the answers to a stream of requests. Closing the generator ends the call at the server."""
        return self._stream(self._function(method, "stream_stream"), iter(requests), timeout, cancel)

    def close(self) -> None:
        """End the connection and what runs over it. Harmless when it has ended."""
        with self._lock:
            self._is_closed = True
            channel, self._channel = self._channel, None
            self._functions.clear()
        if channel is not None:
            channel.close()

    def _attempt(self, call: PlannedCall[RequestT, ResponseT], cancel: Cancellation | None) -> ResponseT:
        function = self._function(call.method, "unary_unary")
        arguments = (call.request, call.remaining, self.options.metadata)
        response: ResponseT
        if cancel is not None:
            response = self._result(lambda: function.future(*arguments), cancel)
        else:
            with self._translated():
                response = function(*arguments)
        return response

    def _result(self, begin: Callable[[], Any], cancel: Cancellation | None) -> Any:
        if cancel is not None and cancel.is_set():
            raise cancelled_error(self.url)
        with self._translated():
            future = begin()
        if cancel is not None:
            cancel.add_callback(future.cancel)
        try:
            with self._translated():
                return future.result()
        finally:
            # Whoever interrupts this thread is not to leave the call behind.
            future.cancel()
            if cancel is not None:
                cancel.remove_callback(future.cancel)

    def _stream(
        self,
        function: Any,
        requests: RequestT | Iterator[RequestT],
        timeout: float | None,
        cancel: Cancellation | None,
    ) -> Generator[ResponseT, None, None]:
        if cancel is not None and cancel.is_set():
            raise cancelled_error(self.url)
        with self._translated():
            call = function(requests, timeout, self.options.metadata)
        if cancel is not None:
            cancel.add_callback(call.cancel)
        try:
            with self._translated():
                yield from call
        finally:
            call.cancel()
            if cancel is not None:
                cancel.remove_callback(call.cancel)

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        """Make the SDK's errors of grpcio's."""
        try:
            yield
        except grpc.FutureCancelledError as error:
            raise cancelled_error(self.url) from error
        except grpc.RpcError as error:
            raise error_of(self.url, error) from error
        except ValueError as error:
            # What grpcio says of a channel that another thread has closed meanwhile.
            if self._is_closed:
                raise closed_error(self.url) from error
            raise

    def _function(self, method: Method[RequestT, ResponseT], arity: str) -> Any:
        function = self._functions.get(method.path)
        if function is not None:
            return function
        with self._lock:
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


def _open(options: ConnectionOptions) -> grpc.Channel:
    target = options.address.target
    if options.address.is_secure:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
    return grpc.insecure_channel(target, options=CHANNEL_OPTIONS)

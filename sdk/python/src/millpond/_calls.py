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


class _Link:
    """A channel of grpcio, its functions that make calls, and how many of these are under way."""

    def __init__(self, options: ConnectionOptions) -> None:
        target = options.address.target
        if options.address.is_secure:
            self.channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
        else:
            self.channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
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
    """Makes calls over one connection, which is made with the first of them. Threads may share it.

    A connection that has failed is left, and the next call makes another one: grpcio by itself would not look for the
    server for a while, and fail calls by what it saw before; all repeats of a call could be over until then.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        # Guards the links and the numbers of their users.
        self._lock = threading.Lock()
        self._link: _Link | None = None
        # That one, and those that were left and are still used.
        self._links: set[_Link] = set()
        self._is_closed = False

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
        with self._linked() as link:
            function = link.function(method, "stream_unary")
            response: ResponseT = self._result(
                lambda: function.future(iter(requests), timeout, self.options.metadata), cancel
            )
        return response

    def server_stream(
        self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None, cancel: Cancellation | None
    ) -> Generator[ResponseT, None, None]:
        """Yield the answers to a request. Closing the generator ends the call at the server."""
        return self._stream(method, "unary_stream", request, timeout, cancel)

    def bidi_stream(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT],
        timeout: float | None,
        cancel: Cancellation | None,
    ) -> Generator[ResponseT, None, None]:
        """Yield the answers to a stream of requests. Closing the generator ends the call at the server."""
        return self._stream(method, "stream_stream", iter(requests), timeout, cancel)

    def renew(self) -> None:
        """Have the next call make a connection: there is something wrong with the one that there is."""
        with self._lock:
            link = self._link
        if link is not None:
            self._leave(link)

    def close(self) -> None:
        """End the connection and what runs over it. Harmless when it has ended."""
        with self._lock:
            self._is_closed = True
            self._link = None
            links, self._links = self._links, set()
        for link in links:
            link.channel.close()

    @contextmanager
    def _linked(self) -> Generator[_Link, None, None]:
        """Lend a connection for one call."""
        with self._lock:
            if self._is_closed:
                raise closed_error(self.url)
            if self._link is None:
                self._link = _Link(self.options)
                self._links.add(self._link)
            link = self._link
            link.users += 1
        try:
            with self._translated():
                yield link
        except MillpondError as error:
            if error.is_of_connection:
                self._leave(link)
            raise
        finally:
            with self._lock:
                link.users -= 1
            self._close_if_left(link)

    def _leave(self, link: _Link) -> None:
        with self._lock:
            if self._link is link:
                self._link = None
        self._close_if_left(link)

    def _close_if_left(self, link: _Link) -> None:
        with self._lock:
            is_over = self._link is not link and link.users == 0 and link in self._links
            if is_over:
                self._links.remove(link)
        if is_over:
            link.channel.close()

    def _attempt(self, call: PlannedCall[RequestT, ResponseT], cancel: Cancellation | None) -> ResponseT:
        with self._linked() as link:
            function = link.function(call.method, "unary_unary")
            arguments = (call.request, call.remaining, self.options.metadata)
            response: ResponseT
            if cancel is None:
                response = function(*arguments)
            else:
                response = self._result(lambda: function.future(*arguments), cancel)
        return response

    def _result(self, begin: Callable[[], Any], cancel: Cancellation | None) -> Any:
        if cancel is not None and cancel.is_set():
            raise cancelled_error(self.url)
        future = begin()
        if cancel is not None:
            cancel.add_callback(future.cancel)
        try:
            return future.result()
        finally:
            # Whoever interrupts this thread is not to leave the call behind.
            future.cancel()
            if cancel is not None:
                cancel.remove_callback(future.cancel)

    def _stream(
        self,
        method: Method[RequestT, ResponseT],
        arity: str,
        requests: RequestT | Iterator[RequestT],
        timeout: float | None,
        cancel: Cancellation | None,
    ) -> Generator[ResponseT, None, None]:
        if cancel is not None and cancel.is_set():
            raise cancelled_error(self.url)
        with self._linked() as link:
            call = link.function(method, arity)(requests, timeout, self.options.metadata)
            if cancel is not None:
                cancel.add_callback(call.cancel)
            try:
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
            translated = error_of(self.url, error)
            is_cut = self._is_closed and translated.code is grpc.StatusCode.CANCELLED
            raise closed_error(self.url) if is_cut else translated from error
        except ValueError as error:
            # What grpcio says of a channel that another thread has closed meanwhile.
            if self._is_closed:
                raise closed_error(self.url) from error
            raise

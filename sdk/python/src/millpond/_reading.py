"""Watching, reading logs and uploading, by threads."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from millpond import _methods
from millpond._silence import SilenceGuard
from millpond.cancellation import Cancellation
from millpond.errors import MillpondError, silence_error

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from millpond import v1
    from millpond._calls import Calls
    from millpond._streams import LogPosition, Upload, WatchPosition


def watch_events(
    calls: Calls,
    position: WatchPosition,
    silence_max: float,
    on_interrupted: Callable[[MillpondError], object] | None,
    cancel: Cancellation,
) -> Generator[v1.WatchEventsResponse, None, None]:
    """Yield what there is to see, over as many connections as it takes."""
    while not cancel.is_set():
        try:
            yield from _watch_connection(calls, position, silence_max, cancel)
            delay = position.pause()
        except MillpondError as error:
            if cancel.is_set():
                return
            delay = position.delay_after(error)
            if on_interrupted:
                on_interrupted(error)
        cancel.wait(delay)


def _watch_connection(
    calls: Calls, position: WatchPosition, silence_max: float, cancel: Cancellation
) -> Generator[v1.WatchEventsResponse, None, None]:
    connection = Cancellation()
    cancel.add_callback(connection.set)
    stream = calls.server_stream(_methods.WATCH_EVENTS, position.request(), None, connection)
    guard = SilenceGuard(silence_max, connection)
    try:
        with guard:
            guard.listen()
            for message in stream:
                guard.pause()
                position.passed(message)
                yield message
                guard.listen()
    except MillpondError as error:
        if guard.has_struck:
            calls.renew()
            raise silence_error(calls.url, silence_max) from error
        raise
    finally:
        stream.close()
        cancel.remove_callback(connection.set)


def list_logs(
    calls: Calls,
    position: LogPosition,
    on_interrupted: Callable[[MillpondError], object] | None,
    cancel: Cancellation,
) -> Generator[v1.LogEntry, None, None]:
    """Yield the lines of a log, page by page."""
    while not cancel.is_set():
        try:
            page = calls.unary(_methods.LIST_LOGS, position.request(), None, cancel)
        except MillpondError as error:
            if cancel.is_set():
                return
            delay = position.delay_after(error)
            if on_interrupted:
                on_interrupted(error)
            cancel.wait(delay)
            continue
        yield from page.entries
        if position.passed(page):
            return
        cancel.wait(position.rest)


def upload_graph(calls: Calls, upload: Upload, timeout: float | None, cancel: Cancellation) -> v1.UploadTasksResponse:
    """Send a graph, and send it again while that promises something: its request id makes that safe."""
    policy = calls.options.repeats
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    failures = 0
    while True:
        remaining = None if timeout is None else max(0.0, deadline - time.monotonic())
        try:
            return calls.client_stream(_methods.UPLOAD_TASKS, upload.messages(), remaining, cancel)
        except MillpondError as error:
            failures += 1
            delay = policy.delay_before_repeat(error, failures) if policy else None
            if delay is None or cancel.is_set() or time.monotonic() + delay >= deadline:
                raise
        cancel.wait(delay)

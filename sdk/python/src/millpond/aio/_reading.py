"""Watching, reading logs and uploading, by asyncio."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from millpond import _methods
from millpond.errors import MillpondError, silence_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from millpond import v1
    from millpond._streams import LogPosition, Upload, WatchPosition
    from millpond.aio._calls import Calls


async def watch_events(
    calls: Calls,
    position: WatchPosition,
    silence_max: float,
    on_interrupted: Callable[[MillpondError], object] | None,
) -> AsyncGenerator[v1.WatchEventsResponse, None]:
    """Yield what there is to see, over as many connections as it takes."""
    while True:
        stream = calls.server_stream(_methods.WATCH_EVENTS, position.request(), None)
        try:
            while (message := await _next_within(silence_max, stream, calls)) is not None:
                position.passed(message)
                yield message
            delay = position.pause()
        except MillpondError as error:
            delay = position.delay_after(error)
            if on_interrupted:
                on_interrupted(error)
        finally:
            await stream.aclose()
        await asyncio.sleep(delay)


async def _next_within(
    seconds: float, stream: AsyncGenerator[v1.WatchEventsResponse, None], calls: Calls
) -> v1.WatchEventsResponse | None:
    """Read a message; None: the stream has ended."""
    reading = asyncio.ensure_future(anext(stream, None))
    try:
        # Unlike wait_for it says by its answer, not by a cancellation, that time is over.
        done, _ = await asyncio.wait([reading], timeout=seconds)
    except asyncio.CancelledError:
        await _give_up(reading)
        raise
    if done:
        return reading.result()
    await _give_up(reading)
    calls.renew()
    raise silence_error(calls.url, seconds)


async def _give_up(reading: asyncio.Future[v1.WatchEventsResponse | None]) -> None:
    reading.cancel()
    await asyncio.wait([reading])


async def list_logs(
    calls: Calls, position: LogPosition, on_interrupted: Callable[[MillpondError], object] | None
) -> AsyncGenerator[v1.LogEntry, None]:
    """Yield the lines of a log, page by page."""
    while True:
        try:
            page = await calls.unary(_methods.LIST_LOGS, position.request(), None)
        except MillpondError as error:
            delay = position.delay_after(error)
            if on_interrupted:
                on_interrupted(error)
            await asyncio.sleep(delay)
            continue
        for entry in page.entries:
            yield entry
        if position.passed(page):
            return
        await asyncio.sleep(position.rest)


async def upload_graph(calls: Calls, upload: Upload, timeout: float | None) -> v1.UploadTasksResponse:
    """Send a graph, and send it again while that promises something: its request id makes that safe."""
    policy = calls.options.repeats
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    failures = 0
    while True:
        remaining = None if timeout is None else max(0.0, deadline - time.monotonic())
        try:
            return await calls.client_stream(_methods.UPLOAD_TASKS, upload.messages(), remaining)
        except MillpondError as error:
            failures += 1
            delay = policy.delay_before_repeat(error, failures) if policy else None
            if delay is None or time.monotonic() + delay >= deadline:
                raise
        await asyncio.sleep(delay)

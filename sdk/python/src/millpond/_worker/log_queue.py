"""Sends what handlers log in few calls."""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from millpond import _methods, v1
from millpond._worker.errors import AbortReason
from millpond._worker.outcome import text_of
from millpond._worker.persistence import persist
from millpond._worker.posting import post
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond._worker.attempt import Attempt
    from millpond._worker.persistence import WorkerCalls

LogLevelName: TypeAlias = Literal["debug", "info", "warn", "error"]
"""How important a line of log is."""

_LEVELS = {
    "debug": v1.LogLevel.LOG_LEVEL_DEBUG,
    "info": v1.LogLevel.LOG_LEVEL_INFO,
    "warn": v1.LogLevel.LOG_LEVEL_WARN,
    "error": v1.LogLevel.LOG_LEVEL_ERROR,
}
# Answers that no repetition changes.
_FINAL_REASONS = frozenset(
    {
        v1.ErrorReason.ERROR_REASON_STALE_ATTEMPT,
        v1.ErrorReason.ERROR_REASON_TASK_NOT_FOUND,
        v1.ErrorReason.ERROR_REASON_UNIMPLEMENTED,
        v1.ErrorReason.ERROR_REASON_UNAUTHENTICATED,
        v1.ErrorReason.ERROR_REASON_PERMISSION_DENIED,
    }
)
# How long a line waits for others before it is sent.
_LINGER_SECONDS = 0.2
# Bounds of one call: the contract's number of lines, and bytes well below what servers accept.
_LINES_PER_CALL_MAX = 1_000
_BYTES_PER_CALL_MAX = 1024 * 1024
# Calls in flight at the same time, never two of one attempt: its lines stay in their order.
_CALLS_MAX = 8
# What may wait of one attempt and of all: what comes faster than the server takes it is dropped, and counted.
_LINES_WAITING_MAX = 10_000
_BYTES_WAITING_MAX = 2 * 1024 * 1024
_BYTES_WAITING_IN_ALL_MAX = 64 * 1024 * 1024
# The contract's bound of a message, in characters.
_MESSAGE_LENGTH_MAX = 16_384


@dataclass(eq=False)
class _Buffer:
    """The lines of one attempt that have not been taken into a call, each with its size."""

    lines: list[tuple[v1.LogEntry, int]] = field(default_factory=list)
    size: int = 0
    dropped: int = 0
    # Begins a call before the linger is over.
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    is_ending: bool = False
    # The server takes no more of them.
    is_refused: bool = False
    sender: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether there is enough for a call."""
        return len(self.lines) >= _LINES_PER_CALL_MAX or self.size >= _BYTES_PER_CALL_MAX

    def has_room(self, size: int) -> bool:
        # What comes behind dropped lines is dropped as well: the marker stands where they are missing.
        return not self.dropped and len(self.lines) < _LINES_WAITING_MAX and self.size + size <= _BYTES_WAITING_MAX

    def take(self) -> tuple[list[v1.LogEntry], int]:
        """Take the lines of the next call, and their size; behind the last of them, how many were dropped."""
        taken = 0
        count = 0
        for _, size in self.lines[:_LINES_PER_CALL_MAX]:
            if count > 0 and taken + size > _BYTES_PER_CALL_MAX:
                break
            taken += size
            count += 1
        batch = [entry for entry, _ in self.lines[:count]]
        del self.lines[:count]
        self.size -= taken
        if self.dropped and not self.lines and count < _LINES_PER_CALL_MAX:
            message = f"{self.dropped} lines were dropped: the worker logged faster than the server took them"
            batch.append(v1.LogEntry(log_time=_now(), level=v1.LogLevel.LOG_LEVEL_WARN, message=message))
            self.dropped = 0
        return batch, taken


class LogQueue:
    """Sends lines of log, a few times a second. A server that is away, or slower than the handlers, is waited for.

    What does not fit meanwhile is dropped, and a line says how many lines that were. ``add`` may be called by any
    thread.
    """

    def __init__(self, calls: WorkerCalls, on_error: Callable[[Exception], object]) -> None:
        self._calls = calls
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._free_calls = asyncio.Semaphore(_CALLS_MAX)
        # Guards the buffers and the size of all of them.
        self._lock = threading.Lock()
        self._buffers: dict[Attempt, _Buffer] = {}
        self._size = 0

    def add(self, attempt: Attempt, level: LogLevelName, message: object) -> None:
        """Queue a line of an attempt: what is too long for one becomes several. Never raises."""
        time = _now()
        text = text_of(message)
        pieces = [text[at : at + _MESSAGE_LENGTH_MAX] for at in range(0, len(text) or 1, _MESSAGE_LENGTH_MAX)]
        log_level = _LEVELS.get(level, v1.LogLevel.LOG_LEVEL_INFO)
        entries = [v1.LogEntry(log_time=time, level=log_level, message=piece) for piece in pieces]
        with self._lock:
            buffer = self._buffers.get(attempt)
            is_new = buffer is None
            if buffer is None:
                buffer = self._buffers[attempt] = _Buffer()
            was_full = buffer.is_full
            if buffer.is_refused:
                return
            for entry in entries:
                self._put(buffer, entry)
            has_become_full = buffer.is_full and not was_full
        if is_new:
            post(self._loop, self._begin, attempt, buffer)
        if has_become_full:
            post(self._loop, buffer.hurry.set)

    def holds(self, attempt: Attempt) -> bool:
        """Tell whether lines of an attempt are not in yet, or have been refused."""
        return attempt in self._buffers

    async def finish(self, attempt: Attempt) -> None:
        """Wait until the lines of an attempt that has ended are in, or have been refused."""
        buffer = self._buffers.get(attempt)
        if buffer is None:
            return
        buffer.is_ending = True
        buffer.hurry.set()
        if buffer.sender is not None:
            await asyncio.wait([buffer.sender])
        if buffer.is_refused:
            self._forget(attempt, buffer)

    async def close(self) -> None:
        """Give up what is not in; says what may be lost."""
        senders = [buffer.sender for buffer in self._buffers.values() if buffer.sender is not None]
        for sender in senders:
            sender.cancel()
        if senders:
            await asyncio.wait(senders)

    def _put(self, buffer: _Buffer, entry: v1.LogEntry) -> None:
        size = entry.ByteSize()
        if not buffer.has_room(size) or self._size + size > _BYTES_WAITING_IN_ALL_MAX:
            buffer.dropped += 1
            return
        buffer.lines.append((entry, size))
        buffer.size += size
        self._size += size

    def _begin(self, attempt: Attempt, buffer: _Buffer) -> None:
        buffer.sender = asyncio.create_task(self._send_all(attempt, buffer))

    async def _send_all(self, attempt: Attempt, buffer: _Buffer) -> None:
        batch: list[v1.LogEntry] = []
        try:
            while not buffer.is_refused:
                await _linger(buffer)
                batch = self._take(attempt, buffer)
                if not batch:
                    return
                async with self._free_calls:
                    await self._send(attempt, buffer, batch)
                batch = []
        except asyncio.CancelledError:
            lost = len(batch) + self._forget(attempt, buffer)
            if lost:
                self._on_error(RuntimeError(f"{lost} lines of log of task {attempt.task_id} may be lost"))
            raise

    async def _send(self, attempt: Attempt, buffer: _Buffer, batch: list[v1.LogEntry]) -> None:
        # Sent again under the same id they are not written twice.
        request = v1.AppendLogsRequest(
            task_id=attempt.task_id, attempt=attempt.number, entries=batch, request_id=str(uuid.uuid4())
        )
        try:
            response = await persist(lambda: self._calls.unary(_methods.APPEND_LOGS, request, None), self._on_error)
        except MillpondError as error:
            self._on_error(error)
            buffer.is_refused = error.reason in _FINAL_REASONS
            if error.reason == v1.ErrorReason.ERROR_REASON_STALE_ATTEMPT:
                attempt.abort(AbortReason.LEASE_LOST, "the task has another attempt")
            return
        if response.cancel_requested:
            attempt.abort(AbortReason.CANCEL_REQUESTED, "the server asked to stop the attempt")

    def _take(self, attempt: Attempt, buffer: _Buffer) -> list[v1.LogEntry]:
        """Take the lines of the next call; where there are none, forget the buffer."""
        with self._lock:
            batch, size = buffer.take()
            self._size -= size
            if not batch:
                del self._buffers[attempt]
            return batch

    def _forget(self, attempt: Attempt, buffer: _Buffer) -> int:
        """Drop what waits; answer how many lines that were."""
        with self._lock:
            self._buffers.pop(attempt, None)
            self._size -= buffer.size
            return len(buffer.lines) + buffer.dropped


async def _linger(buffer: _Buffer) -> None:
    if buffer.is_ending or buffer.is_full:
        return
    buffer.hurry.clear()
    waiting = asyncio.ensure_future(buffer.hurry.wait())
    try:
        await asyncio.wait([waiting], timeout=_LINGER_SECONDS)
    finally:
        waiting.cancel()


def _now() -> Timestamp:
    time = Timestamp()
    time.GetCurrentTime()
    return time

"""What is pure about reading streams to the end of what there is, by threads and by asyncio alike."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Final

from millpond import v1
from millpond._failure_streak import FailureStreak
from millpond.repeats import RepeatPolicy, pause_after_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.errors import MillpondError
    from millpond.graph import Graph

SILENCE_MAX: Final = 45.0
"""A stream that says nothing for so many seconds is taken for broken: the server speaks every 15."""
PART_SIZE_MAX: Final = 5_000
"""Tasks in one message of an upload at most."""

# Well below the largest message that a server accepts by default, 16 MiB. A larger task travels alone.
_PART_BYTES_MAX = 4 * 1024 * 1024
_PAGE_SIZE = 1_000
_PAGE_WAIT_SECONDS = 30
_policy = RepeatPolicy()


class _Endurance:
    """Counts failures in a row, without end."""

    def __init__(self) -> None:
        self._streak = FailureStreak()

    def pause(self) -> float:
        """Count a failure, and answer how many seconds to wait."""
        return _policy.backoff(self._streak.ended())

    def delay_after(self, error: MillpondError) -> float:
        """Count a failure, and answer how many seconds to wait; raise the error when repeating cannot mend it."""
        delay = _policy.delay_before_going_on(error, self._streak.ended())
        if delay is None:
            raise error
        return delay


class WatchPosition(_Endurance):
    """How far a watch has come."""

    def __init__(self, event_filter: v1.EventFilter | None, cursor: str, *, snapshot: bool) -> None:
        super().__init__()
        self._filter = event_filter
        self._cursor = cursor
        self._snapshot = snapshot

    def request(self) -> v1.WatchEventsRequest:
        """Make the request that goes on from here. Before its end, a snapshot begins anew."""
        return v1.WatchEventsRequest(
            filter=self._filter, cursor=self._cursor, snapshot=self._snapshot and self._cursor == ""
        )

    def passed(self, message: v1.WatchEventsResponse) -> None:
        """Move behind a message."""
        self._streak.welcomed()
        # Cursors move on by themselves, and a part of a snapshot comes again when it breaks off.
        if message.WhichOneof("message") in {"events", "snapshot_done"}:
            self._streak.progressed()
        self._cursor = message.cursor or self._cursor


class LogPosition(_Endurance):
    """How far the reading of a log has come."""

    def __init__(self, task_id: str, attempt: int, *, follow: bool) -> None:
        super().__init__()
        self._request = v1.ListLogsRequest(task_id=task_id, attempt=attempt, page_size=_PAGE_SIZE)
        self._follow = follow
        self._sent_at = 0.0
        self.rest = 0.0
        """How many seconds to wait before the next page is asked for."""

    def request(self) -> v1.ListLogsRequest:
        """Make the request for the next page, which is sent now."""
        self._sent_at = time.monotonic()
        return self._request

    def passed(self, page: v1.ListLogsResponse) -> bool:
        """Move behind a page; tell whether it was the last one."""
        self._streak.progressed()
        waits = self._follow and not page.attempt_ended
        was_to_wait = self._request.wait_timeout.seconds > 0
        is_unwaited = waits and was_to_wait and not page.entries
        self.rest = pause_after_empty(time.monotonic() - self._sent_at) if is_unwaited else 0.0
        self._request.cursor = page.next_cursor
        self._request.wait_timeout.seconds = _PAGE_WAIT_SECONDS if waits else 0
        return not page.entries and not waits

    def delay_after(self, error: MillpondError) -> float:
        """Answer as ever, but raise every error where nothing is followed: the call has been repeated as others are."""
        if not self._follow:
            raise error
        return super().delay_after(error)


class Upload:
    """A graph on its way to the server, in parts, under one request id."""

    def __init__(self, graph: Graph, request_id: str | None, part_size: int) -> None:
        if part_size < 1:
            raise ValueError(f"part_size is {part_size}; a part has at least one task")
        self._graph = graph.to_request(request_id=request_id or str(uuid.uuid4()))
        self._part_size = min(part_size, PART_SIZE_MAX)

    def messages(self) -> Iterator[v1.UploadTasksRequest]:
        """Yield where to, then the tasks. Can be called again: the parts are the same."""
        graph = self._graph
        if graph.WhichOneof("target") == "batch_id":
            yield v1.UploadTasksRequest(request_id=graph.request_id, batch_id=graph.batch_id)
        else:
            yield v1.UploadTasksRequest(request_id=graph.request_id, new_batch=graph.new_batch)
        part: list[v1.NewTask] = []
        part_bytes = 0
        for task in graph.tasks:
            task_bytes = task.ByteSize()
            if part and (len(part) == self._part_size or part_bytes + task_bytes > _PART_BYTES_MAX):
                yield v1.UploadTasksRequest(tasks=part)
                part, part_bytes = [], 0
            part.append(task)
            part_bytes += task_bytes
        if part:
            yield v1.UploadTasksRequest(tasks=part)

"""The client of asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond._connection import connection_options
from millpond._streams import PART_SIZE_MAX, SILENCE_MAX, LogPosition, Upload, WatchPosition
from millpond._worker.options import WorkerOptions, default_worker_id
from millpond.aio._calls import Calls
from millpond.aio._reading import list_logs, upload_graph, watch_events
from millpond.aio.services import BatchService, DeliveryService, EventService, TaskService, WorkerService
from millpond.aio.worker import Worker
from millpond.repeats import RepeatPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from millpond import v1
    from millpond.errors import MillpondError
    from millpond.graph import Graph


class Client:
    """A client of a server: a typed service for each of the contract's, all over the same connection.

    It connects with the first call, and belongs to the loop that makes that. As a context manager it closes itself.
    """

    tasks: TaskService
    batches: BatchService
    events: EventService
    workers: WorkerService
    deliveries: DeliveryService

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        repeats: RepeatPolicy | None = RepeatPolicy(),  # noqa: B008 (it never changes)
    ) -> None:
        """Make a client of the server at an address such as ``http://127.0.0.1:8085``.

        Without a scheme ``http://`` is meant; ``https://`` is TLS. The token is sent with every call, as
        ``authorization: Bearer …``. ``timeout`` is the deadline, in seconds, of a unary call that gives none; a call
        that waits for something (``wait_timeout``) gets its wait on top. ``repeats`` says how calls that are safe to
        repeat are repeated; None: never.

        Raises ValueError for what is no address, and for a token that no header can hold.
        """
        self._calls = Calls(connection_options(address, token, timeout, repeats))
        self.tasks = TaskService(self._calls)
        self.batches = BatchService(self._calls)
        self.events = EventService(self._calls)
        self.workers = WorkerService(self._calls)
        self.deliveries = DeliveryService(self._calls)

    @property
    def address(self) -> str:
        """The address of the server."""
        return self._calls.url

    def watch(
        self,
        filter: v1.EventFilter | None = None,  # noqa: A002 (the contract's word)
        *,
        cursor: str = "",
        snapshot: bool = False,
        silence_max: float = SILENCE_MAX,
        on_interrupted: Callable[[MillpondError], object] | None = None,
    ) -> AsyncGenerator[v1.WatchEventsResponse, None]:
        """Yield every change that the filter selects, in commit order, from now or from a cursor on.

        With ``snapshot`` the present state comes first. It goes on after a broken connection from the last cursor:
        nothing is lost and nothing is repeated, but a snapshot that breaks off begins anew. A connection that says
        nothing for ``silence_max`` seconds is taken for broken; ``on_interrupted`` is told of each.

        Closing the generator (``contextlib.aclosing``) or cancelling its task ends the call at the server; a loop that
        is only left ends it when the generator is collected. Raises MillpondError for what repeating cannot mend, such
        as CURSOR_EXPIRED.
        """
        position = WatchPosition(filter, cursor, snapshot=snapshot)
        return watch_events(self._calls, position, silence_max, on_interrupted)

    def logs(
        self,
        task_id: str,
        *,
        attempt: int = 0,
        follow: bool = False,
        on_interrupted: Callable[[MillpondError], object] | None = None,
    ) -> AsyncGenerator[v1.LogEntry, None]:
        """Yield the lines of an attempt's log, in order; by default of the current attempt, or the last one.

        It ends with what there is or, with ``follow``, with the attempt; then it goes on after a broken connection,
        and tells ``on_interrupted`` of it. Raises MillpondError, with TASK_NOT_FOUND for example.
        """
        return list_logs(self._calls, LogPosition(task_id, attempt, follow=follow), on_interrupted)

    async def upload(
        self,
        graph: Graph,
        *,
        request_id: str | None = None,
        part_size: int = PART_SIZE_MAX,
        timeout: float | None = None,
    ) -> v1.UploadTasksResponse:
        """Create a graph of any size, all or none: it is sent in parts, and becomes visible at once.

        ``request_id`` makes the upload safe to repeat for 24 hours, by this program or the next; without one it gets a
        new one. A part has at most ``part_size`` tasks (5,000 at most) and 4 MiB. ``timeout``, in seconds, is for all
        attempts together; without one there is no deadline. Raises MillpondError, and ValueError for a ``part_size``
        below 1.
        """
        return await upload_graph(self._calls, Upload(graph, request_id, part_size), timeout)

    def worker(
        self,
        *,
        worker_id: str | None = None,
        slots: int = 10,
        labels: Mapping[str, str] | None = None,
        stream: bool = True,
        stream_retry: float = 30.0,
        silence_max: float = SILENCE_MAX,
        lease: float = 30.0,
        stop_grace: float = 30.0,
        stop_on_sigterm: bool = False,
        on_error: Callable[[Exception], object] | None = None,
    ) -> Worker:
        """Make a worker that has not started. Times are in seconds.

        ``worker_id`` is its own name, unique among those connected (default: host, process id and a random part);
        ``slots`` says how many tasks it executes at the same time, 1 to 10,000; ``labels`` are compared with those that
        a task requires. It takes tasks by a stream, and by calls with ``stream=False`` or while no stream passes; then
        the stream is tried again after ``stream_retry``, twice as long after each failure, up to twenty times. A stream
        that says nothing for ``silence_max`` is made anew. ``lease`` is how long the tasks of a silent worker stay its
        own where it takes them by calls. ``stop_grace`` is how long ``stop`` lets handlers finish before it aborts
        them; with ``stop_on_sigterm`` the first SIGTERM stops it. ``on_error`` is told what went wrong and is being
        dealt with; by default it is logged.

        Raises ValueError when ``slots`` is out of bounds.
        """
        options = WorkerOptions(
            worker_id=worker_id or default_worker_id(),
            slots=slots,
            labels=labels or {},
            stream=stream,
            stream_retry=stream_retry,
            silence_max=silence_max,
            lease=lease,
            stop_grace=stop_grace,
            stop_on_sigterm=stop_on_sigterm,
            on_error=on_error,
        )
        return Worker(self._calls, options)

    async def close(self) -> None:
        """End the connection and what runs over it. Stop workers before. Harmless when it has been called."""
        await self._calls.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

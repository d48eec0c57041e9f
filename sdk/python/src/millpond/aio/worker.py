"""The worker of asyncio."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast, overload

from millpond._worker.context import BaseContext
from millpond._worker.context import TaskContext as ThreadContext
from millpond._worker.engine import Engine
from millpond._worker.execution import run_as_task, run_in_thread
from millpond._worker.posting import post
from millpond._worker.sigterm import add_sigterm_callback, remove_sigterm_callback
from millpond._worker.threads import Threads
from millpond.aio._worker_calls import TaskCalls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from typing_extensions import Self

    from millpond._worker.attempt import Attempt
    from millpond._worker.options import WorkerOptions
    from millpond.aio._calls import Calls
    from millpond.json import Json

    Handler: TypeAlias = Callable[["TaskContext"], Awaitable[object]] | Callable[[ThreadContext], object]

HandlerT = TypeVar("HandlerT", bound="Handler")


class TaskContext(BaseContext):
    """What a coroutine function gets. When it should stop it is cancelled, and ``reason`` says why."""

    async def heartbeat(self, progress: Json = None) -> None:
        """Tell the server that the work goes on, and how far it is. Not needed to keep the lease.

        Returns once the server has answered; what went wrong goes to the error listener. Raises TypeError or ValueError
        when the progress is no JSON.
        """
        report = self._heartbeat_report(progress)
        done = asyncio.Event()
        self._calls.heartbeat(self._attempt, report, done.set)
        await done.wait()


class Worker:
    """Takes tasks of the kinds that it has handlers for, runs them and reports what became of them.

    Coroutine functions run as tasks of the loop, plain functions in threads. ``Client.worker`` makes one. As a context
    manager it starts, and stops at the end.
    """

    def __init__(self, calls: Calls, options: WorkerOptions) -> None:
        """Make a worker that has not started. ``Client.worker`` is the way to do that."""
        self._calls = calls
        self._options = options
        self._handlers: dict[str, Handler] = {}
        self._threads = Threads(f"millpond-handler-{options.worker_id}")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._living: asyncio.Task[None] | None = None
        self._is_stopped = False
        # Is set when it has ended, and as soon as it has failed.
        self._ended = asyncio.Event()
        self._error: Exception | None = None

    @property
    def worker_id(self) -> str:
        """The worker's own name."""
        return self._options.worker_id

    @property
    def running(self) -> int:
        """The number of attempts under way."""
        return 0 if self._engine is None else self._engine.running

    @overload
    def handle(self, kind: str) -> Callable[[HandlerT], HandlerT]: ...

    @overload
    def handle(self, kind: str, handler: HandlerT) -> HandlerT: ...

    def handle(self, kind: str, handler: HandlerT | None = None) -> HandlerT | Callable[[HandlerT], HandlerT]:
        """Name the handler of a kind of task, as a decorator or by a call; before ``start``.

        A coroutine function gets a ``millpond.aio.TaskContext``, a plain function, which runs in a thread, a
        ``millpond.TaskContext``. What it returns is the task's output, as JSON; None is no output. What it raises is
        the failure: its message, and its ``code`` if that is a text; TaskError says more. Raises RuntimeError when the
        worker has started.
        """
        if handler is None:
            return lambda decorated: self.handle(kind, decorated)
        if self._engine is not None:
            raise RuntimeError(f'the handler of "{kind}" comes too late: the worker has started')
        self._handlers[kind] = handler
        return handler

    def start(self) -> None:
        """Begin to take tasks, in the loop that runs. Harmless when it has begun.

        Raises RuntimeError when it has no handler or no loop runs, and ValueError when it is to heed SIGTERM and this
        is not the main thread.
        """
        if self._engine is not None or self._is_stopped:
            return
        if not self._handlers:
            raise RuntimeError("the worker has no handler; name one with handle(kind, handler)")
        self._loop = asyncio.get_running_loop()
        if self._options.stop_on_sigterm:
            add_sigterm_callback(self._request_stop)
        self._engine = Engine(TaskCalls(self._calls), self._options, list(self._handlers), self._execute)
        self._living = asyncio.create_task(self._live(self._engine))

    async def stop(self, *, wait: bool = True) -> None:
        """Take no more tasks, let handlers finish within the grace, then cancel them, and send the last reports.

        It returns when that is done, at most 5 seconds after the grace, even if a handler never returns; with
        ``wait=False``, for handlers, at once. Harmless when it has been called.
        """
        self._is_stopped = True
        if self._engine is None or self._living is None:
            self._ended.set()
            return
        self._engine.request_stop()
        if not wait:
            return
        await asyncio.wait([self._living])
        remove_sigterm_callback(self._request_stop)

    async def wait(self) -> None:
        """Wait until the worker has stopped.

        Raises what it failed with as soon as the server refuses it for good, its credentials for example; handlers
        under way still have the grace: ``stop`` waits for them.
        """
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _request_stop(self) -> None:
        if self._loop is not None and self._engine is not None:
            post(self._loop, self._engine.request_stop)

    async def _live(self, engine: Engine) -> None:
        try:
            await engine.run(self._fail)
        except Exception as error:  # noqa: BLE001 (who listens, and who waits for the worker, is told)
            self._options.tell(error)
            self._fail(error)
        finally:
            self._threads.close()
            remove_sigterm_callback(self._request_stop)
            self._ended.set()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._ended.set()

    def _execute(self, attempt: Attempt, engine: Engine) -> None:
        handler = cast("Any", self._handlers.get(attempt.kind, _no_handler))
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
            context = TaskContext(attempt, engine)
            run_as_task(attempt, lambda: handler(context), engine.handler_ended)
        else:
            thread_context = ThreadContext(attempt, engine)
            run_in_thread(self._threads, attempt, lambda: handler(thread_context), engine.handler_ended)


async def _no_handler(context: TaskContext) -> object:
    raise RuntimeError(f'the worker has no handler for kind "{context.task.kind}"')

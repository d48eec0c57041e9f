"""The worker of threads."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, TypeVar, overload

from millpond._worker.context import TaskContext
from millpond._worker.engine import Engine
from millpond._worker.execution import run_in_thread
from millpond._worker.posting import post
from millpond._worker.sigterm import add_sigterm_callback, remove_sigterm_callback
from millpond._worker.thread_calls import ThreadCalls
from millpond._worker.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from millpond._calls import Calls
    from millpond._worker.attempt import Attempt
    from millpond._worker.options import WorkerOptions

HandlerT = TypeVar("HandlerT", bound="Callable[[TaskContext], object]")


class Worker:
    """Takes tasks of the kinds that it has handlers for, runs them in threads and reports what became of them.

    ``Client.worker`` makes one. As a context manager it starts, and stops at the end.
    """

    def __init__(self, calls: Calls, options: WorkerOptions) -> None:
        """Make a worker that has not started. ``Client.worker`` is the way to do that."""
        self._calls = calls
        self._options = options
        self._handlers: dict[str, Callable[[TaskContext], object]] = {}
        self._handler_threads = Threads(f"millpond-handler-{options.worker_id}")
        self._call_threads = Threads(f"millpond-call-{options.worker_id}")
        # Guards the beginning.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        # Is set when it has ended, and as soon as it has failed.
        self._ended = threading.Event()
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

        What it returns is the task's output, as JSON; None is no output. What it raises is the failure: its message,
        and its ``code`` if that is a text; TaskError says more. Raises RuntimeError when the worker has started, and
        TypeError for a coroutine function, which is for ``millpond.aio``.
        """
        if handler is None:
            return lambda decorated: self.handle(kind, decorated)
        if self._thread is not None:
            raise RuntimeError(f'the handler of "{kind}" comes too late: the worker has started')
        if inspect.iscoroutinefunction(handler):
            raise TypeError(f'the handler of "{kind}" is a coroutine function; workers of millpond.aio take those')
        self._handlers[kind] = handler
        return handler

    def start(self) -> None:
        """Begin to take tasks. Harmless when it has begun.

        Raises RuntimeError when it has no handler, and ValueError when it is to heed SIGTERM and this is not the main
        thread.
        """
        with self._lock:
            if self._thread is not None or self._is_stopping:
                return
            if not self._handlers:
                raise RuntimeError("the worker has no handler; name one with handle(kind, handler)")
            if self._options.stop_on_sigterm:
                add_sigterm_callback(self._request_stop)
            self._thread = threading.Thread(target=self._live, name=f"millpond-worker-{self.worker_id}", daemon=True)
            self._thread.start()
        self._ready.wait()

    def stop(self, *, wait: bool = True) -> None:
        """Take no more tasks, let handlers finish within the grace, then abort them, and send the last reports.

        It returns when that is done, at most 5 seconds after the grace, even if a handler never returns; with
        ``wait=False``, for handlers and for those of signals, at once, and so it does when the error listener calls
        it. Harmless when it has been called.
        """
        with self._lock:
            self._request_stop()
            thread = self._thread
        if thread is None:
            self._ended.set()
        elif wait and thread is not threading.current_thread():
            thread.join()
            remove_sigterm_callback(self._request_stop)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the worker has stopped, at most so many seconds; tell whether it has.

        Raises what it failed with as soon as the server refuses it for good, its credentials for example; handlers
        under way still have the grace: ``stop`` waits for them.
        """
        ended = self._ended.wait(timeout)
        if self._error is not None:
            raise self._error
        return ended

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _request_stop(self) -> None:
        self._is_stopping = True
        loop, engine = self._loop, self._engine
        if loop is not None and engine is not None:
            post(loop, engine.request_stop)

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # noqa: BLE001 (who listens, and who waits for the worker, is told)
            self._options.tell(error)
            self._fail(error)
        finally:
            self._handler_threads.close()
            self._call_threads.close()
            # All calls have been cancelled: they end now, and the client may be closed.
            self._call_threads.join()
            remove_sigterm_callback(self._request_stop)
            self._ready.set()
            self._ended.set()

    async def _run(self) -> None:
        calls = ThreadCalls(self._calls, self._call_threads)
        self._engine = Engine(calls, self._options, list(self._handlers), self._execute)
        self._loop = asyncio.get_running_loop()
        # Whoever asked before these two were there could not tell the engine.
        if self._is_stopping:
            self._engine.request_stop()
        self._ready.set()
        await self._engine.run(self._fail)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._ended.set()

    def _execute(self, attempt: Attempt, engine: Engine) -> None:
        handler = self._handlers.get(attempt.kind, _no_handler)
        context = TaskContext(attempt, engine)
        run_in_thread(self._handler_threads, attempt, lambda: handler(context), engine.handler_ended)


def _no_handler(context: TaskContext) -> object:
    raise RuntimeError(f'the worker has no handler for kind "{context.task.kind}"')

"""The calls of a worker, answered by a test in the same loop."""

from __future__ import annotations

import asyncio
import inspect
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from millpond import _methods, v1
from millpond._worker.engine import Engine
from millpond._worker.execution import run_as_task
from millpond._worker.options import WorkerOptions
from millpond.aio import TaskContext
from waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from millpond import MillpondError
    from millpond._methods import Method, RequestT, ResponseT
    from millpond._worker.attempt import Attempt


class ScriptedStream:
    """A worker's stream, whose other end is the test."""

    def __init__(self) -> None:
        self.sent: list[v1.WorkRequest] = []
        self.has_ended_sending = False
        self.is_closed = False
        self.is_polite = True
        """It ends when the worker has ended its side."""
        self._received: asyncio.Queue[v1.WorkResponse | MillpondError | None] = asyncio.Queue()

    def send(self, request: v1.WorkRequest) -> None:
        assert not self.has_ended_sending
        self.sent.append(request)

    def end_sending(self) -> None:
        self.has_ended_sending = True
        if self.is_polite:
            self.end()

    async def receive(self) -> v1.WorkResponse | None:
        received = await self._received.get()
        if isinstance(received, Exception):
            raise received
        return received

    async def close(self) -> None:
        self.is_closed = True

    def say(self, **message: Any) -> None:
        self._received.put_nowait(v1.WorkResponse(**message))

    def welcome(self, heartbeat: float = 10, lease: float = 20) -> None:
        interval, length = timedelta(seconds=heartbeat), timedelta(seconds=lease)
        self.say(welcome=v1.WorkerWelcome(heartbeat_interval=interval, lease=length))

    def assign(self, *assignments: v1.Assignment) -> None:
        self.say(assignments=v1.AssignmentList(assignments=assignments))

    def end(self, error: MillpondError | None = None) -> None:
        self._received.put_nowait(error)

    def kinds_sent(self) -> list[str]:
        return [str(request.WhichOneof("message")) for request in self.sent]

    @property
    def credit(self) -> int:
        """What has been given in all."""
        return sum(request.credit.tasks for request in self.sent)


class ScriptedCalls:
    """Answers calls by functions of their requests, and remembers the requests."""

    def __init__(self) -> None:
        self._behaviours: dict[str, Callable[[Any], Any]] = {}
        self.requests: dict[str, list[Any]] = {}
        self.streams: list[ScriptedStream] = []
        self.on(_methods.REPORT_TASKS, take_reports)
        self.on(_methods.CLAIM_TASKS, wait_forever)
        self.on(_methods.APPEND_LOGS, lambda _: v1.AppendLogsResponse())
        self.on(_methods.ADD_COUNTS, lambda _: v1.AddCountsResponse())
        self.on(_methods.EXTEND_LEASES, wait_forever)

    def on(self, method: Method[Any, Any], behaviour: Callable[[Any], Any]) -> None:
        self._behaviours[method.path] = behaviour

    def of(self, method: Method[Any, Any]) -> list[Any]:
        """The requests of a method so far."""
        return self.requests.setdefault(method.path, [])

    async def unary(self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float | None) -> ResponseT:
        assert timeout is None or timeout > 0
        self.of(method).append(request)
        answer = self._behaviours[method.path](request)
        return cast("ResponseT", await answer if inspect.isawaitable(answer) else answer)

    def work(self) -> ScriptedStream:
        self.streams.append(ScriptedStream())
        return self.streams[-1]

    @property
    def stream(self) -> ScriptedStream:
        """The last stream."""
        return self.streams[-1]

    def reports(self) -> list[v1.TaskReport]:
        """All reports in the order of their calls."""
        return [report for request in self.of(_methods.REPORT_TASKS) for report in request.reports]


def take_reports(request: v1.ReportTasksRequest) -> v1.ReportTasksResponse:
    results = [v1.ReportResult(task=v1.Task(task_id=report.task_id)) for report in request.reports]
    return v1.ReportTasksResponse(results=results)


async def wait_forever(_: Any) -> Any:
    await asyncio.Event().wait()


def raising(error: Exception) -> Callable[[Any], Any]:
    def behave(_: Any) -> Any:
        raise error

    return behave


class Script:
    """Answers by the next of its behaviours, at the end by the last again."""

    def __init__(self, *behaviours: Callable[[Any], Any]) -> None:
        self._behaviours = list(behaviours)

    def __call__(self, request: Any) -> Any:
        behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        return behaviour(request)


def assignment(task_id: str, kind: str = "k", attempt: int = 1, **task: Any) -> v1.Assignment:
    return v1.Assignment(task=v1.Task(task_id=task_id, kind=kind, **task), attempt=attempt)


class Worker:
    """An engine under test, with handlers that are coroutine functions."""

    def __init__(self, handlers: Mapping[str, Callable[[TaskContext], Awaitable[object]]], **options: Any) -> None:
        self.errors: list[str] = []
        self.failures: list[Exception] = []
        self.calls = ScriptedCalls()
        self._handlers = handlers
        self.begun = 0
        options.setdefault("worker_id", "w")
        everything = WorkerOptions(on_error=lambda error: self.errors.append(str(error)), **options)
        self.engine = Engine(self.calls, everything, list(handlers), self._execute)
        self.life = asyncio.create_task(self.engine.run(self.failures.append))

    async def stop(self) -> None:
        self.engine.request_stop()
        await self.life

    def _execute(self, attempt: Attempt, engine: Engine) -> None:
        self.begun += 1
        context = TaskContext(attempt, engine)
        run_as_task(attempt, lambda: self._handlers[attempt.kind](context), engine.handler_ended)


async def settle() -> None:
    """Let everything happen that happens without time."""
    for _ in range(50):
        await asyncio.sleep(0)


async def begin(
    handler: Callable[[TaskContext], Awaitable[object]],
    *task_ids: str,
    answers: Mapping[Method[Any, Any], Callable[[Any], Any]] | None = None,
    **options: Any,
) -> Worker:
    """Make a worker whose handler has been given tasks."""
    worker = Worker({"k": handler}, **options)
    for method, behaviour in (answers or {}).items():
        worker.calls.on(method, behaviour)
    await settle()
    worker.calls.stream.welcome()
    worker.calls.stream.assign(*(assignment(task_id) for task_id in task_ids or ("a",)))
    await eventually_async(lambda: worker.begun == len(task_ids or ("a",)))
    return worker

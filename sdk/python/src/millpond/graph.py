"""Graphs of tasks to create."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, Union

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from millpond import v1
from millpond.json import to_struct, to_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from millpond.json import Json


@dataclass(frozen=True)
class TaskRef:
    """A task of a graph, as ``Graph.task`` answers it: give it to the tasks that come after."""

    key: str


@dataclass(frozen=True)
class ExistingTask:
    """A task that exists already, of any batch; it may have ended."""

    task_id: str


Parent: TypeAlias = Union[TaskRef, str, ExistingTask]  # noqa: UP007 (3.10 evaluates it)
"""A task to depend on: one of the same graph or batch, by reference or by key, or an existing one."""

Execution: TypeAlias = Union[v1.Webhook, v1.WorkerExecution, v1.JoinExecution]  # noqa: UP007
"""How a task is executed: a webhook is called, a worker takes it, or there is nothing to do."""


class _Absent(enum.Enum):
    """The absence of what may be None."""

    ABSENT = enum.auto()


_ABSENT: Final = _Absent.ABSENT


def on_success(parent: Parent) -> v1.Dependency:
    """Let the child start when the parent has succeeded, which is also what a bare parent means."""
    return _dependency(parent, v1.DependencyCondition.DEPENDENCY_CONDITION_SUCCESS)


def on_completion(parent: Parent) -> v1.Dependency:
    """Let the child start when the parent has ended, in whatever way."""
    return _dependency(parent, v1.DependencyCondition.DEPENDENCY_CONDITION_COMPLETED)


def on_failure(parent: Parent) -> v1.Dependency:
    """Let the child start when the parent has failed or was canceled."""
    return _dependency(parent, v1.DependencyCondition.DEPENDENCY_CONDITION_FAILURE)


class Graph:
    """Collects tasks for one CreateTasks or UploadTasks call: ``graph.task("align", kind, after=[fetch])``."""

    def __init__(
        self,
        name: str = "",
        *,
        metadata: Mapping[str, Json] | None = None,
        open: bool = False,  # noqa: A002 (the contract's word)
        on_complete: Iterable[v1.Webhook] = (),
        paused: bool = False,
        batch_id: str | None = None,
    ) -> None:
        """Begin a graph that becomes a new batch or, with ``batch_id``, grows an open one.

        ``name`` and ``metadata`` describe the new batch; an ``open`` one accepts more tasks until SealBatch, a
        ``paused`` one is created held, and ``on_complete`` is called after its end. Raises TypeError or ValueError when
        the metadata is no JSON, or a batch is both new and named.
        """
        self._tasks: dict[str, v1.NewTask] = {}
        self._batch_id = batch_id
        self._batch = v1.NewBatch(name=name, open=open, on_complete=on_complete, paused=paused)
        if metadata is not None:
            self._batch.metadata.CopyFrom(to_struct(metadata))
        if batch_id is not None and (self._batch.ByteSize() > 0 or metadata is not None):
            raise ValueError("a graph that grows a batch describes no new one: give batch_id alone")

    def task(
        self,
        key: str,
        kind: str,
        *,
        name: str | None = None,
        after: Iterable[Parent | v1.Dependency] = (),
        unmet_policy: v1.UnmetPolicy = v1.UnmetPolicy.UNMET_POLICY_UNSPECIFIED,
        metadata: Mapping[str, Json] | None = None,
        input: Json | _Absent = _ABSENT,  # noqa: A002 (the contract's word)
        priority: int = 0,
        expected_count: int | None = None,
        start_time: datetime | None = None,
        start_timeout: timedelta | None = None,
        inactivity_timeout: timedelta | None = None,
        execution_timeout: timedelta | None = None,
        total_timeout: timedelta | None = None,
        retry: v1.RetryPolicy | None = None,
        rules: Iterable[v1.Rule] = (),
        dedupe: Iterable[v1.DedupeMatcher] = (),
        execution: Execution | None = None,
        on_success: Iterable[v1.Webhook] = (),
        on_failure: Iterable[v1.Webhook] = (),
        on_cancel: Iterable[v1.Webhook] = (),
        critical: bool = False,
        only_for_dependents: bool = False,
        fairness_key: str = "",
        fairness_weight: int = 0,
    ) -> TaskRef:
        """Add a task under a key that is unique in the graph; all else is what ``v1.NewTask`` says.

        The name defaults to the key. A parent in ``after`` must succeed unless ``on_completion`` or ``on_failure``
        says otherwise. Raises ValueError when the key is taken, for a ``start_time`` without a time zone, and, with
        TypeError, for what is no JSON; TypeError also for a text as ``after``, whose letters would be the parents.
        """
        if isinstance(after, str):
            raise TypeError(f'after is the text "{after}"; it must be a list of parents')
        if key in self._tasks:
            raise ValueError(f'the graph has a task "{key}" already')
        task = v1.NewTask(
            key=key,
            name=key if name is None else name,
            kind=kind,
            dependencies=[each if isinstance(each, v1.Dependency) else _dependency(each) for each in after],
            unmet_policy=unmet_policy,
            metadata=None if metadata is None else to_struct(metadata),
            input=None if input is _ABSENT else to_value(input),
            priority=priority,
            expected_count=expected_count,
            start_time=None if start_time is None else _timestamp(start_time),
            start_timeout=_duration(start_timeout),
            inactivity_timeout=_duration(inactivity_timeout),
            execution_timeout=_duration(execution_timeout),
            total_timeout=_duration(total_timeout),
            retry=retry,
            rules=rules,
            dedupe=dedupe,
            on_success=on_success,
            on_failure=on_failure,
            on_cancel=on_cancel,
            critical=critical,
            only_for_dependents=only_for_dependents,
            fairness_key=fairness_key,
            fairness_weight=fairness_weight,
        )
        _set_execution(task, execution)
        self._tasks[key] = task
        return TaskRef(key)

    def __len__(self) -> int:
        """Answer the number of tasks so far."""
        return len(self._tasks)

    def to_request(self, *, request_id: str = "", validate_only: bool = False) -> v1.CreateTasksRequest:
        """Make the request, for ``client.tasks.create_tasks``.

        An empty ``request_id`` is filled by the client. With ``validate_only`` the server checks everything and creates
        nothing.
        """
        request = v1.CreateTasksRequest(request_id=request_id, tasks=self._tasks.values(), validate_only=validate_only)
        if self._batch_id is None:
            request.new_batch.CopyFrom(self._batch)
        else:
            request.batch_id = self._batch_id
        return request


def _dependency(
    parent: Parent,
    condition: v1.DependencyCondition = v1.DependencyCondition.DEPENDENCY_CONDITION_UNSPECIFIED,
) -> v1.Dependency:
    if isinstance(parent, ExistingTask):
        return v1.Dependency(task_id=parent.task_id, condition=condition)
    return v1.Dependency(key=parent if isinstance(parent, str) else parent.key, condition=condition)


def _set_execution(task: v1.NewTask, execution: Execution | None) -> None:
    if isinstance(execution, v1.Webhook):
        task.on_start.CopyFrom(execution)
    elif isinstance(execution, v1.WorkerExecution):
        task.worker.CopyFrom(execution)
    elif isinstance(execution, v1.JoinExecution):
        task.join.CopyFrom(execution)


def _duration(delta: timedelta | None) -> Duration | None:
    if delta is None:
        return None
    duration = Duration()
    duration.FromTimedelta(delta)
    return duration


def _timestamp(time: datetime) -> Timestamp:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone; datetime.now(timezone.utc) has one")
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp

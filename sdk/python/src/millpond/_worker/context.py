"""What a handler sees of its attempt."""

from __future__ import annotations

import operator
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from millpond import v1
from millpond._worker.count_queue import COUNT_MAX
from millpond._worker.outcome import report_of
from millpond.cancellation import Cancellation
from millpond.json import from_value, to_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millpond._worker.attempt import Attempt
    from millpond._worker.errors import AbortReason
    from millpond._worker.log_queue import LogLevelName
    from millpond.json import Json


class AttemptCalls(Protocol):
    """What a handler's attempt can tell the server while it goes on. By any thread."""

    def heartbeat(self, attempt: Attempt, report: v1.TaskReport, on_done: Callable[[], object]) -> None:
        """Send a report that the work goes on; ``on_done`` is called in the worker's loop once that is dealt with."""

    def log(self, attempt: Attempt, level: LogLevelName, message: object) -> None:
        """Take a line of log."""

    def count(self, attempt: Attempt, success: int, failure: int) -> None:
        """Add to the counters of the task."""


@dataclass(frozen=True)
class ParentOutcome:
    """How a parent ended, and what it produced."""

    task_id: str
    status: v1.TaskStatus
    output: Any
    """JSON; None: nothing, or ``output_omitted``."""
    output_omitted: bool
    """The outputs of the parents are too large to be handed out together (4 MiB): GetTask has this one."""


class BaseContext:
    """What handlers of threads and of asyncio see alike."""

    def __init__(self, attempt: Attempt, calls: AttemptCalls) -> None:
        self._attempt = attempt
        self._calls = calls

    @property
    def assignment(self) -> v1.Assignment:
        """The assignment as it came."""
        return self._attempt.assignment

    @property
    def task(self) -> v1.Task:
        """The task, whole."""
        return self._attempt.assignment.task

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        return self._attempt.number

    @cached_property
    def input(self) -> Any:
        """The task's input, as JSON; None where it has none."""
        return from_value(self.task.input)

    @cached_property
    def parents(self) -> Mapping[str, ParentOutcome]:
        """What became of the task's parents: by key, or by task id for one without a key or of another batch."""
        return {key: _outcome_of(parent) for key, parent in self.assignment.parents.items()}

    @property
    def reason(self) -> AbortReason | None:
        """Why the handler should stop; None: it should not."""
        return self._attempt.aborted.reason if self._attempt.aborted else None

    def log(self, level: LogLevelName, message: object) -> None:
        """Add a line to the log of the attempt. It returns at once and never raises.

        Lines are sent together, a few times a second, the last ones before the attempt is reported. While the server is
        away 10,000 of them wait; what does not fit is dropped, and a line says how many lines that were.
        """
        self._calls.log(self._attempt, level, message)

    def count(self, success: int = 0, failure: int = 0) -> None:
        """Add to the task's counters, each count once, whatever connection breaks. It returns at once.

        The closing report waits until all of it is in; what is refused goes to the error listener. Raises TypeError
        for what is no whole number, and ValueError for what is negative or beyond 64 bits.
        """
        success, failure = operator.index(success), operator.index(failure)
        if not (0 <= success <= COUNT_MAX and 0 <= failure <= COUNT_MAX):
            raise ValueError(f"counts are from 0 to {COUNT_MAX}; these are {success} and {failure}")
        if success or failure:
            self._calls.count(self._attempt, success, failure)

    def _heartbeat_report(self, progress: Json) -> v1.TaskReport:
        value = None if progress is None else to_value(progress)
        return report_of(self._attempt, heartbeat=v1.TaskReport.Heartbeat(progress=value))


class TaskContext(BaseContext):
    """What a handler that runs in a thread gets."""

    def __init__(self, attempt: Attempt, calls: AttemptCalls) -> None:
        super().__init__(attempt, calls)
        self._cancelled = Cancellation()
        attempt.on_abort = self._cancelled.set

    @property
    def cancelled(self) -> Cancellation:
        """Is set when the handler should stop; ``reason`` says why.

        Give it as ``cancel`` to calls that should end, too.
        """
        return self._cancelled

    def raise_if_cancelled(self) -> None:
        """Raise AttemptAbortedError when the handler should stop."""
        if self._attempt.aborted is not None:
            raise self._attempt.aborted

    def heartbeat(self, progress: Json = None) -> None:
        """Tell the server that the work goes on, and how far it is. Not needed to keep the lease.

        Returns once the server has answered, or when the handler should stop; what went wrong goes to the error
        listener. Raises TypeError or ValueError when the progress is no JSON.
        """
        report = self._heartbeat_report(progress)
        done = threading.Event()
        self._cancelled.add_callback(done.set)
        try:
            if not done.is_set():
                self._calls.heartbeat(self._attempt, report, done.set)
                done.wait()
        finally:
            self._cancelled.remove_callback(done.set)


def _outcome_of(parent: v1.ParentResult) -> ParentOutcome:
    return ParentOutcome(
        task_id=parent.task_id,
        status=parent.status,
        output=from_value(parent.output),
        output_omitted=parent.output_omitted,
    )

"""One execution of a task by this worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond import v1
from millpond._worker.errors import AbortReason, AttemptAbortedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Attempt:
    """One execution of a task by this worker, from its assignment to the answer to its closing report."""

    def __init__(self, assignment: v1.Assignment, lease_expires_at: float) -> None:
        self.assignment = assignment
        self.task_id = assignment.task.task_id
        self.kind = assignment.task.kind
        self.number = assignment.attempt
        self.lease_expires_at = lease_expires_at
        """By this process's monotonic clock."""
        self.aborted: AttemptAbortedError | None = None
        """Why the handler was told to stop, once it was. Other threads may read it."""
        self.on_abort: Callable[[], object] | None = None
        """Tells the handler to stop."""

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from other attempts."""
        return (self.task_id, self.number)

    @property
    def lease(self) -> v1.LeaseRef:
        """The lease that the worker has on it."""
        return v1.LeaseRef(task_id=self.task_id, attempt=self.number)

    @property
    def is_disowned(self) -> bool:
        """Whether the attempt is no longer this worker's to report on."""
        return self.aborted is not None and self.aborted.reason is not AbortReason.WORKER_STOPPED

    def abort(self, reason: AbortReason, message: str) -> None:
        """Tell the handler to stop. Only the first call counts."""
        if self.aborted is not None:
            return
        self.aborted = AttemptAbortedError(reason, message)
        if self.on_abort is not None:
            self.on_abort()

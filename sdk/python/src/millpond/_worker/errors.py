"""What handlers raise."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millpond.json import Json


class TaskError(Exception):
    """A failure that a handler raises with a code, details or a delay of its own."""

    # Of subclasses that do not call ``__init__``.
    code: str = ""
    details: Json = None
    retry_delay: timedelta | None = None

    def __init__(
        self, message: str, *, code: str = "", details: Json = None, retry_delay: timedelta | None = None
    ) -> None:
        """Make a failure.

        ``code`` is the handler's own, which a retry policy may name as not worth retrying; ``details`` are anything
        more; ``retry_delay`` is the delay before the next attempt, instead of the policy's. Raises
        TypeError for a delay that is no timedelta.
        """
        if retry_delay is not None and not isinstance(retry_delay, timedelta):
            raise TypeError(f"retry_delay must be a timedelta, not {type(retry_delay).__name__}")
        super().__init__(message)
        self.code = code
        self.details = details
        self.retry_delay = retry_delay


class NonRetryableError(TaskError):
    """A failure that repeating cannot mend: the task ends, whatever its retry policy says."""


class AbortReason(enum.Enum):
    """Why a handler should stop."""

    CANCEL_REQUESTED = "cancel requested"
    """Its task was canceled, or its attempt has timed out."""
    LEASE_LOST = "lease lost"
    """Another worker may have the attempt."""
    WORKER_STOPPED = "worker stopped"
    """The worker stops, and its grace is over."""


class AttemptAbortedError(Exception):
    """Raised by handlers that end because they should stop."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        # So that it passes from process to process: without, it would be made of its message alone.
        return type(self), (self.reason, str(self)), self.__dict__

"""Which calls are repeated, and after what delays."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import grpc

from millpond import _methods, v1
from millpond._methods import Method, RequestT, ResponseT

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from millpond.errors import MillpondError

# An empty answer that comes sooner is of a server that does not wait. The pause after it is drawn between these, so
# that clients which wait for the same do not come back together.
_EMPTY_ANSWER_MIN_SECONDS = 0.1
_PAUSE_SECONDS = (0.75, 1.25)


@dataclass(frozen=True)
class RepeatPolicy:
    """How often, and after what delays, a call that is safe to repeat is repeated. Times are in seconds."""

    max_attempts: int = 5
    """How often the call is made at most, the first time included."""
    initial_backoff: float = 0.1
    """The ceiling of the first delay; it doubles from repeat to repeat."""
    max_backoff: float = 5.0
    """The ceiling of every delay that the server has not asked for."""
    max_requested_delay: float = 30.0
    """The longest delay asked for by the server that is waited for; beyond it the call fails."""

    def backoff(self, failures: int) -> float:
        """Draw the delay after so many failures in a row, from 1.

        Uniform between 0 and a ceiling that doubles up to a maximum ("full jitter", M. Brooker, "Exponential Backoff
        And Jitter", 2015), so that clients which failed together do not come back together.
        """
        ceiling = min(self.max_backoff, self.initial_backoff * 2 ** min(failures - 1, 30))
        return random.uniform(0, ceiling)

    def delay_before_repeat(self, error: MillpondError, failures: int) -> float | None:
        """Answer how long to wait before a call that is safe to repeat is repeated; None: it is not."""
        if failures >= self.max_attempts:
            return None
        if error.retry_delay is not None:
            requested = error.retry_delay.total_seconds()
            return requested + self.backoff(1) if requested <= self.max_requested_delay else None
        return self.backoff(failures) if error.is_transient else None

    def delay_before_going_on(self, error: MillpondError, failures: int) -> float | None:
        """Answer how long what goes on without end waits before it does again what failed; None: that mends nothing.

        A server that asks for a longer delay than is waited for is asked again after that. What was not answered in
        time is done again as what a server that is away has not taken.
        """
        if error.retry_delay is not None:
            return min(error.retry_delay.total_seconds(), self.max_requested_delay) + self.backoff(failures)
        is_away = error.is_transient or error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        return self.backoff(failures) if is_away else None


def pause_after_empty(took: float) -> float:
    """Answer how many seconds to pause after an empty answer to a call that was to wait, and took so many.

    Where the server has not waited, asking again at once would only make both sides busy. 0: it has.
    """
    return 0.0 if took >= _EMPTY_ANSWER_MIN_SECONDS else random.uniform(*_PAUSE_SECONDS)


class PlannedCall(Generic[RequestT, ResponseT]):
    """One unary call over all of its attempts: what is sent, until when, and how often."""

    def __init__(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        *,
        timeout: float | None,
        default_timeout: float,
        policy: RepeatPolicy | None,
    ) -> None:
        self.method = method
        self.request = with_request_id(request)
        if timeout is None:
            timeout = default_timeout + _wait_of(request)
        self._deadline = time.monotonic() + timeout
        self._policy = policy if is_safe_to_repeat(method, self.request) else None
        self._failures = 0

    @property
    def remaining(self) -> float:
        """The seconds until the call's deadline, not below 0."""
        return max(0.0, self._deadline - time.monotonic())

    def delay_after(self, error: MillpondError) -> float | None:
        """Count a failure, and answer how long to wait before the call is repeated; None: it is not."""
        self._failures += 1
        delay = None if self._policy is None else self._policy.delay_before_repeat(error, self._failures)
        # What cannot begin before the deadline is not waited for: the caller learns why the last attempt failed.
        return delay if delay is not None and delay < self.remaining else None


def with_request_id(request: RequestT) -> RequestT:
    """Answer the request, or, where its ``request_id`` is empty, a copy with a new one."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or getattr(request, "request_id"):  # noqa: B009
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    setattr(copy, "request_id", str(uuid.uuid4()))  # noqa: B010 (not every message has one)
    return copy


def is_safe_to_repeat(method: Method[RequestT, ResponseT], request: Message) -> bool:
    """Tell whether a second call does no harm when the first one has been carried out.

    ClaimTasks never is: the first answer may be on its way.
    """
    if method.has_no_side_effects or method.path == _methods.EXTEND_LEASES.path:
        return True
    if isinstance(request, v1.ReportTasksRequest):
        return all(_is_repeatable(report) for report in request.reports)
    return bool(getattr(request, "request_id", ""))


def _is_repeatable(report: v1.TaskReport) -> bool:
    # A repeated closing report is refused, so what it adds to the counters is added once; any other report adds again.
    # A report on whichever attempt is current may, when it is repeated, meet the next one.
    if report.attempt == 0:
        return False
    is_closing = report.WhichOneof("report") in {"success", "failure"}
    return is_closing or (report.add_success_count == 0 and report.add_failure_count == 0)


def _wait_of(request: Message) -> float:
    if "wait_timeout" not in request.DESCRIPTOR.fields_by_name:
        return 0.0
    wait = getattr(request, "wait_timeout")  # noqa: B009 (not every message has one)
    return max(0.0, float(wait.ToTimedelta().total_seconds()))

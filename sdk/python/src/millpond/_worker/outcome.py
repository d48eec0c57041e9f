"""What becomes of what a handler returns or raises: the closing report. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import grpc

from millpond import v1
from millpond._worker.errors import AttemptAbortedError, NonRetryableError, TaskError
from millpond.errors import MillpondError
from millpond.json import to_value

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Value

    from millpond._worker.attempt import Attempt

# The longest message, code and delay of a failure that the contract takes.
_MESSAGE_LENGTH_MAX = 16_384
_CODE_LENGTH_MAX = 255
_RETRY_DELAY_MAX = timedelta(days=366)


def report_of(attempt: Attempt, **report: object) -> v1.TaskReport:
    """Make a report on an attempt: ``success``, ``failure`` or ``heartbeat``."""
    return v1.TaskReport(task_id=attempt.task_id, attempt=attempt.number, **report)  # type: ignore[arg-type]


def success_report(attempt: Attempt, result: object) -> v1.TaskReport:
    """Make the report on a handler that returned. None is no output; what cannot be JSON is a failure, for good."""
    try:
        output = None if result is None else to_value(result)
    except Exception as error:  # noqa: BLE001 (whatever somebody's mapping does when it is read)
        message = f"the handler's output is no JSON: {text_of(error)}"
        return failure_report(attempt, NonRetryableError(message, code="OUTPUT_NOT_JSON"))
    return report_of(attempt, success=v1.TaskReport.Success(output=output))


def failure_report(attempt: Attempt, error: BaseException) -> v1.TaskReport:
    """Make the report on a handler that raised. Never raises."""
    failure = v1.TaskReport.Failure(
        message=text_of(error)[:_MESSAGE_LENGTH_MAX],
        code="WORKER_STOPPED" if _ends_by_abort(attempt, error) else _code_of(error)[:_CODE_LENGTH_MAX],
        non_retryable=isinstance(error, NonRetryableError),
    )
    if isinstance(error, TaskError):
        if error.details is not None:
            failure.details.CopyFrom(_details_of(error.details))
        # Somebody may have set anything.
        if isinstance(error.retry_delay, timedelta):
            failure.retry_delay.FromTimedelta(min(max(error.retry_delay, timedelta(0)), _RETRY_DELAY_MAX))
    return report_of(attempt, failure=failure)


def report_instead_of(attempt: Attempt, report: v1.TaskReport, refusal: str) -> v1.TaskReport | None:
    """Make what to report when the server does not take what a closing report holds.

    Of a success whose output is refused, a failure that says so; of a failure with details, the same without them.
    None: there is nothing left to leave out.
    """
    if report.WhichOneof("report") == "success":
        message = f"the output was refused: {refusal}"
        return failure_report(attempt, NonRetryableError(message, code="OUTPUT_REFUSED"))
    if not report.failure.HasField("details"):
        return None
    failure = v1.TaskReport.Failure()
    failure.CopyFrom(report.failure)
    failure.ClearField("details")
    return report_of(attempt, failure=failure)


def text_of(thing: object) -> str:
    """Make a text that the contract takes of anything, of an error without one its name. Never raises."""
    try:
        text = str(thing) or (type(thing).__name__ if isinstance(thing, BaseException) else "")
    except Exception:  # noqa: BLE001 (whatever somebody's __str__ does)
        text = f"a {type(thing).__name__} without a text"
    return wire_text(text)


def wire_text(text: str) -> str:
    """Make a text one that the contract takes: no NUL, and no halves of characters."""
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


def _ends_by_abort(attempt: Attempt, error: BaseException) -> bool:
    if isinstance(error, AttemptAbortedError):
        return True
    is_cancelled_call = isinstance(error, MillpondError) and error.code is grpc.StatusCode.CANCELLED
    return attempt.aborted is not None and is_cancelled_call


def _code_of(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return ""
    try:
        code = getattr(error, "code", None)
    except Exception:  # noqa: BLE001 (whatever somebody's property does)
        return ""
    return wire_text(code) if isinstance(code, str) else ""


def _details_of(details: object) -> Value:
    try:
        return to_value(details)
    except Exception as error:  # noqa: BLE001 (whatever somebody's mapping does when it is read)
        return to_value(f"the details are no JSON: {text_of(error)}")

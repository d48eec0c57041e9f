"""What becomes of what a handler returns or raises."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest

import millpond
from millpond import AbortReason, AttemptAbortedError, MillpondError, NonRetryableError, TaskError, v1
from millpond._worker.attempt import Attempt
from millpond._worker.outcome import failure_report, success_report


def attempt() -> Attempt:
    return Attempt(v1.Assignment(task=v1.Task(task_id="t", kind="k"), attempt=2), 0.0)


def failure_of(error: BaseException) -> v1.TaskReport.Failure:
    return failure_report(attempt(), error).failure


def test_reports_name_their_attempt() -> None:
    report = success_report(attempt(), {"a": 1})
    assert (report.task_id, report.attempt) == ("t", 2)
    assert millpond.from_value(report.success.output) == {"a": 1}


def test_nothing_is_no_output() -> None:
    report = success_report(attempt(), None)
    assert report.HasField("success")
    assert not report.success.HasField("output")


@pytest.mark.parametrize("result", [object(), float("nan"), {1: 2}, "\ud800", 2**70 + 1])
def test_what_is_no_json_fails_for_good(result: Any) -> None:
    failure = success_report(attempt(), result).failure
    assert (failure.code, failure.non_retryable) == ("OUTPUT_NOT_JSON", True)
    assert failure.message.startswith("the handler's output is no JSON: ")


def test_an_ordinary_error_fails_with_its_message() -> None:
    failure = failure_of(ValueError("something broke"))
    assert (failure.message, failure.code, failure.non_retryable) == ("something broke", "", False)


def test_an_error_without_a_message_has_its_name() -> None:
    assert failure_of(ValueError()).message == "ValueError"


def test_a_code_that_is_a_text_is_taken() -> None:
    class CodedError(Exception):
        def __init__(self, code: object) -> None:
            super().__init__("coded")
            self.code = code

    assert failure_of(CodedError("ENOSPC")).code == "ENOSPC"
    assert failure_of(CodedError(28)).code == ""
    assert failure_of(MillpondError(grpc.StatusCode.NOT_FOUND, "gone")).code == ""
    assert failure_of(SystemExit("text")).code == ""


def test_a_task_error_says_more() -> None:
    error = TaskError("busy", code="BUSY", details={"free": [0]}, retry_delay=timedelta(milliseconds=50))
    failure = failure_of(error)
    assert (failure.message, failure.code, failure.non_retryable) == ("busy", "BUSY", False)
    assert millpond.from_value(failure.details) == {"free": [0]}
    assert failure.retry_delay.ToMilliseconds() == 50
    assert not failure_of(TaskError("busy")).HasField("details")
    assert failure_of(NonRetryableError("no")).non_retryable


def test_what_is_beyond_the_contracts_bounds_is_cut() -> None:
    failure = failure_of(TaskError("x" * 20_000, code="y" * 300, retry_delay=timedelta(days=500)))
    assert (len(failure.message), len(failure.code), failure.retry_delay.seconds) == (16_384, 255, 366 * 86_400)
    assert failure_of(TaskError("", retry_delay=timedelta(seconds=-1))).retry_delay.seconds == 0
    assert failure_of(ValueError("a\0b\ud800")).message == "a\u2400b?"


def test_details_that_are_no_json_are_told() -> None:
    failure = failure_of(TaskError("busy", details=object()))  # type: ignore[arg-type]
    assert str(millpond.from_value(failure.details)).startswith("the details are no JSON: ")


def test_an_error_whose_text_fails_has_one() -> None:
    class Mute(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError

    assert failure_of(Mute()).message == "a Mute without a text"


def test_who_ends_by_an_abort_was_stopped() -> None:
    stopped = AttemptAbortedError(AbortReason.WORKER_STOPPED, "the worker stops")
    assert failure_of(stopped).code == "WORKER_STOPPED"
    cancelled = MillpondError(grpc.StatusCode.CANCELLED, "the call was cancelled")
    assert failure_of(cancelled).code == ""
    aborted = attempt()
    aborted.abort(AbortReason.WORKER_STOPPED, "the worker stops")
    assert failure_report(aborted, cancelled).failure.code == "WORKER_STOPPED"


def test_the_first_abort_counts() -> None:
    aborted = attempt()
    told: list[str] = []
    aborted.on_abort = lambda: told.append("told")
    aborted.abort(AbortReason.WORKER_STOPPED, "the worker stops")
    aborted.abort(AbortReason.LEASE_LOST, "lost")
    assert told == ["told"]
    assert aborted.aborted is not None
    assert aborted.aborted.reason is AbortReason.WORKER_STOPPED
    assert not aborted.is_disowned


class BrokenMapping(dict[str, object]):
    def items(self) -> Any:
        raise RuntimeError("it changed")


def test_an_output_that_cannot_be_read_is_no_json() -> None:
    failure = success_report(attempt(), BrokenMapping()).failure
    assert (failure.code, failure.non_retryable) == ("OUTPUT_NOT_JSON", True)


def test_whatever_an_error_holds_it_is_reported() -> None:
    class BareError(TaskError):
        def __init__(self) -> None:
            Exception.__init__(self, "bare")

    class BrokenCodeError(Exception):
        @property
        def code(self) -> str:
            raise RuntimeError("no")

    changed: Any = TaskError("changed")
    changed.retry_delay = 5
    assert failure_of(BareError()).message == "bare"
    assert failure_of(BrokenCodeError("coded")).message == "coded"
    assert not failure_of(changed).HasField("retry_delay")
    details: Any = BrokenMapping()
    assert failure_of(TaskError("detailed", details=details)).details.string_value.startswith("the details")


def test_a_delay_that_is_no_timedelta_is_refused_at_once() -> None:
    seconds: Any = 5
    with pytest.raises(TypeError, match="must be a timedelta, not int"):
        TaskError("later", retry_delay=seconds)

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import timedelta

import grpc
import pytest

from fake_server import status_details
from millpond import AbortReason, AttemptAbortedError, FieldViolation, MillpondError, NonRetryableError, v1
from millpond.errors import error_of

ADDRESS = "http://127.0.0.1:1"


@dataclass
class FailedError(Exception):
    status: grpc.StatusCode
    text: str
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return self.text

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self.trailers


def translated(
    code: grpc.StatusCode,
    text: str,
    *,
    reason: str = "",
    domain: str = "millpond",
    metadata: dict[str, str] | None = None,
    violations: dict[str, str] | None = None,
    retry_delay: timedelta | None = None,
) -> MillpondError:
    details = status_details(
        code, text, reason=reason, domain=domain, metadata=metadata, violations=violations, retry_delay=retry_delay
    )
    return error_of(ADDRESS, FailedError(code, text, (("grpc-status-details-bin", details.SerializeToString()),)))


def test_an_error_of_millpond_says_why() -> None:
    error = translated(grpc.StatusCode.NOT_FOUND, "no task 7", reason="TASK_NOT_FOUND", metadata={"task_id": "7"})
    assert error.code is grpc.StatusCode.NOT_FOUND
    assert error.reason == v1.ErrorReason.ERROR_REASON_TASK_NOT_FOUND
    assert error.reason_name == "TASK_NOT_FOUND"
    assert error.message == "no task 7"
    assert error.metadata == {"task_id": "7"}
    assert str(error) == "TASK_NOT_FOUND: no task 7"


def test_refused_fields_are_named_in_order() -> None:
    error = translated(
        grpc.StatusCode.INVALID_ARGUMENT,
        "bad",
        reason="INVALID_FIELD",
        violations={"tasks[3].kind": "empty", "tasks[0].key": "long"},
    )
    assert error.violations == [FieldViolation("tasks[3].kind", "empty"), FieldViolation("tasks[0].key", "long")]


def test_a_reason_of_the_future_is_unspecified_and_its_text_is_left_alone() -> None:
    error = translated(
        grpc.StatusCode.FAILED_PRECONDITION, "it cannot be done", reason="FUTURE_REASON", metadata={"tank": "empty"}
    )
    assert error.reason == v1.ErrorReason.ERROR_REASON_UNSPECIFIED
    assert error.reason_name == ""
    assert error.message == "it cannot be done"
    assert error.metadata == {"tank": "empty"}


def test_what_somebody_else_says_names_the_address() -> None:
    error = translated(grpc.StatusCode.INTERNAL, "oops", reason="TASK_NOT_FOUND", domain="example.org")
    assert error.message == f"{ADDRESS}: oops"
    assert error.reason_name == ""
    assert str(error) == f"INTERNAL: {ADDRESS}: oops"


def test_an_error_without_a_text_has_one() -> None:
    assert error_of(ADDRESS, FailedError(grpc.StatusCode.UNKNOWN, "")).message == f"{ADDRESS}: UNKNOWN"


def test_unimplemented_says_what_the_server_may_be() -> None:
    message = error_of(ADDRESS, FailedError(grpc.StatusCode.UNIMPLEMENTED, "no method")).message
    assert message == f"{ADDRESS}: no method (the server may be older than this SDK, or no Millpond)"


def test_details_that_are_none_are_left_out() -> None:
    trailers = (("grpc-status-details-bin", b"\xff\xff"),)
    assert error_of(ADDRESS, FailedError(grpc.StatusCode.INTERNAL, "oops", trailers)).violations == []


@pytest.mark.parametrize(
    ("code", "delay"),
    [
        (grpc.StatusCode.UNAVAILABLE, timedelta(milliseconds=1500)),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, timedelta(milliseconds=1500)),
        (grpc.StatusCode.ABORTED, None),
    ],
)
def test_a_delay_counts_with_the_codes_that_ask_for_one(code: grpc.StatusCode, delay: timedelta | None) -> None:
    assert translated(code, "busy", retry_delay=timedelta(milliseconds=1500)).retry_delay == delay


@pytest.mark.parametrize(
    ("code", "text", "is_transient"),
    [
        (grpc.StatusCode.UNAVAILABLE, "connection refused", True),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", True),
        (grpc.StatusCode.UNKNOWN, "Stream removed", True),
        (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8", True),
        (grpc.StatusCode.INTERNAL, "Internal error from Core", True),
        (grpc.StatusCode.CANCELLED, "cancelled on server side", False),
        (grpc.StatusCode.INTERNAL, "a fault", False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", False),
        (grpc.StatusCode.INVALID_ARGUMENT, "RST_STREAM", False),
    ],
)
def test_an_error_is_transient_when_the_server_was_away(code: grpc.StatusCode, text: str, is_transient: bool) -> None:
    assert error_of(ADDRESS, FailedError(code, text)).is_transient is is_transient


def test_what_millpond_itself_says_is_not_taken_for_a_broken_connection() -> None:
    assert not translated(grpc.StatusCode.INTERNAL, "RST_STREAM", reason="INVALID_FIELD").is_transient


def test_errors_pass_from_process_to_process() -> None:
    refused = MillpondError(
        grpc.StatusCode.NOT_FOUND,
        "gone",
        reason=v1.ErrorReason.ERROR_REASON_TASK_NOT_FOUND,
        metadata={"task_id": "t"},
        violations=[FieldViolation("task_id", "is unknown")],
        retry_delay=timedelta(seconds=2),
    )
    aborted = AttemptAbortedError(AbortReason.LEASE_LOST, "lost")
    failed = NonRetryableError("bad", code="BAD", details=[1])
    for error in (refused, aborted, failed):
        passed = pickle.loads(pickle.dumps(error))
        assert (type(passed), str(passed), vars(passed)) == (type(error), str(error), vars(error))

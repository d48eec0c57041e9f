from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest

from millpond import MillpondError, RepeatPolicy, _methods, v1
from millpond.repeats import PlannedCall, is_safe_to_repeat, with_request_id

AWAY = MillpondError(grpc.StatusCode.UNAVAILABLE, "away")
REFUSED = MillpondError(grpc.StatusCode.NOT_FOUND, "no")


def busy(seconds: float) -> MillpondError:
    return MillpondError(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", retry_delay=timedelta(seconds=seconds))


def report(**fields: Any) -> v1.ReportTasksRequest:
    return v1.ReportTasksRequest(reports=[v1.TaskReport(task_id="t", **fields)])


SUCCESS = v1.TaskReport.Success()
HEARTBEAT = v1.TaskReport.Heartbeat()


@pytest.mark.parametrize(
    ("method", "request_", "is_safe"),
    [
        (_methods.GET_TASK, v1.GetTaskRequest(), True),
        (_methods.LIST_EVENTS, v1.ListEventsRequest(), True),
        (_methods.CREATE_TASKS, v1.CreateTasksRequest(), False),
        (_methods.CREATE_TASKS, v1.CreateTasksRequest(request_id="r"), True),
        (_methods.APPEND_LOGS, v1.AppendLogsRequest(request_id="r"), True),
        (_methods.CLAIM_TASKS, v1.ClaimTasksRequest(), False),
        (_methods.EXTEND_LEASES, v1.ExtendLeasesRequest(), True),
        (_methods.REPORT_TASKS, report(attempt=1, success=SUCCESS), True),
        (_methods.REPORT_TASKS, report(attempt=1, success=SUCCESS, add_success_count=1), True),
        (_methods.REPORT_TASKS, report(attempt=1, heartbeat=HEARTBEAT), True),
        (_methods.REPORT_TASKS, report(attempt=1, heartbeat=HEARTBEAT, add_failure_count=1), False),
        (_methods.REPORT_TASKS, report(success=SUCCESS), False),
    ],
)
def test_what_is_safe_to_repeat(method: Any, request_: Any, is_safe: bool) -> None:
    assert is_safe_to_repeat(method, request_) is is_safe


def test_one_report_that_is_not_safe_makes_a_call_unsafe() -> None:
    both = report(attempt=1, success=SUCCESS)
    both.reports.extend(report(success=SUCCESS).reports)
    assert not is_safe_to_repeat(_methods.REPORT_TASKS, both)


def test_a_mutation_gets_a_request_id_and_the_callers_message_is_not_changed() -> None:
    request = v1.CreateTasksRequest(tasks=[v1.NewTask(key="a")])
    sent = with_request_id(request)
    assert len(sent.request_id) == 36
    assert sent.tasks == request.tasks
    assert request.request_id == ""
    assert with_request_id(request).request_id != sent.request_id


def test_a_request_id_that_is_given_stays() -> None:
    request = v1.CreateTasksRequest(request_id="mine")
    assert with_request_id(request) is request


def test_what_has_no_request_id_is_sent_as_it_is() -> None:
    request = v1.GetTaskRequest()
    assert with_request_id(request) is request


def test_back_off_is_drawn_below_a_ceiling_that_doubles() -> None:
    policy = RepeatPolicy()
    for failures, ceiling in [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (10_000, 5.0)]:
        delays = [policy.backoff(failures) for _ in range(200)]
        assert min(delays) >= 0
        assert ceiling * 0.5 < max(delays) <= ceiling


def test_the_servers_delay_comes_first_up_to_a_bound() -> None:
    policy = RepeatPolicy()
    delay = policy.delay_before_repeat(busy(2), 1)
    assert delay is not None
    assert 2 <= delay <= 2.1
    assert policy.delay_before_repeat(busy(31), 1) is None


def test_a_call_is_made_five_times() -> None:
    policy = RepeatPolicy()
    assert [policy.delay_before_repeat(AWAY, failures) is not None for failures in range(1, 7)] == [True] * 4 + [
        False
    ] * 2
    assert policy.delay_before_going_on(AWAY, 1_000) is not None


def test_what_goes_on_without_end_is_patient() -> None:
    policy = RepeatPolicy()
    late = MillpondError(grpc.StatusCode.DEADLINE_EXCEEDED, "late")
    assert 30 <= (policy.delay_before_going_on(busy(60), 1) or 0) <= 30.1
    assert 2 <= (policy.delay_before_going_on(busy(2), 1) or 0) <= 2.1
    assert policy.delay_before_going_on(late, 1) is not None
    assert policy.delay_before_repeat(late, 1) is None
    assert policy.delay_before_going_on(REFUSED, 1) is None


def test_what_repeating_cannot_mend_is_not_repeated() -> None:
    assert RepeatPolicy().delay_before_repeat(REFUSED, 1) is None


def planned(
    method: Any, request: Any, *, timeout: float | None = None, policy: RepeatPolicy | None
) -> PlannedCall[Any, Any]:
    return PlannedCall(method, request, timeout=timeout, default_timeout=30, policy=policy)


def test_the_default_deadline_has_the_wait_on_top() -> None:
    request = v1.ClaimTasksRequest(wait_timeout=timedelta(seconds=60))
    assert 89 < planned(_methods.CLAIM_TASKS, request, policy=None).remaining <= 90
    assert 4 < planned(_methods.CLAIM_TASKS, request, timeout=5, policy=None).remaining <= 5
    assert 29 < planned(_methods.GET_TASK, v1.GetTaskRequest(), policy=None).remaining <= 30


def test_a_repeat_that_could_not_begin_before_the_deadline_is_not_waited_for() -> None:
    call = planned(_methods.GET_TASK, v1.GetTaskRequest(), timeout=1, policy=RepeatPolicy())
    assert call.delay_after(busy(5)) is None
    assert call.delay_after(AWAY) is not None


def test_repeats_can_be_turned_off() -> None:
    assert planned(_methods.GET_TASK, v1.GetTaskRequest(), policy=None).delay_after(AWAY) is None


def test_a_claim_is_never_repeated() -> None:
    assert planned(_methods.CLAIM_TASKS, v1.ClaimTasksRequest(), policy=RepeatPolicy()).delay_after(AWAY) is None

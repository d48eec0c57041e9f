import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from millpond.gen.millpond.v1 import log_pb2 as _log_pb2
from millpond.gen.millpond.v1 import report_pb2 as _report_pb2
from millpond.gen.millpond.v1 import worker_pb2 as _worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkRequest(_message.Message):
    __slots__ = ("hello", "credit", "heartbeat", "reports", "logs", "drain")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    hello: WorkerHello
    credit: WorkerCredit
    heartbeat: WorkerHeartbeat
    reports: WorkerReports
    logs: WorkerLogs
    drain: WorkerDrain
    def __init__(self, hello: _Optional[_Union[WorkerHello, _Mapping]] = ..., credit: _Optional[_Union[WorkerCredit, _Mapping]] = ..., heartbeat: _Optional[_Union[WorkerHeartbeat, _Mapping]] = ..., reports: _Optional[_Union[WorkerReports, _Mapping]] = ..., logs: _Optional[_Union[WorkerLogs, _Mapping]] = ..., drain: _Optional[_Union[WorkerDrain, _Mapping]] = ...) -> None: ...

class WorkResponse(_message.Message):
    __slots__ = ("welcome", "assignments", "cancel", "lease_lost", "report_results", "drain", "logs_taken")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    LEASE_LOST_FIELD_NUMBER: _ClassVar[int]
    REPORT_RESULTS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    LOGS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    welcome: WorkerWelcome
    assignments: AssignmentList
    cancel: CancelAttempt
    lease_lost: LeaseLost
    report_results: WorkerReportResults
    drain: ServerDrain
    logs_taken: WorkerLogsTaken
    def __init__(self, welcome: _Optional[_Union[WorkerWelcome, _Mapping]] = ..., assignments: _Optional[_Union[AssignmentList, _Mapping]] = ..., cancel: _Optional[_Union[CancelAttempt, _Mapping]] = ..., lease_lost: _Optional[_Union[LeaseLost, _Mapping]] = ..., report_results: _Optional[_Union[WorkerReportResults, _Mapping]] = ..., drain: _Optional[_Union[ServerDrain, _Mapping]] = ..., logs_taken: _Optional[_Union[WorkerLogsTaken, _Mapping]] = ...) -> None: ...

class WorkerHello(_message.Message):
    __slots__ = ("worker_id", "kinds", "labels", "slots")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    slots: int
    def __init__(self, worker_id: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., slots: _Optional[int] = ...) -> None: ...

class WorkerCredit(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: int
    def __init__(self, tasks: _Optional[int] = ...) -> None: ...

class WorkerHeartbeat(_message.Message):
    __slots__ = ("leases",)
    LEASES_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[_worker_pb2.LeaseRef]
    def __init__(self, leases: _Optional[_Iterable[_Union[_worker_pb2.LeaseRef, _Mapping]]] = ...) -> None: ...

class WorkerReports(_message.Message):
    __slots__ = ("sequence", "reports")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    reports: _containers.RepeatedCompositeFieldContainer[_report_pb2.TaskReport]
    def __init__(self, sequence: _Optional[int] = ..., reports: _Optional[_Iterable[_Union[_report_pb2.TaskReport, _Mapping]]] = ...) -> None: ...

class WorkerLogs(_message.Message):
    __slots__ = ("lease", "entries", "request_id")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    lease: _worker_pb2.LeaseRef
    entries: _containers.RepeatedCompositeFieldContainer[_log_pb2.LogEntry]
    request_id: str
    def __init__(self, lease: _Optional[_Union[_worker_pb2.LeaseRef, _Mapping]] = ..., entries: _Optional[_Iterable[_Union[_log_pb2.LogEntry, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class WorkerDrain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerWelcome(_message.Message):
    __slots__ = ("heartbeat_interval", "lease")
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    heartbeat_interval: _duration_pb2.Duration
    lease: _duration_pb2.Duration
    def __init__(self, heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AssignmentList(_message.Message):
    __slots__ = ("assignments",)
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    assignments: _containers.RepeatedCompositeFieldContainer[_worker_pb2.Assignment]
    def __init__(self, assignments: _Optional[_Iterable[_Union[_worker_pb2.Assignment, _Mapping]]] = ...) -> None: ...

class CancelAttempt(_message.Message):
    __slots__ = ("task_id", "attempt", "reason")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    attempt: int
    reason: str
    def __init__(self, task_id: _Optional[str] = ..., attempt: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class LeaseLost(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: _worker_pb2.LeaseRef
    def __init__(self, lease: _Optional[_Union[_worker_pb2.LeaseRef, _Mapping]] = ...) -> None: ...

class WorkerReportResults(_message.Message):
    __slots__ = ("sequence", "results")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, sequence: _Optional[int] = ..., results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class WorkerLogsTaken(_message.Message):
    __slots__ = ("request_id", "truncated")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    truncated: bool
    def __init__(self, request_id: _Optional[str] = ..., truncated: bool = ...) -> None: ...

class ServerDrain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClaimTasksRequest(_message.Message):
    __slots__ = ("worker_id", "kinds", "labels", "max_tasks", "wait_timeout", "lease")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_FIELD_NUMBER: _ClassVar[int]
    WAIT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    max_tasks: int
    wait_timeout: _duration_pb2.Duration
    lease: _duration_pb2.Duration
    def __init__(self, worker_id: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., max_tasks: _Optional[int] = ..., wait_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ClaimTasksResponse(_message.Message):
    __slots__ = ("assignments",)
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    assignments: _containers.RepeatedCompositeFieldContainer[_worker_pb2.Assignment]
    def __init__(self, assignments: _Optional[_Iterable[_Union[_worker_pb2.Assignment, _Mapping]]] = ...) -> None: ...

class ExtendLeasesRequest(_message.Message):
    __slots__ = ("worker_id", "leases", "lease")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    leases: _containers.RepeatedCompositeFieldContainer[_worker_pb2.LeaseRef]
    lease: _duration_pb2.Duration
    def __init__(self, worker_id: _Optional[str] = ..., leases: _Optional[_Iterable[_Union[_worker_pb2.LeaseRef, _Mapping]]] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExtendLeasesResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_worker_pb2.LeaseResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_worker_pb2.LeaseResult, _Mapping]]] = ...) -> None: ...

class AppendLogsRequest(_message.Message):
    __slots__ = ("task_id", "attempt", "entries", "request_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    attempt: int
    entries: _containers.RepeatedCompositeFieldContainer[_log_pb2.LogEntry]
    request_id: str
    def __init__(self, task_id: _Optional[str] = ..., attempt: _Optional[int] = ..., entries: _Optional[_Iterable[_Union[_log_pb2.LogEntry, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class AppendLogsResponse(_message.Message):
    __slots__ = ("truncated", "cancel_requested")
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    truncated: bool
    cancel_requested: bool
    def __init__(self, truncated: bool = ..., cancel_requested: bool = ...) -> None: ...

class ListLogsRequest(_message.Message):
    __slots__ = ("task_id", "attempt", "cursor", "page_size", "wait_timeout")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WAIT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    attempt: int
    cursor: str
    page_size: int
    wait_timeout: _duration_pb2.Duration
    def __init__(self, task_id: _Optional[str] = ..., attempt: _Optional[int] = ..., cursor: _Optional[str] = ..., page_size: _Optional[int] = ..., wait_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListLogsResponse(_message.Message):
    __slots__ = ("entries", "next_cursor", "truncated", "attempt_ended")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_ENDED_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_log_pb2.LogEntry]
    next_cursor: str
    truncated: bool
    attempt_ended: bool
    def __init__(self, entries: _Optional[_Iterable[_Union[_log_pb2.LogEntry, _Mapping]]] = ..., next_cursor: _Optional[str] = ..., truncated: bool = ..., attempt_ended: bool = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "kinds")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers", "next_page_token")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[_worker_pb2.Worker]
    next_page_token: str
    def __init__(self, workers: _Optional[_Iterable[_Union[_worker_pb2.Worker, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

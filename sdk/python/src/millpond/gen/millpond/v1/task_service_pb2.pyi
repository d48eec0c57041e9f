import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import batch_pb2 as _batch_pb2
from millpond.gen.millpond.v1 import blocker_pb2 as _blocker_pb2
from millpond.gen.millpond.v1 import report_pb2 as _report_pb2
from millpond.gen.millpond.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateTasksRequest(_message.Message):
    __slots__ = ("request_id", "new_batch", "batch_id", "tasks", "validate_only")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_BATCH_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    new_batch: _batch_pb2.NewBatch
    batch_id: str
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.NewTask]
    validate_only: bool
    def __init__(self, request_id: _Optional[str] = ..., new_batch: _Optional[_Union[_batch_pb2.NewBatch, _Mapping]] = ..., batch_id: _Optional[str] = ..., tasks: _Optional[_Iterable[_Union[_task_pb2.NewTask, _Mapping]]] = ..., validate_only: bool = ...) -> None: ...

class CreateTasksResponse(_message.Message):
    __slots__ = ("batch", "tasks")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    tasks: _containers.RepeatedCompositeFieldContainer[CreatedTask]
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[CreatedTask, _Mapping]]] = ...) -> None: ...

class CreatedTask(_message.Message):
    __slots__ = ("key", "task_id", "status", "deduplicated")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    key: str
    task_id: str
    status: _task_pb2.TaskStatus
    deduplicated: bool
    def __init__(self, key: _Optional[str] = ..., task_id: _Optional[str] = ..., status: _Optional[_Union[_task_pb2.TaskStatus, str]] = ..., deduplicated: bool = ...) -> None: ...

class UploadTasksRequest(_message.Message):
    __slots__ = ("request_id", "new_batch", "batch_id", "tasks")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_BATCH_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    new_batch: _batch_pb2.NewBatch
    batch_id: str
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.NewTask]
    def __init__(self, request_id: _Optional[str] = ..., new_batch: _Optional[_Union[_batch_pb2.NewBatch, _Mapping]] = ..., batch_id: _Optional[str] = ..., tasks: _Optional[_Iterable[_Union[_task_pb2.NewTask, _Mapping]]] = ...) -> None: ...

class UploadTasksResponse(_message.Message):
    __slots__ = ("batch", "created_count", "deduplicated_count")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CREATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    created_count: int
    deduplicated_count: int
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ..., created_count: _Optional[int] = ..., deduplicated_count: _Optional[int] = ...) -> None: ...

class GetTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class GetTaskResponse(_message.Message):
    __slots__ = ("task", "attempts")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    attempts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskAttempt]
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[_task_pb2.TaskAttempt, _Mapping]]] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "batch_id", "statuses", "kinds", "name_contains", "metadata", "created_after", "created_before")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    NAME_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    batch_id: str
    statuses: _containers.RepeatedScalarFieldContainer[_task_pb2.TaskStatus]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    name_contains: str
    metadata: _struct_pb2.Struct
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., batch_id: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_task_pb2.TaskStatus, str]]] = ..., kinds: _Optional[_Iterable[str]] = ..., name_contains: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    next_page_token: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateTaskRequest(_message.Message):
    __slots__ = ("task", "update_mask", "request_id", "merge_metadata")
    TASK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MERGE_METADATA_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    merge_metadata: bool
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., merge_metadata: bool = ...) -> None: ...

class UpdateTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class ReportTasksRequest(_message.Message):
    __slots__ = ("reports", "brief")
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[_report_pb2.TaskReport]
    brief: bool
    def __init__(self, reports: _Optional[_Iterable[_Union[_report_pb2.TaskReport, _Mapping]]] = ..., brief: bool = ...) -> None: ...

class ReportTasksResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class StreamReportsRequest(_message.Message):
    __slots__ = ("sequence", "reports", "brief")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    reports: _containers.RepeatedCompositeFieldContainer[_report_pb2.TaskReport]
    brief: bool
    def __init__(self, sequence: _Optional[int] = ..., reports: _Optional[_Iterable[_Union[_report_pb2.TaskReport, _Mapping]]] = ..., brief: bool = ...) -> None: ...

class StreamReportsResponse(_message.Message):
    __slots__ = ("acknowledged_sequence", "results")
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    acknowledged_sequence: int
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, acknowledged_sequence: _Optional[int] = ..., results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class AddCountsRequest(_message.Message):
    __slots__ = ("request_id", "counts")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    counts: _containers.RepeatedCompositeFieldContainer[_report_pb2.CountDelta]
    def __init__(self, request_id: _Optional[str] = ..., counts: _Optional[_Iterable[_Union[_report_pb2.CountDelta, _Mapping]]] = ...) -> None: ...

class AddCountsResponse(_message.Message):
    __slots__ = ("rejections",)
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    rejections: _containers.RepeatedCompositeFieldContainer[_report_pb2.CountRejection]
    def __init__(self, rejections: _Optional[_Iterable[_Union[_report_pb2.CountRejection, _Mapping]]] = ...) -> None: ...

class StreamCountsRequest(_message.Message):
    __slots__ = ("producer_id", "sequence", "counts")
    PRODUCER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    producer_id: str
    sequence: int
    counts: _containers.RepeatedCompositeFieldContainer[_report_pb2.CountDelta]
    def __init__(self, producer_id: _Optional[str] = ..., sequence: _Optional[int] = ..., counts: _Optional[_Iterable[_Union[_report_pb2.CountDelta, _Mapping]]] = ...) -> None: ...

class StreamCountsResponse(_message.Message):
    __slots__ = ("acknowledged_sequence", "rejections")
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    acknowledged_sequence: int
    rejections: _containers.RepeatedCompositeFieldContainer[_report_pb2.CountRejection]
    def __init__(self, acknowledged_sequence: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[_report_pb2.CountRejection, _Mapping]]] = ...) -> None: ...

class CancelTasksRequest(_message.Message):
    __slots__ = ("request_id", "task_ids", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ...) -> None: ...

class CancelTasksResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class PauseTasksRequest(_message.Message):
    __slots__ = ("request_id", "task_ids")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class PauseTasksResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class ResumeTasksRequest(_message.Message):
    __slots__ = ("request_id", "task_ids")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ResumeTasksResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class RetryTasksRequest(_message.Message):
    __slots__ = ("request_id", "task_ids", "with_dependents")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    WITH_DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    with_dependents: bool
    def __init__(self, request_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., with_dependents: bool = ...) -> None: ...

class RetryTasksResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_report_pb2.ReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_report_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class ExplainTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class ExplainTaskResponse(_message.Message):
    __slots__ = ("task", "blockers")
    TASK_FIELD_NUMBER: _ClassVar[int]
    BLOCKERS_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    blockers: _containers.RepeatedCompositeFieldContainer[_blocker_pb2.Blocker]
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., blockers: _Optional[_Iterable[_Union[_blocker_pb2.Blocker, _Mapping]]] = ...) -> None: ...

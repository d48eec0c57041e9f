import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import batch_pb2 as _batch_pb2
from millpond.gen.millpond.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("event_id", "event_time", "batch_id", "task_id", "task_created", "task_status_changed", "task_counts_changed", "task_updated", "batch_status_changed", "kind")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_CREATED_FIELD_NUMBER: _ClassVar[int]
    TASK_STATUS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    TASK_UPDATED_FIELD_NUMBER: _ClassVar[int]
    BATCH_STATUS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_time: _timestamp_pb2.Timestamp
    batch_id: str
    task_id: str
    task_created: TaskCreated
    task_status_changed: TaskStatusChanged
    task_counts_changed: TaskCountsChanged
    task_updated: TaskUpdated
    batch_status_changed: BatchStatusChanged
    kind: str
    def __init__(self, event_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., batch_id: _Optional[str] = ..., task_id: _Optional[str] = ..., task_created: _Optional[_Union[TaskCreated, _Mapping]] = ..., task_status_changed: _Optional[_Union[TaskStatusChanged, _Mapping]] = ..., task_counts_changed: _Optional[_Union[TaskCountsChanged, _Mapping]] = ..., task_updated: _Optional[_Union[TaskUpdated, _Mapping]] = ..., batch_status_changed: _Optional[_Union[BatchStatusChanged, _Mapping]] = ..., kind: _Optional[str] = ...) -> None: ...

class TaskCreated(_message.Message):
    __slots__ = ("key", "name", "status", "priority", "parent_count")
    KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PARENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    key: str
    name: str
    status: _task_pb2.TaskStatus
    priority: int
    parent_count: int
    def __init__(self, key: _Optional[str] = ..., name: _Optional[str] = ..., status: _Optional[_Union[_task_pb2.TaskStatus, str]] = ..., priority: _Optional[int] = ..., parent_count: _Optional[int] = ...) -> None: ...

class TaskStatusChanged(_message.Message):
    __slots__ = ("to", "attempt", "failure", "worker_id", "output", "cancel_reason")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    to: _task_pb2.TaskStatus
    attempt: int
    failure: _task_pb2.TaskFailure
    worker_id: str
    output: _struct_pb2.Value
    cancel_reason: str
    def __init__(self, to: _Optional[_Union[_task_pb2.TaskStatus, str]] = ..., attempt: _Optional[int] = ..., failure: _Optional[_Union[_task_pb2.TaskFailure, _Mapping]] = ..., worker_id: _Optional[str] = ..., output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., cancel_reason: _Optional[str] = ..., **kwargs) -> None: ...

class TaskCountsChanged(_message.Message):
    __slots__ = ("success_count", "failure_count")
    SUCCESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    success_count: int
    failure_count: int
    def __init__(self, success_count: _Optional[int] = ..., failure_count: _Optional[int] = ...) -> None: ...

class TaskUpdated(_message.Message):
    __slots__ = ("paths",)
    PATHS_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, paths: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchStatusChanged(_message.Message):
    __slots__ = ("to", "stop_reason", "open")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    to: _batch_pb2.BatchStatus
    stop_reason: str
    open: bool
    def __init__(self, to: _Optional[_Union[_batch_pb2.BatchStatus, str]] = ..., stop_reason: _Optional[str] = ..., open: bool = ..., **kwargs) -> None: ...

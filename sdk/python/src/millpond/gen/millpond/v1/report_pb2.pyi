import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from millpond.gen.millpond.v1 import error_reason_pb2 as _error_reason_pb2
from millpond.gen.millpond.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskReport(_message.Message):
    __slots__ = ("task_id", "attempt", "started", "heartbeat", "success", "failure", "add_success_count", "add_failure_count")
    class Started(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Heartbeat(_message.Message):
        __slots__ = ("progress",)
        PROGRESS_FIELD_NUMBER: _ClassVar[int]
        progress: _struct_pb2.Value
        def __init__(self, progress: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    class Success(_message.Message):
        __slots__ = ("output",)
        OUTPUT_FIELD_NUMBER: _ClassVar[int]
        output: _struct_pb2.Value
        def __init__(self, output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    class Failure(_message.Message):
        __slots__ = ("message", "code", "details", "non_retryable", "retry_delay")
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        CODE_FIELD_NUMBER: _ClassVar[int]
        DETAILS_FIELD_NUMBER: _ClassVar[int]
        NON_RETRYABLE_FIELD_NUMBER: _ClassVar[int]
        RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
        message: str
        code: str
        details: _struct_pb2.Value
        non_retryable: bool
        retry_delay: _duration_pb2.Duration
        def __init__(self, message: _Optional[str] = ..., code: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., non_retryable: bool = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ADD_SUCCESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    ADD_FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    attempt: int
    started: TaskReport.Started
    heartbeat: TaskReport.Heartbeat
    success: TaskReport.Success
    failure: TaskReport.Failure
    add_success_count: int
    add_failure_count: int
    def __init__(self, task_id: _Optional[str] = ..., attempt: _Optional[int] = ..., started: _Optional[_Union[TaskReport.Started, _Mapping]] = ..., heartbeat: _Optional[_Union[TaskReport.Heartbeat, _Mapping]] = ..., success: _Optional[_Union[TaskReport.Success, _Mapping]] = ..., failure: _Optional[_Union[TaskReport.Failure, _Mapping]] = ..., add_success_count: _Optional[int] = ..., add_failure_count: _Optional[int] = ...) -> None: ...

class ReportResult(_message.Message):
    __slots__ = ("task", "error", "cancel_requested")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    error: ItemError
    cancel_requested: bool
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ..., cancel_requested: bool = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("reason", "message", "current_status", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATUS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: _error_reason_pb2.ErrorReason
    message: str
    current_status: _task_pb2.TaskStatus
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., current_status: _Optional[_Union[_task_pb2.TaskStatus, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CountDelta(_message.Message):
    __slots__ = ("task_id", "success", "failure")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    success: int
    failure: int
    def __init__(self, task_id: _Optional[str] = ..., success: _Optional[int] = ..., failure: _Optional[int] = ...) -> None: ...

class CountRejection(_message.Message):
    __slots__ = ("index", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    error: ItemError
    def __init__(self, index: _Optional[int] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import webhook_pb2 as _webhook_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BatchStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BATCH_STATUS_UNSPECIFIED: _ClassVar[BatchStatus]
    BATCH_STATUS_ACTIVE: _ClassVar[BatchStatus]
    BATCH_STATUS_PAUSED: _ClassVar[BatchStatus]
    BATCH_STATUS_SUCCESS: _ClassVar[BatchStatus]
    BATCH_STATUS_FAILURE: _ClassVar[BatchStatus]
    BATCH_STATUS_CANCELED: _ClassVar[BatchStatus]
BATCH_STATUS_UNSPECIFIED: BatchStatus
BATCH_STATUS_ACTIVE: BatchStatus
BATCH_STATUS_PAUSED: BatchStatus
BATCH_STATUS_SUCCESS: BatchStatus
BATCH_STATUS_FAILURE: BatchStatus
BATCH_STATUS_CANCELED: BatchStatus

class NewBatch(_message.Message):
    __slots__ = ("name", "metadata", "open", "on_complete", "paused")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    ON_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    name: str
    metadata: _struct_pb2.Struct
    open: bool
    on_complete: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    paused: bool
    def __init__(self, name: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., open: bool = ..., on_complete: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., paused: bool = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("batch_id", "name", "metadata", "status", "open", "stats", "create_time", "end_time", "stop_reason", "etag")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    name: str
    metadata: _struct_pb2.Struct
    status: BatchStatus
    open: bool
    stats: BatchStats
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    stop_reason: str
    etag: str
    def __init__(self, batch_id: _Optional[str] = ..., name: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., status: _Optional[_Union[BatchStatus, str]] = ..., open: bool = ..., stats: _Optional[_Union[BatchStats, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_reason: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class BatchStats(_message.Message):
    __slots__ = ("total", "by_status", "success_count", "failure_count", "expected_count")
    class ByStatusEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BY_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    total: int
    by_status: _containers.ScalarMap[str, int]
    success_count: int
    failure_count: int
    expected_count: int
    def __init__(self, total: _Optional[int] = ..., by_status: _Optional[_Mapping[str, int]] = ..., success_count: _Optional[int] = ..., failure_count: _Optional[int] = ..., expected_count: _Optional[int] = ...) -> None: ...

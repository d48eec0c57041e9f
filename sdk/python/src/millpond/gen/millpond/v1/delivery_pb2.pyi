import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import webhook_pb2 as _webhook_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeliveryState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_STATE_UNSPECIFIED: _ClassVar[DeliveryState]
    DELIVERY_STATE_PENDING: _ClassVar[DeliveryState]
    DELIVERY_STATE_DELIVERED: _ClassVar[DeliveryState]
    DELIVERY_STATE_EXHAUSTED: _ClassVar[DeliveryState]

class DeliveryTrigger(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_TRIGGER_UNSPECIFIED: _ClassVar[DeliveryTrigger]
    DELIVERY_TRIGGER_SUCCESS: _ClassVar[DeliveryTrigger]
    DELIVERY_TRIGGER_FAILURE: _ClassVar[DeliveryTrigger]
    DELIVERY_TRIGGER_CANCEL: _ClassVar[DeliveryTrigger]
    DELIVERY_TRIGGER_BATCH_COMPLETE: _ClassVar[DeliveryTrigger]
    DELIVERY_TRIGGER_STOP: _ClassVar[DeliveryTrigger]
DELIVERY_STATE_UNSPECIFIED: DeliveryState
DELIVERY_STATE_PENDING: DeliveryState
DELIVERY_STATE_DELIVERED: DeliveryState
DELIVERY_STATE_EXHAUSTED: DeliveryState
DELIVERY_TRIGGER_UNSPECIFIED: DeliveryTrigger
DELIVERY_TRIGGER_SUCCESS: DeliveryTrigger
DELIVERY_TRIGGER_FAILURE: DeliveryTrigger
DELIVERY_TRIGGER_CANCEL: DeliveryTrigger
DELIVERY_TRIGGER_BATCH_COMPLETE: DeliveryTrigger
DELIVERY_TRIGGER_STOP: DeliveryTrigger

class Delivery(_message.Message):
    __slots__ = ("delivery_id", "task_id", "batch_id", "trigger", "url", "method", "state", "attempt_count", "last_status_code", "last_error", "create_time", "last_attempt_time", "next_attempt_time", "deliver_time")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    DELIVER_TIME_FIELD_NUMBER: _ClassVar[int]
    delivery_id: str
    task_id: str
    batch_id: str
    trigger: DeliveryTrigger
    url: str
    method: _webhook_pb2.HttpMethod
    state: DeliveryState
    attempt_count: int
    last_status_code: int
    last_error: str
    create_time: _timestamp_pb2.Timestamp
    last_attempt_time: _timestamp_pb2.Timestamp
    next_attempt_time: _timestamp_pb2.Timestamp
    deliver_time: _timestamp_pb2.Timestamp
    def __init__(self, delivery_id: _Optional[str] = ..., task_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., trigger: _Optional[_Union[DeliveryTrigger, str]] = ..., url: _Optional[str] = ..., method: _Optional[_Union[_webhook_pb2.HttpMethod, str]] = ..., state: _Optional[_Union[DeliveryState, str]] = ..., attempt_count: _Optional[int] = ..., last_status_code: _Optional[int] = ..., last_error: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deliver_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

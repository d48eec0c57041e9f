import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from millpond.gen.millpond.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LineageDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINEAGE_DIRECTION_UNSPECIFIED: _ClassVar[LineageDirection]
    LINEAGE_DIRECTION_UPSTREAM: _ClassVar[LineageDirection]
    LINEAGE_DIRECTION_DOWNSTREAM: _ClassVar[LineageDirection]
    LINEAGE_DIRECTION_BOTH: _ClassVar[LineageDirection]
LINEAGE_DIRECTION_UNSPECIFIED: LineageDirection
LINEAGE_DIRECTION_UPSTREAM: LineageDirection
LINEAGE_DIRECTION_DOWNSTREAM: LineageDirection
LINEAGE_DIRECTION_BOTH: LineageDirection

class GraphNode(_message.Message):
    __slots__ = ("task_id", "key", "name", "kind", "status", "level", "duration", "estimated", "slack", "critical")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    SLACK_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    key: str
    name: str
    kind: str
    status: _task_pb2.TaskStatus
    level: int
    duration: _duration_pb2.Duration
    estimated: bool
    slack: _duration_pb2.Duration
    critical: bool
    def __init__(self, task_id: _Optional[str] = ..., key: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., status: _Optional[_Union[_task_pb2.TaskStatus, str]] = ..., level: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., estimated: bool = ..., slack: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., critical: bool = ...) -> None: ...

class GraphEdge(_message.Message):
    __slots__ = ("parent_task_id", "child_task_id", "condition")
    PARENT_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CHILD_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    parent_task_id: str
    child_task_id: str
    condition: _task_pb2.DependencyCondition
    def __init__(self, parent_task_id: _Optional[str] = ..., child_task_id: _Optional[str] = ..., condition: _Optional[_Union[_task_pb2.DependencyCondition, str]] = ...) -> None: ...

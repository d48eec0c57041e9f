import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import rule_pb2 as _rule_pb2
from millpond.gen.millpond.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Blocker(_message.Message):
    __slots__ = ("dependencies", "rule", "start_time", "paused", "no_worker", "queue", "unreached_host")
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    NO_WORKER_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    UNREACHED_HOST_FIELD_NUMBER: _ClassVar[int]
    dependencies: UnmetDependencies
    rule: RuleBlocker
    start_time: _timestamp_pb2.Timestamp
    paused: PausedBlocker
    no_worker: NoWorkerBlocker
    queue: HigherPriorityBlocker
    unreached_host: UnreachedHostBlocker
    def __init__(self, dependencies: _Optional[_Union[UnmetDependencies, _Mapping]] = ..., rule: _Optional[_Union[RuleBlocker, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paused: _Optional[_Union[PausedBlocker, _Mapping]] = ..., no_worker: _Optional[_Union[NoWorkerBlocker, _Mapping]] = ..., queue: _Optional[_Union[HigherPriorityBlocker, _Mapping]] = ..., unreached_host: _Optional[_Union[UnreachedHostBlocker, _Mapping]] = ...) -> None: ...

class UnmetDependencies(_message.Message):
    __slots__ = ("unmet_count", "total_count", "parents")
    UNMET_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    unmet_count: int
    total_count: int
    parents: _containers.RepeatedCompositeFieldContainer[UnmetDependency]
    def __init__(self, unmet_count: _Optional[int] = ..., total_count: _Optional[int] = ..., parents: _Optional[_Iterable[_Union[UnmetDependency, _Mapping]]] = ...) -> None: ...

class UnmetDependency(_message.Message):
    __slots__ = ("task_id", "key", "status", "condition")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    key: str
    status: _task_pb2.TaskStatus
    condition: _task_pb2.DependencyCondition
    def __init__(self, task_id: _Optional[str] = ..., key: _Optional[str] = ..., status: _Optional[_Union[_task_pb2.TaskStatus, str]] = ..., condition: _Optional[_Union[_task_pb2.DependencyCondition, str]] = ...) -> None: ...

class RuleBlocker(_message.Message):
    __slots__ = ("rule", "key", "in_use", "limit", "holders", "queue_position", "free_time")
    RULE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    IN_USE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    FREE_TIME_FIELD_NUMBER: _ClassVar[int]
    rule: _rule_pb2.Rule
    key: str
    in_use: int
    limit: int
    holders: _containers.RepeatedCompositeFieldContainer[RuleHolder]
    queue_position: int
    free_time: _timestamp_pb2.Timestamp
    def __init__(self, rule: _Optional[_Union[_rule_pb2.Rule, _Mapping]] = ..., key: _Optional[str] = ..., in_use: _Optional[int] = ..., limit: _Optional[int] = ..., holders: _Optional[_Iterable[_Union[RuleHolder, _Mapping]]] = ..., queue_position: _Optional[int] = ..., free_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RuleHolder(_message.Message):
    __slots__ = ("task_id", "amount", "hold_time")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HOLD_TIME_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    amount: int
    hold_time: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., amount: _Optional[int] = ..., hold_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PausedBlocker(_message.Message):
    __slots__ = ("task", "batch")
    TASK_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    task: bool
    batch: bool
    def __init__(self, task: bool = ..., batch: bool = ...) -> None: ...

class NoWorkerBlocker(_message.Message):
    __slots__ = ("kind", "required_labels", "kind_count", "matching_count")
    class RequiredLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_LABELS_FIELD_NUMBER: _ClassVar[int]
    KIND_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHING_COUNT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    required_labels: _containers.ScalarMap[str, str]
    kind_count: int
    matching_count: int
    def __init__(self, kind: _Optional[str] = ..., required_labels: _Optional[_Mapping[str, str]] = ..., kind_count: _Optional[int] = ..., matching_count: _Optional[int] = ...) -> None: ...

class HigherPriorityBlocker(_message.Message):
    __slots__ = ("ahead_count",)
    AHEAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    ahead_count: int
    def __init__(self, ahead_count: _Optional[int] = ...) -> None: ...

class UnreachedHostBlocker(_message.Message):
    __slots__ = ("host", "retry_time")
    HOST_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    host: str
    retry_time: _timestamp_pb2.Timestamp
    def __init__(self, host: _Optional[str] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

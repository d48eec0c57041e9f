import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import batch_pb2 as _batch_pb2
from millpond.gen.millpond.v1 import graph_pb2 as _graph_pb2
from millpond.gen.millpond.v1 import rule_pb2 as _rule_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetBatchRequest(_message.Message):
    __slots__ = ("batch_id",)
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    def __init__(self, batch_id: _Optional[str] = ...) -> None: ...

class GetBatchResponse(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ...) -> None: ...

class ListBatchesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "statuses", "kinds", "name_contains", "metadata", "created_after", "created_before")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    NAME_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    statuses: _containers.RepeatedScalarFieldContainer[_batch_pb2.BatchStatus]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    name_contains: str
    metadata: _struct_pb2.Struct
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_batch_pb2.BatchStatus, str]]] = ..., kinds: _Optional[_Iterable[str]] = ..., name_contains: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListBatchesResponse(_message.Message):
    __slots__ = ("batches", "next_page_token")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[_batch_pb2.Batch]
    next_page_token: str
    def __init__(self, batches: _Optional[_Iterable[_Union[_batch_pb2.Batch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SealBatchRequest(_message.Message):
    __slots__ = ("request_id", "batch_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch_id: str
    def __init__(self, request_id: _Optional[str] = ..., batch_id: _Optional[str] = ...) -> None: ...

class SealBatchResponse(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ...) -> None: ...

class StopBatchRequest(_message.Message):
    __slots__ = ("request_id", "batch_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StopBatchResponse(_message.Message):
    __slots__ = ("batch", "canceled_by_status", "already_ended")
    class CanceledByStatusEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CANCELED_BY_STATUS_FIELD_NUMBER: _ClassVar[int]
    ALREADY_ENDED_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    canceled_by_status: _containers.ScalarMap[str, int]
    already_ended: int
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ..., canceled_by_status: _Optional[_Mapping[str, int]] = ..., already_ended: _Optional[int] = ...) -> None: ...

class PauseBatchRequest(_message.Message):
    __slots__ = ("request_id", "batch_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch_id: str
    def __init__(self, request_id: _Optional[str] = ..., batch_id: _Optional[str] = ...) -> None: ...

class PauseBatchResponse(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ...) -> None: ...

class ResumeBatchRequest(_message.Message):
    __slots__ = ("request_id", "batch_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch_id: str
    def __init__(self, request_id: _Optional[str] = ..., batch_id: _Optional[str] = ...) -> None: ...

class ResumeBatchResponse(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ...) -> None: ...

class RetryBatchRequest(_message.Message):
    __slots__ = ("request_id", "batch_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch_id: str
    def __init__(self, request_id: _Optional[str] = ..., batch_id: _Optional[str] = ...) -> None: ...

class RetryBatchResponse(_message.Message):
    __slots__ = ("batch", "retried_count")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RETRIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    retried_count: int
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ..., retried_count: _Optional[int] = ...) -> None: ...

class UpdateBatchRulesRequest(_message.Message):
    __slots__ = ("request_id", "batch_id", "kind", "rules", "reason", "etag", "validate_only")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch_id: str
    kind: str
    rules: _containers.RepeatedCompositeFieldContainer[_rule_pb2.Rule]
    reason: str
    etag: str
    validate_only: bool
    def __init__(self, request_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., kind: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[_rule_pb2.Rule, _Mapping]]] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class UpdateBatchRulesResponse(_message.Message):
    __slots__ = ("batch", "updated", "would_start", "would_wait")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    WOULD_START_FIELD_NUMBER: _ClassVar[int]
    WOULD_WAIT_FIELD_NUMBER: _ClassVar[int]
    batch: _batch_pb2.Batch
    updated: int
    would_start: int
    would_wait: int
    def __init__(self, batch: _Optional[_Union[_batch_pb2.Batch, _Mapping]] = ..., updated: _Optional[int] = ..., would_start: _Optional[int] = ..., would_wait: _Optional[int] = ...) -> None: ...

class GetBatchGraphRequest(_message.Message):
    __slots__ = ("batch_id", "page_size", "page_token", "task_id", "direction")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    page_size: int
    page_token: str
    task_id: str
    direction: _graph_pb2.LineageDirection
    def __init__(self, batch_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., task_id: _Optional[str] = ..., direction: _Optional[_Union[_graph_pb2.LineageDirection, str]] = ...) -> None: ...

class GetBatchGraphResponse(_message.Message):
    __slots__ = ("nodes", "edges", "level_count", "critical_path", "critical_path_duration", "next_page_token")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    LEVEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_PATH_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_PATH_DURATION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[_graph_pb2.GraphNode]
    edges: _containers.RepeatedCompositeFieldContainer[_graph_pb2.GraphEdge]
    level_count: int
    critical_path: _containers.RepeatedScalarFieldContainer[str]
    critical_path_duration: _duration_pb2.Duration
    next_page_token: str
    def __init__(self, nodes: _Optional[_Iterable[_Union[_graph_pb2.GraphNode, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[_graph_pb2.GraphEdge, _Mapping]]] = ..., level_count: _Optional[int] = ..., critical_path: _Optional[_Iterable[str]] = ..., critical_path_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListRuleUsageRequest(_message.Message):
    __slots__ = ("batch_id", "kind", "page_size", "page_token")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    kind: str
    page_size: int
    page_token: str
    def __init__(self, batch_id: _Optional[str] = ..., kind: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRuleUsageResponse(_message.Message):
    __slots__ = ("usages", "next_page_token")
    USAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    usages: _containers.RepeatedCompositeFieldContainer[_rule_pb2.RuleUsage]
    next_page_token: str
    def __init__(self, usages: _Optional[_Iterable[_Union[_rule_pb2.RuleUsage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

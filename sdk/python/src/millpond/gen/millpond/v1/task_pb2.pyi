import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from millpond.gen.millpond.v1 import rule_pb2 as _rule_pb2
from millpond.gen.millpond.v1 import webhook_pb2 as _webhook_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATUS_UNSPECIFIED: _ClassVar[TaskStatus]
    TASK_STATUS_WAITING: _ClassVar[TaskStatus]
    TASK_STATUS_PENDING: _ClassVar[TaskStatus]
    TASK_STATUS_CLAIMED: _ClassVar[TaskStatus]
    TASK_STATUS_RUNNING: _ClassVar[TaskStatus]
    TASK_STATUS_PAUSED: _ClassVar[TaskStatus]
    TASK_STATUS_SUCCESS: _ClassVar[TaskStatus]
    TASK_STATUS_FAILURE: _ClassVar[TaskStatus]
    TASK_STATUS_CANCELED: _ClassVar[TaskStatus]
    TASK_STATUS_SKIPPED: _ClassVar[TaskStatus]

class DependencyCondition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPENDENCY_CONDITION_UNSPECIFIED: _ClassVar[DependencyCondition]
    DEPENDENCY_CONDITION_SUCCESS: _ClassVar[DependencyCondition]
    DEPENDENCY_CONDITION_COMPLETED: _ClassVar[DependencyCondition]
    DEPENDENCY_CONDITION_FAILURE: _ClassVar[DependencyCondition]

class UnmetPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNMET_POLICY_UNSPECIFIED: _ClassVar[UnmetPolicy]
    UNMET_POLICY_FAIL: _ClassVar[UnmetPolicy]
    UNMET_POLICY_SKIP: _ClassVar[UnmetPolicy]

class FailureCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_CAUSE_UNSPECIFIED: _ClassVar[FailureCause]
    FAILURE_CAUSE_REPORTED: _ClassVar[FailureCause]
    FAILURE_CAUSE_START_FAILED: _ClassVar[FailureCause]
    FAILURE_CAUSE_START_TIMEOUT: _ClassVar[FailureCause]
    FAILURE_CAUSE_INACTIVITY_TIMEOUT: _ClassVar[FailureCause]
    FAILURE_CAUSE_EXECUTION_TIMEOUT: _ClassVar[FailureCause]
    FAILURE_CAUSE_TOTAL_TIMEOUT: _ClassVar[FailureCause]
    FAILURE_CAUSE_DEPENDENCY: _ClassVar[FailureCause]
    FAILURE_CAUSE_LEASE_LOST: _ClassVar[FailureCause]
TASK_STATUS_UNSPECIFIED: TaskStatus
TASK_STATUS_WAITING: TaskStatus
TASK_STATUS_PENDING: TaskStatus
TASK_STATUS_CLAIMED: TaskStatus
TASK_STATUS_RUNNING: TaskStatus
TASK_STATUS_PAUSED: TaskStatus
TASK_STATUS_SUCCESS: TaskStatus
TASK_STATUS_FAILURE: TaskStatus
TASK_STATUS_CANCELED: TaskStatus
TASK_STATUS_SKIPPED: TaskStatus
DEPENDENCY_CONDITION_UNSPECIFIED: DependencyCondition
DEPENDENCY_CONDITION_SUCCESS: DependencyCondition
DEPENDENCY_CONDITION_COMPLETED: DependencyCondition
DEPENDENCY_CONDITION_FAILURE: DependencyCondition
UNMET_POLICY_UNSPECIFIED: UnmetPolicy
UNMET_POLICY_FAIL: UnmetPolicy
UNMET_POLICY_SKIP: UnmetPolicy
FAILURE_CAUSE_UNSPECIFIED: FailureCause
FAILURE_CAUSE_REPORTED: FailureCause
FAILURE_CAUSE_START_FAILED: FailureCause
FAILURE_CAUSE_START_TIMEOUT: FailureCause
FAILURE_CAUSE_INACTIVITY_TIMEOUT: FailureCause
FAILURE_CAUSE_EXECUTION_TIMEOUT: FailureCause
FAILURE_CAUSE_TOTAL_TIMEOUT: FailureCause
FAILURE_CAUSE_DEPENDENCY: FailureCause
FAILURE_CAUSE_LEASE_LOST: FailureCause

class Dependency(_message.Message):
    __slots__ = ("key", "task_id", "condition")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    key: str
    task_id: str
    condition: DependencyCondition
    def __init__(self, key: _Optional[str] = ..., task_id: _Optional[str] = ..., condition: _Optional[_Union[DependencyCondition, str]] = ...) -> None: ...

class NewTask(_message.Message):
    __slots__ = ("key", "name", "kind", "dependencies", "unmet_policy", "metadata", "input", "priority", "expected_count", "start_time", "start_timeout", "inactivity_timeout", "execution_timeout", "total_timeout", "retry", "rules", "dedupe", "on_start", "worker", "join", "on_success", "on_failure", "on_cancel", "critical", "only_for_dependents", "fairness_key", "fairness_weight")
    KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    UNMET_POLICY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INACTIVITY_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    DEDUPE_FIELD_NUMBER: _ClassVar[int]
    ON_START_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    ON_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    ON_CANCEL_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FIELD_NUMBER: _ClassVar[int]
    ONLY_FOR_DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_KEY_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    key: str
    name: str
    kind: str
    dependencies: _containers.RepeatedCompositeFieldContainer[Dependency]
    unmet_policy: UnmetPolicy
    metadata: _struct_pb2.Struct
    input: _struct_pb2.Value
    priority: int
    expected_count: int
    start_time: _timestamp_pb2.Timestamp
    start_timeout: _duration_pb2.Duration
    inactivity_timeout: _duration_pb2.Duration
    execution_timeout: _duration_pb2.Duration
    total_timeout: _duration_pb2.Duration
    retry: RetryPolicy
    rules: _containers.RepeatedCompositeFieldContainer[_rule_pb2.Rule]
    dedupe: _containers.RepeatedCompositeFieldContainer[DedupeMatcher]
    on_start: _webhook_pb2.Webhook
    worker: WorkerExecution
    join: JoinExecution
    on_success: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    on_failure: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    on_cancel: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    critical: bool
    only_for_dependents: bool
    fairness_key: str
    fairness_weight: int
    def __init__(self, key: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., dependencies: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., unmet_policy: _Optional[_Union[UnmetPolicy, str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., input: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., priority: _Optional[int] = ..., expected_count: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., inactivity_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., execution_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., rules: _Optional[_Iterable[_Union[_rule_pb2.Rule, _Mapping]]] = ..., dedupe: _Optional[_Iterable[_Union[DedupeMatcher, _Mapping]]] = ..., on_start: _Optional[_Union[_webhook_pb2.Webhook, _Mapping]] = ..., worker: _Optional[_Union[WorkerExecution, _Mapping]] = ..., join: _Optional[_Union[JoinExecution, _Mapping]] = ..., on_success: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., on_failure: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., on_cancel: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., critical: bool = ..., only_for_dependents: bool = ..., fairness_key: _Optional[str] = ..., fairness_weight: _Optional[int] = ...) -> None: ...

class JoinExecution(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerExecution(_message.Message):
    __slots__ = ("required_labels",)
    class RequiredLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUIRED_LABELS_FIELD_NUMBER: _ClassVar[int]
    required_labels: _containers.ScalarMap[str, str]
    def __init__(self, required_labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("task_id", "batch_id", "key", "name", "kind", "dependencies", "unmet_policy", "metadata", "input", "priority", "expected_count", "start_time", "start_timeout", "inactivity_timeout", "execution_timeout", "total_timeout", "retry", "rules", "dedupe", "on_start", "worker", "join", "on_success", "on_failure", "on_cancel", "critical", "only_for_dependents", "fairness_key", "fairness_weight", "status", "attempt", "success_count", "failure_count", "output", "failure", "create_time", "claim_time", "run_time", "activity_time", "end_time", "worker_id", "etag", "cancel_reason", "progress", "lease_expire_time")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    UNMET_POLICY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INACTIVITY_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    DEDUPE_FIELD_NUMBER: _ClassVar[int]
    ON_START_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    ON_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    ON_CANCEL_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FIELD_NUMBER: _ClassVar[int]
    ONLY_FOR_DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_KEY_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CLAIM_TIME_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    batch_id: str
    key: str
    name: str
    kind: str
    dependencies: _containers.RepeatedCompositeFieldContainer[Dependency]
    unmet_policy: UnmetPolicy
    metadata: _struct_pb2.Struct
    input: _struct_pb2.Value
    priority: int
    expected_count: int
    start_time: _timestamp_pb2.Timestamp
    start_timeout: _duration_pb2.Duration
    inactivity_timeout: _duration_pb2.Duration
    execution_timeout: _duration_pb2.Duration
    total_timeout: _duration_pb2.Duration
    retry: RetryPolicy
    rules: _containers.RepeatedCompositeFieldContainer[_rule_pb2.Rule]
    dedupe: _containers.RepeatedCompositeFieldContainer[DedupeMatcher]
    on_start: _webhook_pb2.Webhook
    worker: WorkerExecution
    join: JoinExecution
    on_success: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    on_failure: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    on_cancel: _containers.RepeatedCompositeFieldContainer[_webhook_pb2.Webhook]
    critical: bool
    only_for_dependents: bool
    fairness_key: str
    fairness_weight: int
    status: TaskStatus
    attempt: int
    success_count: int
    failure_count: int
    output: _struct_pb2.Value
    failure: TaskFailure
    create_time: _timestamp_pb2.Timestamp
    claim_time: _timestamp_pb2.Timestamp
    run_time: _timestamp_pb2.Timestamp
    activity_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    worker_id: str
    etag: str
    cancel_reason: str
    progress: _struct_pb2.Value
    lease_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., key: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., dependencies: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., unmet_policy: _Optional[_Union[UnmetPolicy, str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., input: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., priority: _Optional[int] = ..., expected_count: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., inactivity_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., execution_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., rules: _Optional[_Iterable[_Union[_rule_pb2.Rule, _Mapping]]] = ..., dedupe: _Optional[_Iterable[_Union[DedupeMatcher, _Mapping]]] = ..., on_start: _Optional[_Union[_webhook_pb2.Webhook, _Mapping]] = ..., worker: _Optional[_Union[WorkerExecution, _Mapping]] = ..., join: _Optional[_Union[JoinExecution, _Mapping]] = ..., on_success: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., on_failure: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., on_cancel: _Optional[_Iterable[_Union[_webhook_pb2.Webhook, _Mapping]]] = ..., critical: bool = ..., only_for_dependents: bool = ..., fairness_key: _Optional[str] = ..., fairness_weight: _Optional[int] = ..., status: _Optional[_Union[TaskStatus, str]] = ..., attempt: _Optional[int] = ..., success_count: _Optional[int] = ..., failure_count: _Optional[int] = ..., output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., failure: _Optional[_Union[TaskFailure, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., claim_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., activity_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., worker_id: _Optional[str] = ..., etag: _Optional[str] = ..., cancel_reason: _Optional[str] = ..., progress: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskAttempt(_message.Message):
    __slots__ = ("attempt", "status", "failure", "worker_id", "start_time", "end_time", "cancel_reason", "claim_time")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    CLAIM_TIME_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    status: TaskStatus
    failure: TaskFailure
    worker_id: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    cancel_reason: str
    claim_time: _timestamp_pb2.Timestamp
    def __init__(self, attempt: _Optional[int] = ..., status: _Optional[_Union[TaskStatus, str]] = ..., failure: _Optional[_Union[TaskFailure, _Mapping]] = ..., worker_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_reason: _Optional[str] = ..., claim_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskFailure(_message.Message):
    __slots__ = ("cause", "message", "code", "details")
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    cause: FailureCause
    message: str
    code: str
    details: _struct_pb2.Value
    def __init__(self, cause: _Optional[_Union[FailureCause, str]] = ..., message: _Optional[str] = ..., code: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("max_attempts", "initial_backoff", "multiplier", "increment", "max_backoff", "jitter", "retry_causes", "non_retryable_codes")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    RETRY_CAUSES_FIELD_NUMBER: _ClassVar[int]
    NON_RETRYABLE_CODES_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    initial_backoff: _duration_pb2.Duration
    multiplier: float
    increment: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    jitter: float
    retry_causes: _containers.RepeatedScalarFieldContainer[FailureCause]
    non_retryable_codes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, max_attempts: _Optional[int] = ..., initial_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., multiplier: _Optional[float] = ..., increment: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., jitter: _Optional[float] = ..., retry_causes: _Optional[_Iterable[_Union[FailureCause, str]]] = ..., non_retryable_codes: _Optional[_Iterable[str]] = ...) -> None: ...

class DedupeMatcher(_message.Message):
    __slots__ = ("kind", "statuses", "fields")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    statuses: _containers.RepeatedScalarFieldContainer[TaskStatus]
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[TaskStatus, str]]] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

"""The methods of the contract, with the types of their messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from millpond import v1
from millpond.gen.millpond.v1 import (
    batch_service_pb2,
    delivery_service_pb2,
    event_service_pb2,
    task_service_pb2,
    worker_service_pb2,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


@dataclass(frozen=True)
class Method(Generic[RequestT, ResponseT]):
    """One method."""

    path: str
    """Such as ``/millpond.v1.TaskService/GetTask``."""
    request: type[RequestT]
    response: type[ResponseT]
    has_no_side_effects: bool
    """The contract marks it so: it only reads."""


class _Service:
    def __init__(self, descriptor: ServiceDescriptor) -> None:
        self._descriptor = descriptor

    def method(self, request: type[RequestT], response: type[ResponseT]) -> Method[RequestT, ResponseT]:
        """Find the method that takes this request: each has one of its own."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        options = self._descriptor.methods_by_name[name].GetOptions()
        return Method(
            path=f"/{self._descriptor.full_name}/{name}",
            request=request,
            response=response,
            has_no_side_effects=options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        )


_tasks = _Service(task_service_pb2.DESCRIPTOR.services_by_name["TaskService"])
CREATE_TASKS = _tasks.method(v1.CreateTasksRequest, v1.CreateTasksResponse)
UPLOAD_TASKS = _tasks.method(v1.UploadTasksRequest, v1.UploadTasksResponse)
GET_TASK = _tasks.method(v1.GetTaskRequest, v1.GetTaskResponse)
LIST_TASKS = _tasks.method(v1.ListTasksRequest, v1.ListTasksResponse)
UPDATE_TASK = _tasks.method(v1.UpdateTaskRequest, v1.UpdateTaskResponse)
REPORT_TASKS = _tasks.method(v1.ReportTasksRequest, v1.ReportTasksResponse)
STREAM_REPORTS = _tasks.method(v1.StreamReportsRequest, v1.StreamReportsResponse)
ADD_COUNTS = _tasks.method(v1.AddCountsRequest, v1.AddCountsResponse)
STREAM_COUNTS = _tasks.method(v1.StreamCountsRequest, v1.StreamCountsResponse)
CANCEL_TASKS = _tasks.method(v1.CancelTasksRequest, v1.CancelTasksResponse)
PAUSE_TASKS = _tasks.method(v1.PauseTasksRequest, v1.PauseTasksResponse)
RESUME_TASKS = _tasks.method(v1.ResumeTasksRequest, v1.ResumeTasksResponse)
RETRY_TASKS = _tasks.method(v1.RetryTasksRequest, v1.RetryTasksResponse)
EXPLAIN_TASK = _tasks.method(v1.ExplainTaskRequest, v1.ExplainTaskResponse)

_batches = _Service(batch_service_pb2.DESCRIPTOR.services_by_name["BatchService"])
GET_BATCH = _batches.method(v1.GetBatchRequest, v1.GetBatchResponse)
LIST_BATCHES = _batches.method(v1.ListBatchesRequest, v1.ListBatchesResponse)
SEAL_BATCH = _batches.method(v1.SealBatchRequest, v1.SealBatchResponse)
STOP_BATCH = _batches.method(v1.StopBatchRequest, v1.StopBatchResponse)
PAUSE_BATCH = _batches.method(v1.PauseBatchRequest, v1.PauseBatchResponse)
RESUME_BATCH = _batches.method(v1.ResumeBatchRequest, v1.ResumeBatchResponse)
RETRY_BATCH = _batches.method(v1.RetryBatchRequest, v1.RetryBatchResponse)
UPDATE_BATCH_RULES = _batches.method(v1.UpdateBatchRulesRequest, v1.UpdateBatchRulesResponse)
GET_BATCH_GRAPH = _batches.method(v1.GetBatchGraphRequest, v1.GetBatchGraphResponse)
LIST_RULE_USAGE = _batches.method(v1.ListRuleUsageRequest, v1.ListRuleUsageResponse)

_events = _Service(event_service_pb2.DESCRIPTOR.services_by_name["EventService"])
WATCH_EVENTS = _events.method(v1.WatchEventsRequest, v1.WatchEventsResponse)
LIST_EVENTS = _events.method(v1.ListEventsRequest, v1.ListEventsResponse)

_workers = _Service(worker_service_pb2.DESCRIPTOR.services_by_name["WorkerService"])
WORK = _workers.method(v1.WorkRequest, v1.WorkResponse)
CLAIM_TASKS = _workers.method(v1.ClaimTasksRequest, v1.ClaimTasksResponse)
EXTEND_LEASES = _workers.method(v1.ExtendLeasesRequest, v1.ExtendLeasesResponse)
APPEND_LOGS = _workers.method(v1.AppendLogsRequest, v1.AppendLogsResponse)
LIST_LOGS = _workers.method(v1.ListLogsRequest, v1.ListLogsResponse)
LIST_WORKERS = _workers.method(v1.ListWorkersRequest, v1.ListWorkersResponse)

_deliveries = _Service(delivery_service_pb2.DESCRIPTOR.services_by_name["DeliveryService"])
LIST_DELIVERIES = _deliveries.method(v1.ListDeliveriesRequest, v1.ListDeliveriesResponse)
REPLAY_DELIVERIES = _deliveries.method(v1.ReplayDeliveriesRequest, v1.ReplayDeliveriesResponse)

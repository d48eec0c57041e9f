"""The services of the contract, by asyncio.

Every method takes a ``timeout`` in seconds (by default that of the client, plus the call's ``wait_timeout``; streams
have none). It raises MillpondError. Cancelling the task that awaits it ends the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond import _methods

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable

    from millpond import v1
    from millpond.aio._calls import Calls


class TaskService:
    """Tasks: creating graphs of them, reporting on them, changing them. What is acknowledged is durable."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create_tasks(
        self, request: v1.CreateTasksRequest, *, timeout: float | None = None
    ) -> v1.CreateTasksResponse:
        """Create a graph of tasks, all or none: in a new batch, or into an open one."""
        return await self._calls.unary(_methods.CREATE_TASKS, request, timeout)

    async def upload_tasks(
        self,
        requests: AsyncIterable[v1.UploadTasksRequest] | Iterable[v1.UploadTasksRequest],
        *,
        timeout: float | None = None,
    ) -> v1.UploadTasksResponse:
        """Create a graph that is larger than one message, all or none. ``Client.upload`` cuts it into parts."""
        return await self._calls.client_stream(_methods.UPLOAD_TASKS, requests, timeout)

    async def get_task(self, request: v1.GetTaskRequest, *, timeout: float | None = None) -> v1.GetTaskResponse:
        """Read one task, whole. Fails with TASK_NOT_FOUND."""
        return await self._calls.unary(_methods.GET_TASK, request, timeout)

    async def list_tasks(self, request: v1.ListTasksRequest, *, timeout: float | None = None) -> v1.ListTasksResponse:
        """List tasks, newest first, in pages."""
        return await self._calls.unary(_methods.LIST_TASKS, request, timeout)

    async def update_task(
        self, request: v1.UpdateTaskRequest, *, timeout: float | None = None
    ) -> v1.UpdateTaskResponse:
        """Change a task that has not ended."""
        return await self._calls.unary(_methods.UPDATE_TASK, request, timeout)

    async def report_tasks(
        self, request: v1.ReportTasksRequest, *, timeout: float | None = None
    ) -> v1.ReportTasksResponse:
        """Take reports of executors; answers for each of them."""
        return await self._calls.unary(_methods.REPORT_TASKS, request, timeout)

    def stream_reports(
        self,
        requests: AsyncIterable[v1.StreamReportsRequest] | Iterable[v1.StreamReportsRequest],
        *,
        timeout: float | None = None,
    ) -> AsyncGenerator[v1.StreamReportsResponse, None]:
        """Take reports as a stream; each message is acknowledged once its reports are durable."""
        return self._calls.bidi_stream(_methods.STREAM_REPORTS, requests, timeout)

    async def add_counts(self, request: v1.AddCountsRequest, *, timeout: float | None = None) -> v1.AddCountsResponse:
        """Add to the counters of tasks that have not ended."""
        return await self._calls.unary(_methods.ADD_COUNTS, request, timeout)

    def stream_counts(
        self,
        requests: AsyncIterable[v1.StreamCountsRequest] | Iterable[v1.StreamCountsRequest],
        *,
        timeout: float | None = None,
    ) -> AsyncGenerator[v1.StreamCountsResponse, None]:
        """Add to counters as a stream, with the client's own sequence, so that nothing is counted twice."""
        return self._calls.bidi_stream(_methods.STREAM_COUNTS, requests, timeout)

    async def cancel_tasks(
        self, request: v1.CancelTasksRequest, *, timeout: float | None = None
    ) -> v1.CancelTasksResponse:
        """Cancel tasks that have not ended; answers for each of them."""
        return await self._calls.unary(_methods.CANCEL_TASKS, request, timeout)

    async def pause_tasks(
        self, request: v1.PauseTasksRequest, *, timeout: float | None = None
    ) -> v1.PauseTasksResponse:
        """Hold tasks that have not started; answers for each of them."""
        return await self._calls.unary(_methods.PAUSE_TASKS, request, timeout)

    async def resume_tasks(
        self, request: v1.ResumeTasksRequest, *, timeout: float | None = None
    ) -> v1.ResumeTasksResponse:
        """Let held tasks go; answers for each of them."""
        return await self._calls.unary(_methods.RESUME_TASKS, request, timeout)

    async def retry_tasks(
        self, request: v1.RetryTasksRequest, *, timeout: float | None = None
    ) -> v1.RetryTasksResponse:
        """Run ended tasks again; answers for each of them."""
        return await self._calls.unary(_methods.RETRY_TASKS, request, timeout)

    async def explain_task(
        self, request: v1.ExplainTaskRequest, *, timeout: float | None = None
    ) -> v1.ExplainTaskResponse:
        """Say why a task is not running. Fails with TASK_NOT_FOUND."""
        return await self._calls.unary(_methods.EXPLAIN_TASK, request, timeout)


class BatchService:
    """Batches: the graphs, as wholes."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get_batch(self, request: v1.GetBatchRequest, *, timeout: float | None = None) -> v1.GetBatchResponse:
        """Read one batch with its statistics. Fails with BATCH_NOT_FOUND."""
        return await self._calls.unary(_methods.GET_BATCH, request, timeout)

    async def list_batches(
        self, request: v1.ListBatchesRequest, *, timeout: float | None = None
    ) -> v1.ListBatchesResponse:
        """List batches, newest first, in pages."""
        return await self._calls.unary(_methods.LIST_BATCHES, request, timeout)

    async def seal_batch(self, request: v1.SealBatchRequest, *, timeout: float | None = None) -> v1.SealBatchResponse:
        """Close an open batch: it takes no more tasks. Fails with BATCH_NOT_FOUND."""
        return await self._calls.unary(_methods.SEAL_BATCH, request, timeout)

    async def stop_batch(self, request: v1.StopBatchRequest, *, timeout: float | None = None) -> v1.StopBatchResponse:
        """Cancel everything in the batch that has not ended, and seal it. Fails with BATCH_NOT_FOUND."""
        return await self._calls.unary(_methods.STOP_BATCH, request, timeout)

    async def pause_batch(
        self, request: v1.PauseBatchRequest, *, timeout: float | None = None
    ) -> v1.PauseBatchResponse:
        """Hold every future start in the batch. Fails with BATCH_NOT_FOUND and ILLEGAL_TRANSITION."""
        return await self._calls.unary(_methods.PAUSE_BATCH, request, timeout)

    async def resume_batch(
        self, request: v1.ResumeBatchRequest, *, timeout: float | None = None
    ) -> v1.ResumeBatchResponse:
        """Let the batch's tasks start again. Fails with BATCH_NOT_FOUND and ILLEGAL_TRANSITION."""
        return await self._calls.unary(_methods.RESUME_BATCH, request, timeout)

    async def retry_batch(
        self, request: v1.RetryBatchRequest, *, timeout: float | None = None
    ) -> v1.RetryBatchResponse:
        """Run failed and canceled tasks of the batch, and what they brought down, again."""
        return await self._calls.unary(_methods.RETRY_BATCH, request, timeout)

    async def update_batch_rules(
        self, request: v1.UpdateBatchRulesRequest, *, timeout: float | None = None
    ) -> v1.UpdateBatchRulesResponse:
        """Replace the rules of all tasks of one kind in a batch that is under way."""
        return await self._calls.unary(_methods.UPDATE_BATCH_RULES, request, timeout)

    async def get_batch_graph(
        self, request: v1.GetBatchGraphRequest, *, timeout: float | None = None
    ) -> v1.GetBatchGraphResponse:
        """Read the batch's graph in pages of nodes with their incoming edges."""
        return await self._calls.unary(_methods.GET_BATCH_GRAPH, request, timeout)

    async def list_rule_usage(
        self, request: v1.ListRuleUsageRequest, *, timeout: float | None = None
    ) -> v1.ListRuleUsageResponse:
        """List the keys of rules that are in use or waited for."""
        return await self._calls.unary(_methods.LIST_RULE_USAGE, request, timeout)


class EventService:
    """Every committed change, in an order in which no effect comes before its cause."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def watch_events(
        self, request: v1.WatchEventsRequest, *, timeout: float | None = None
    ) -> AsyncGenerator[v1.WatchEventsResponse, None]:
        """Yield changes until the stream breaks. ``Client.watch`` goes on after that."""
        return self._calls.server_stream(_methods.WATCH_EVENTS, request, timeout)

    async def list_events(
        self, request: v1.ListEventsRequest, *, timeout: float | None = None
    ) -> v1.ListEventsResponse:
        """Answer a page of the events after a cursor."""
        return await self._calls.unary(_methods.LIST_EVENTS, request, timeout)


class WorkerService:
    """Workers: remote processes that take tasks of their kinds and execute them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def work(
        self, requests: AsyncIterable[v1.WorkRequest] | Iterable[v1.WorkRequest], *, timeout: float | None = None
    ) -> AsyncGenerator[v1.WorkResponse, None]:
        """Carry a worker's whole life on one stream. ``Client.worker`` makes a worker that uses it."""
        return self._calls.bidi_stream(_methods.WORK, requests, timeout)

    async def claim_tasks(
        self, request: v1.ClaimTasksRequest, *, timeout: float | None = None
    ) -> v1.ClaimTasksResponse:
        """Claim tasks for a lease. Never repeated: the first answer may be on its way."""
        return await self._calls.unary(_methods.CLAIM_TASKS, request, timeout)

    async def extend_leases(
        self, request: v1.ExtendLeasesRequest, *, timeout: float | None = None
    ) -> v1.ExtendLeasesResponse:
        """Extend leases, from now; answers for each of them."""
        return await self._calls.unary(_methods.EXTEND_LEASES, request, timeout)

    async def append_logs(
        self, request: v1.AppendLogsRequest, *, timeout: float | None = None
    ) -> v1.AppendLogsResponse:
        """Append lines to the log of an attempt, all or none, in order."""
        return await self._calls.unary(_methods.APPEND_LOGS, request, timeout)

    async def list_logs(self, request: v1.ListLogsRequest, *, timeout: float | None = None) -> v1.ListLogsResponse:
        """Read a page of the log of an attempt. ``Client.logs`` reads all of it."""
        return await self._calls.unary(_methods.LIST_LOGS, request, timeout)

    async def list_workers(
        self, request: v1.ListWorkersRequest, *, timeout: float | None = None
    ) -> v1.ListWorkersResponse:
        """List workers that are connected, or have claimed tasks lately."""
        return await self._calls.unary(_methods.LIST_WORKERS, request, timeout)


class DeliveryService:
    """Deliveries: the calls of webhooks."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list_deliveries(
        self, request: v1.ListDeliveriesRequest, *, timeout: float | None = None
    ) -> v1.ListDeliveriesResponse:
        """List calls of webhooks, in pages."""
        return await self._calls.unary(_methods.LIST_DELIVERIES, request, timeout)

    async def replay_deliveries(
        self, request: v1.ReplayDeliveriesRequest, *, timeout: float | None = None
    ) -> v1.ReplayDeliveriesResponse:
        """Make calls of webhooks due again, all or none."""
        return await self._calls.unary(_methods.REPLAY_DELIVERIES, request, timeout)

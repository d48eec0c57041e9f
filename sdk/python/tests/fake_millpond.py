"""A server that hands tasks to workers by their streams and takes what they report."""

from __future__ import annotations

import queue
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import millpond
from fake_server import FakeServer
from millpond import _methods, v1

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

    from millpond import Json


class FakeMillpond(FakeServer):
    """Hands out tasks up to the credit of the one worker that is there."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[v1.TaskReport] = []
        self.lines: list[str] = []
        self.counts: list[v1.CountDelta] = []
        self.hellos: list[v1.WorkerHello] = []
        self.streams = 0
        self._lock = threading.Lock()
        self._waiting: list[v1.Assignment] = []
        self._credit = 0
        self._responses: queue.SimpleQueue[v1.WorkResponse | None] = queue.SimpleQueue()
        self.on(_methods.WORK, self._work)
        self.on(_methods.REPORT_TASKS, self._report)
        self.on(_methods.APPEND_LOGS, self._append)
        self.on(_methods.ADD_COUNTS, self._add)

    def add(self, task_id: str, kind: str, task_input: Json = None) -> None:
        """Have a task executed."""
        task = v1.Task(task_id=task_id, kind=kind, input=millpond.to_value(task_input))
        with self._lock:
            self._waiting.append(v1.Assignment(task=task, attempt=1))
        self._hand_out()

    def say(self, **message: Any) -> None:
        """Send something to the worker."""
        self._responses.put(v1.WorkResponse(**message))

    def report_of(self, task_id: str) -> v1.TaskReport | None:
        """The closing report on a task, once there is one."""
        closing = (report for report in self.reports if report.WhichOneof("report") != "heartbeat")
        return next((report for report in closing if report.task_id == task_id), None)

    def _hand_out(self) -> None:
        with self._lock:
            count = min(self._credit, len(self._waiting))
            given = self._waiting[:count]
            del self._waiting[:count]
            self._credit -= count
        if given:
            self.say(assignments=v1.AssignmentList(assignments=given))

    def _work(self, requests: Iterator[v1.WorkRequest], _: grpc.ServicerContext) -> Iterator[v1.WorkResponse]:
        self.streams += 1
        responses = self._responses = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(requests, responses), daemon=True).start()
        try:
            while (response := responses.get()) is not None:
                yield response
        finally:
            self.streams -= 1

    def _listen(self, requests: Iterator[v1.WorkRequest], responses: queue.SimpleQueue[v1.WorkResponse | None]) -> None:
        try:
            for request in requests:
                self._take(request)
        except Exception:  # noqa: BLE001 (the worker has cut the stream)
            pass
        finally:
            responses.put(None)

    def _take(self, request: v1.WorkRequest) -> None:
        match request.WhichOneof("message"):
            case "hello":
                self.hellos.append(request.hello)
                with self._lock:
                    self._credit = 0
                interval, lease = timedelta(seconds=10), timedelta(seconds=20)
                self.say(welcome=v1.WorkerWelcome(heartbeat_interval=interval, lease=lease))
            case "credit":
                with self._lock:
                    self._credit += request.credit.tasks
                self._hand_out()
            case "drain":
                with self._lock:
                    self._credit = 0

    def _report(self, request: v1.ReportTasksRequest, _: grpc.ServicerContext) -> v1.ReportTasksResponse:
        self.reports.extend(request.reports)
        results = [v1.ReportResult(task=v1.Task(task_id=report.task_id)) for report in request.reports]
        return v1.ReportTasksResponse(results=results)

    def _append(self, request: v1.AppendLogsRequest, _: grpc.ServicerContext) -> v1.AppendLogsResponse:
        self.lines.extend(entry.message for entry in request.entries)
        return v1.AppendLogsResponse()

    def _add(self, request: v1.AddCountsRequest, _: grpc.ServicerContext) -> v1.AddCountsResponse:
        self.counts.extend(request.counts)
        return v1.AddCountsResponse()

"""What the runner reads and writes: ProtoJSON, errors and graphs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

import millpond
from millpond import v1

if TYPE_CHECKING:
    from collections.abc import Mapping

MessageT = TypeVar("MessageT", bound=Message)

_CONDITIONS = {
    "success": millpond.on_success,
    "completion": millpond.on_completion,
    "failure": millpond.on_failure,
}
_DURATIONS = ("startTimeoutMs", "inactivityTimeoutMs", "executionTimeoutMs", "totalTimeoutMs")
_SDK_ERRORS = (ValueError, TypeError, RuntimeError)


def to_json(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message)


def parse(json: Mapping[str, Any], kind: type[MessageT]) -> MessageT:
    return json_format.ParseDict(dict(json), kind())


def error_json(error: BaseException) -> dict[str, Any]:
    if isinstance(error, millpond.MillpondError):
        answer: dict[str, Any] = {
            "type": type(error).__name__,
            "code": error.code.name,
            "reason": error.reason_name,
            "message": error.message,
            "metadata": dict(error.metadata),
            "violations": [{"field": each.field, "description": each.description} for each in error.violations],
        }
        if error.retry_delay is not None:
            answer["retryDelayMs"] = error.retry_delay / timedelta(milliseconds=1)
        return answer
    kind = type(error).__name__ if isinstance(error, _SDK_ERRORS) else "RunnerError"
    message = str(error) if kind != "RunnerError" else repr(error)
    return {"type": kind, "code": "", "reason": "", "message": message, "metadata": {}, "violations": []}


def request_of(method: str, json: Mapping[str, Any]) -> Message:
    return parse(json, request_type(method))


def request_type(method: str) -> type[Message]:
    kind: type[Message] = getattr(v1, f"{method.rpartition('/')[2]}Request")
    return kind


def function_of(client: object, method: str) -> Any:
    """Find the client's method, ``tasks.get_task`` for ``millpond.v1.TaskService/GetTask``."""
    service, _, name = method.rpartition(".")[2].partition("/")
    services = {
        "TaskService": "tasks",
        "BatchService": "batches",
        "EventService": "events",
        "WorkerService": "workers",
        "DeliveryService": "deliveries",
    }
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")
    return getattr(getattr(client, services[service]), snake)


def graph_of(op: Mapping[str, Any]) -> millpond.Graph:
    batch = parse(op.get("batch", {}), v1.NewBatch)
    if "batchId" in op:
        graph = millpond.Graph(batch_id=op["batchId"])
    else:
        graph = millpond.Graph(
            batch.name,
            metadata=millpond.from_struct(batch.metadata) if batch.HasField("metadata") else None,
            open=batch.open,
            on_complete=batch.on_complete,
            paused=batch.paused,
        )
    refs: dict[str, millpond.TaskRef] = {}
    for task in op["tasks"]:
        refs[task["key"]] = graph.task(task["key"], task["kind"], **_options_of(task, refs))
    return graph


def _options_of(task: Mapping[str, Any], refs: Mapping[str, millpond.TaskRef]) -> dict[str, Any]:
    options: dict[str, Any] = {name: task[name] for name in ("name", "input", "metadata", "priority") if name in task}
    if "expectedCount" in task:
        options["expected_count"] = int(task["expectedCount"])
    if "startTime" in task:
        options["start_time"] = datetime.fromisoformat(task["startTime"].replace("Z", "+00:00"))
    for name in _DURATIONS:
        if name in task:
            snake = name.removesuffix("TimeoutMs") + "_timeout"
            options[snake] = timedelta(milliseconds=task[name])
    if "retry" in task:
        options["retry"] = _retry_of(task["retry"])
    if "rules" in task:
        options["rules"] = [parse(rule, v1.Rule) for rule in task["rules"]]
    options["after"] = [_parent_of(parent, refs) for parent in task.get("after", [])]
    return options


def _retry_of(retry: Mapping[str, Any]) -> v1.RetryPolicy:
    policy = v1.RetryPolicy(max_attempts=retry.get("maxAttempts", 0), multiplier=retry.get("multiplier"))
    if "initialBackoffMs" in retry:
        policy.initial_backoff.FromTimedelta(timedelta(milliseconds=retry["initialBackoffMs"]))
    if "maxBackoffMs" in retry:
        policy.max_backoff.FromTimedelta(timedelta(milliseconds=retry["maxBackoffMs"]))
    return policy


def _parent_of(
    parent: str | Mapping[str, str], refs: Mapping[str, millpond.TaskRef]
) -> millpond.Parent | v1.Dependency:
    if isinstance(parent, str):
        return refs.get(parent, parent)
    named = millpond.ExistingTask(parent["taskId"]) if "taskId" in parent else parent["key"]
    return _CONDITIONS[parent["on"]](named) if "on" in parent else named


def is_client_stream(method: str) -> bool:
    return method.endswith("/UploadTasks")


def timeout_of(op: Mapping[str, Any]) -> float | None:
    return op["timeoutMs"] / 1000 if op.get("timeoutMs") is not None else None


def client_options(op: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"token": op.get("token")}
    if op.get("timeoutMs") is not None:
        options["timeout"] = op["timeoutMs"] / 1000
    if op.get("retry") is False:
        options["repeats"] = None
    return options


def watch_options(op: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"cursor": op.get("cursor") or "", "snapshot": op.get("snapshot") or False}
    if op.get("filter") is not None:
        options["filter"] = parse(op["filter"], v1.EventFilter)
    if op.get("silenceMaxMs") is not None:
        options["silence_max"] = op["silenceMaxMs"] / 1000
    return options


def log_options(op: Mapping[str, Any]) -> dict[str, Any]:
    return {"attempt": op.get("attempt") or 0, "follow": op.get("follow") or False}


def cancelled_json() -> dict[str, Any]:
    """Answer what asyncio's own sign of a cancelled call is for the suite, which knows one kind of it."""
    return error_json(millpond.MillpondError(grpc.StatusCode.CANCELLED, "the task that awaited the call was cancelled"))

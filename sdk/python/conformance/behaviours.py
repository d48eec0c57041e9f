"""What handlers do, as far as that is the same for threads and asyncio."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import millpond
from millpond import v1

if TYPE_CHECKING:
    from collections.abc import Mapping

Behaviour = dict[str, Any]


def chosen(behaviour: Behaviour, attempt: int) -> Behaviour:
    """Answer what to do in an attempt."""
    if behaviour["do"] != "attempts":
        return behaviour
    attempts: list[Behaviour] = behaviour["attempts"]
    return chosen(attempts[min(attempt, len(attempts)) - 1], attempt)


def failure_of(behaviour: Behaviour) -> BaseException | None:
    """Answer what it raises; None: it does not."""
    message = behaviour.get("message", "")
    match behaviour["do"]:
        case "fail":
            kind = millpond.NonRetryableError if behaviour.get("nonRetryable") else millpond.TaskError
            delay = behaviour.get("retryDelayMs")
            return kind(
                message,
                code=behaviour.get("code", ""),
                details=behaviour.get("details"),
                retry_delay=None if delay is None else timedelta(milliseconds=delay),
            )
        case "throw":
            return RuntimeError(message)
        case "panic":
            return SystemExit(message)
        case _:
            return None


def parents_of(assignment: v1.Assignment, parents: Mapping[str, millpond.ParentOutcome]) -> dict[str, Any]:
    """Answer what became of the parents, with outputs where there are."""
    answer: dict[str, Any] = {}
    for key, parent in parents.items():
        answer[key] = {"status": v1.TaskStatus.Name(parent.status).removeprefix("TASK_STATUS_")}
        if assignment.parents[key].HasField("output"):
            answer[key]["output"] = parent.output
    return answer


def event(kind: str, assignment: v1.Assignment, **more: Any) -> dict[str, Any]:
    """Make an event of a worker's state."""
    task = assignment.task
    return {"type": kind, "taskId": task.task_id, "kind": task.kind, "attempt": assignment.attempt, **more}


def worker_options(op: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the options of Client.worker."""
    seconds = {
        "leaseMs": "lease",
        "stopGraceMs": "stop_grace",
        "silenceMaxMs": "silence_max",
        "streamRetryMs": "stream_retry",
    }
    plain = {
        "workerId": "worker_id",
        "slots": "slots",
        "labels": "labels",
        "stream": "stream",
        "stopOnSigterm": "stop_on_sigterm",
    }
    options = {name: op[key] for key, name in plain.items() if op.get(key) is not None}
    options |= {name: op[key] / 1000 for key, name in seconds.items() if op.get(key) is not None}
    return options

"""The Python SDK of Millpond, a task-graph orchestrator; ``millpond.aio`` is its asyncio flavour."""

from millpond import v1
from millpond._version import __version__
from millpond._worker.context import ParentOutcome, TaskContext
from millpond._worker.errors import AbortReason, AttemptAbortedError, NonRetryableError, TaskError
from millpond._worker.log_queue import LogLevelName
from millpond.cancellation import Cancellation
from millpond.client import Client
from millpond.errors import FieldViolation, MillpondError
from millpond.graph import Execution, ExistingTask, Graph, Parent, TaskRef, on_completion, on_failure, on_success
from millpond.json import Json, from_struct, from_value, to_struct, to_value
from millpond.repeats import RepeatPolicy
from millpond.worker import Worker

__all__ = [
    "AbortReason",
    "AttemptAbortedError",
    "Cancellation",
    "Client",
    "Execution",
    "ExistingTask",
    "FieldViolation",
    "Graph",
    "Json",
    "LogLevelName",
    "MillpondError",
    "NonRetryableError",
    "Parent",
    "ParentOutcome",
    "RepeatPolicy",
    "TaskContext",
    "TaskError",
    "TaskRef",
    "Worker",
    "__version__",
    "from_struct",
    "from_value",
    "on_completion",
    "on_failure",
    "on_success",
    "to_struct",
    "to_value",
    "v1",
]

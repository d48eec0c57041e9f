"""The SDK of Millpond for asyncio; graphs, errors and messages are those of ``millpond``."""

from millpond.aio.client import Client
from millpond.aio.worker import TaskContext, Worker

__all__ = ["Client", "TaskContext", "Worker"]

"""Who a worker is and how much it takes on."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SLOTS_MAX: Final = 10_000
STREAM_RETRY_GROWTH_MAX: Final = 20

_logger = logging.getLogger("millpond")


def default_worker_id() -> str:
    """Make a name from the host, the process and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class WorkerOptions:
    """The options of a worker. Times are in seconds."""

    worker_id: str = field(default_factory=default_worker_id)
    slots: int = 10
    labels: Mapping[str, str] = field(default_factory=dict)
    stream: bool = True
    stream_retry: float = 30.0
    silence_max: float = 45.0
    lease: float = 30.0
    stop_grace: float = 30.0
    stop_on_sigterm: bool = False
    on_error: Callable[[Exception], object] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= SLOTS_MAX:
            raise ValueError(f"slots is {self.slots}; a worker has from 1 to {SLOTS_MAX}")

    def tell(self, error: Exception) -> None:
        """Tell the error listener, or the log of the process, what went wrong. Never raises."""
        if self.on_error is None:
            _logger.warning("worker %s: %s", self.worker_id, error)
            return
        try:
            self.on_error(error)
        except Exception:
            _logger.exception("the error listener of worker %s raised", self.worker_id)

"""A sign to stop that threads share."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("millpond")


class Cancellation:
    """A sign to stop: a ``threading.Event`` that also calls back.

    Given to a call as ``cancel``, setting it ends the call. A handler of a worker has one as ``context.cancelled``.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []

    def set(self) -> None:
        """Tell everybody to stop. Harmless when it has been told."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _tell(callback)

    def is_set(self) -> bool:
        """Tell whether it is time to stop."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is time to stop, at most so many seconds; tell whether it is."""
        return self._event.wait(timeout)

    def add_callback(self, callback: Callable[[], object]) -> None:
        """Have a function called, once, by the thread that sets it; at once when it is set.

        What it raises for the thread that sets it is logged.
        """
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def remove_callback(self, callback: Callable[[], object]) -> None:
        """Undo ``add_callback``. Harmless when the function has been called."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


def _tell(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        # Whoever sets it is not to blame, and the others are to be told, too.
        _logger.exception("a callback of a cancellation raised")

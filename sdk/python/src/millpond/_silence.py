"""Gives up a stream that says nothing for too long."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from millpond.cancellation import Cancellation


class SilenceGuard:
    """Sets a cancellation when, while it listens, nothing is heard for so many seconds. By a thread of its own."""

    def __init__(self, seconds: float, cancel: Cancellation) -> None:
        self._seconds = seconds
        self._cancel = cancel
        self._deadline: float | None = None
        self._ended = threading.Event()
        self.has_struck = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="millpond-silence-guard", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()

    def listen(self) -> None:
        """Begin to wait for the other side to speak."""
        self._deadline = time.monotonic() + self._seconds

    def pause(self) -> None:
        """End waiting: it has spoken, and this side is busy with that."""
        self._deadline = None

    def _run(self) -> None:
        # A deadline is never moved to before the end of a pause that was begun under an earlier one.
        pause = self._seconds
        while not self._ended.wait(pause):
            deadline = self._deadline
            pause = self._seconds if deadline is None else deadline - time.monotonic()
            if pause <= 0:
                self.has_struck = True
                self._cancel.set()
                return

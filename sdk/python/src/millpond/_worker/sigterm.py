"""Calls back on the first SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# Used by the main thread, which runs the handlers of signals; other threads only remove callbacks.
_callbacks: list[Callable[[], object]] = []
_before: Any = signal.SIG_DFL


def add_sigterm_callback(callback: Callable[[], object]) -> None:
    """Have a function called on the first SIGTERM, and then what was there before.

    A second SIGTERM finds only what was there before. Raises ValueError in a thread that is not the main one: there is
    no listening to signals.
    """
    global _before  # noqa: PLW0603 (a process has one handler of a signal)
    if signal.getsignal(signal.SIGTERM) is not _handle:
        _before = signal.signal(signal.SIGTERM, _handle) or signal.SIG_DFL
    _callbacks.append(callback)


def remove_sigterm_callback(callback: Callable[[], object]) -> None:
    """Undo ``add_sigterm_callback``. Harmless when it has been called, or undone."""
    if callback in _callbacks:
        _callbacks.remove(callback)
    # Elsewhere a handler without callbacks stays, and steps aside when a signal comes.
    if not _callbacks and threading.current_thread() is threading.main_thread():
        _restore()


def _handle(number: int, frame: FrameType | None) -> None:
    callbacks = list(_callbacks)
    _callbacks.clear()
    _restore()
    for callback in callbacks:
        callback()
    if callable(_before):
        _before(number, frame)
    elif not callbacks:
        os.kill(os.getpid(), number)


def _restore() -> None:
    # Somebody may have come after: theirs stays.
    if signal.getsignal(signal.SIGTERM) is _handle:
        signal.signal(signal.SIGTERM, _before)

"""Counts how often in a row a stream has failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# The longest delay before a stream is made anew: one that has lived for so many seconds has not failed at once.
_LIVED_SECONDS: Final = 5.0


class FailureStreak:
    """The failures in a row of a stream that is made anew whenever it ends.

    That the server has welcomed one ends no streak: a server that welcomes each and breaks it at once would be called
    again without a pause. What the stream is for ends it, or that the stream has gone on for 5 s after its welcome.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._welcomed_at: float | None = None

    def welcomed(self) -> None:
        """Say that the server has spoken."""
        if self._welcomed_at is None:
            self._welcomed_at = self._clock()

    def progressed(self) -> None:
        """Say that the stream has brought what it is for."""
        self._failures = 0

    def ended(self) -> int:
        """Say that the stream has ended, and answer the number of failures in a row, from 1."""
        if self._welcomed_at is not None and self._clock() - self._welcomed_at >= _LIVED_SECONDS:
            self._failures = 0
        self._welcomed_at = None
        self._failures += 1
        return self._failures

"""A sign to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond import Cancellation

if TYPE_CHECKING:
    import pytest


def test_a_callback_that_raises_keeps_nobody_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    cancel = Cancellation()

    def fail() -> None:
        raise ProcessLookupError("it has ended")

    cancel.add_callback(fail)
    cancel.add_callback(lambda: told.append("second"))
    cancel.set()
    assert cancel.is_set()
    assert told == ["second"]
    assert caplog.messages == ["a callback of a cancellation raised"]

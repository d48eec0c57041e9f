"""Waiting for conditions, with a generous deadline."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

DEADLINE_SECONDS = 20.0


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition has not come true"
        time.sleep(0.005)


async def eventually_async(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition has not come true"
        await asyncio.sleep(0.005)


def run_async(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario that must end in time."""
    asyncio.run(asyncio.wait_for(scenario, DEADLINE_SECONDS))

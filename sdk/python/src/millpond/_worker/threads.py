"""Threads for handlers and calls."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

from millpond._worker.posting import post

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")


class Threads:
    """Runs functions in threads, which are made when none is idle and kept for the next function.

    Unlike those of ``concurrent.futures`` they are daemons: a handler that never returns does not keep the process
    alive. How many there are is bounded by whoever begins functions.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._all: list[threading.Thread] = []
        self._is_closed = False

    def begin(self, function: Callable[[], object]) -> None:
        """Run a function that does not raise. Raises RuntimeError when the system gives no thread for it."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            else:
                name = f"{self._name}-{len(self._all) + 1}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                thread.start()
                self._all.append(thread)
        self._work.put(function)

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Run a function and wait for what it answers or raises.

        Who is cancelled waits no more; the function goes on.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()

        def work() -> None:
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 (it is handed over)
                post(loop, _settle, future, None, error)
            else:
                post(loop, _settle, future, result, None)

        self.begin(work)
        return await future

    def close(self) -> None:
        """Let the threads end: those that are idle now, the others when their functions have returned."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, 0
        for _ in range(idle):
            self._work.put(None)

    def join(self) -> None:
        """Wait until all threads have ended, after ``close``."""
        for thread in self._all:
            thread.join()

    def _run(self) -> None:
        while (function := self._work.get()) is not None:
            function()
            del function
            with self._lock:
                if self._is_closed:
                    return
                self._idle += 1


def _settle(future: asyncio.Future[ResultT], result: ResultT, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

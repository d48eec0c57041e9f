"""Threads for handlers and calls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from millpond import v1
from millpond._worker.attempt import Attempt
from millpond._worker.execution import run_in_thread
from millpond._worker.threads import Threads
from waiting import eventually_async, run_async

if TYPE_CHECKING:
    import pytest


def test_a_handler_without_a_thread_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        threads = Threads("t")
        attempt = Attempt(v1.Assignment(task=v1.Task(task_id="t", kind="k"), attempt=1), 0.0)
        ends: list[v1.TaskReport] = []

        def ended(_: Attempt, report: v1.TaskReport) -> None:
            ends.append(report)

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            run_in_thread(threads, attempt, lambda: None, ended)
        await eventually_async(lambda: ends)
        assert ends[0].failure.message == "can't start new thread"
        run_in_thread(threads, attempt, lambda: None, ended)
        await eventually_async(lambda: len(ends) == 2)
        assert ends[1].HasField("success")
        threads.close()
        threads.join()

    run_async(scenario())

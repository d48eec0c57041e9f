"""Runs handlers: plain functions in threads, coroutine functions as tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from millpond._worker.outcome import failure_report, success_report
from millpond._worker.posting import post

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond import v1
    from millpond._worker.attempt import Attempt
    from millpond._worker.threads import Threads


def run_in_thread(
    threads: Threads,
    attempt: Attempt,
    handler: Callable[[], object],
    on_end: Callable[[Attempt, v1.TaskReport], object],
) -> None:
    """Run a handler in a thread; its closing report is handed over in the loop."""
    loop = asyncio.get_running_loop()

    def work() -> None:
        try:
            report = success_report(attempt, handler())
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is the attempt's failure)
            report = failure_report(attempt, error)
        post(loop, on_end, attempt, report)

    try:
        threads.begin(work)
    except RuntimeError as error:
        # The system gives no more threads now: the attempt fails, the worker goes on.
        loop.call_soon(on_end, attempt, failure_report(attempt, error))


def run_as_task(
    attempt: Attempt,
    handler: Callable[[], Awaitable[object]],
    on_end: Callable[[Attempt, v1.TaskReport], object],
) -> None:
    """Run a handler as a task, which is cancelled when the attempt is aborted."""
    task = asyncio.create_task(_report_of(attempt, handler))
    attempt.on_abort = task.cancel
    if attempt.aborted is not None:
        task.cancel()

    def ended(task: asyncio.Task[v1.TaskReport]) -> None:
        # A task that is cancelled before its first step never gets to say anything.
        report = failure_report(attempt, _cancellation_of(attempt)) if task.cancelled() else task.result()
        on_end(attempt, report)

    task.add_done_callback(ended)


async def _report_of(attempt: Attempt, handler: Callable[[], Awaitable[object]]) -> v1.TaskReport:
    try:
        return success_report(attempt, await handler())
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is the attempt's failure)
        return failure_report(attempt, error)


def _cancellation_of(attempt: Attempt) -> Exception:
    return attempt.aborted or RuntimeError("the handler was cancelled by something else than its worker")

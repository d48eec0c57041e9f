"""The worker of threads, over gRPC."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import millpond
from fake_millpond import FakeMillpond
from fake_server import fail
from millpond import AbortReason, Client, MillpondError, TaskContext, Worker, _methods, v1
from millpond._worker import engine as engine_module
from millpond._worker import work_stream as work_stream_module
from waiting import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[FakeMillpond]:
    with FakeMillpond() as server:
        yield server


@pytest.fixture
def client(server: FakeMillpond) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


def threads_of(worker: Worker) -> list[str]:
    return [thread.name for thread in threading.enumerate() if worker.worker_id in thread.name]


def test_handlers_run_and_their_ends_are_reported(server: FakeMillpond, client: Client) -> None:
    worker = client.worker(slots=2, labels={"site": "7"})

    @worker.handle("echo")
    def echo(context: TaskContext) -> object:
        context.log("info", "echoing")
        context.count(success=3)
        context.heartbeat({"percent": 50})
        return context.input

    def fails(_: TaskContext) -> None:
        raise millpond.TaskError("disk full", code="ENOSPC", details={"free": 0})

    assert worker.handle("fails", fails) is fails
    with worker:
        for number in range(5):
            server.add(f"e{number}", "echo", {"n": number})
        server.add("f", "fails")
        eventually(lambda: len({report.task_id for report in server.reports if report.HasField("success")}) == 5)
        eventually(lambda: server.report_of("f"))
    outputs = [millpond.from_value(report.success.output) for report in server.reports if report.HasField("success")]
    assert sorted(output["n"] for output in outputs) == [0, 1, 2, 3, 4]
    failure = server.report_of("f")
    assert failure is not None
    assert (failure.failure.message, failure.failure.code) == ("disk full", "ENOSPC")
    assert millpond.from_value(failure.failure.details) == {"free": 0}
    assert server.lines == ["echoing"] * 5
    assert sum(delta.success for delta in server.counts) == 15
    hello = server.hellos[0]
    assert (set(hello.kinds), dict(hello.labels), hello.slots) == ({"echo", "fails"}, {"site": "7"}, 2)
    assert hello.worker_id == worker.worker_id
    assert socket.gethostname() in worker.worker_id
    assert worker.wait()


def test_what_is_no_json_fails_the_task_for_good(server: FakeMillpond, client: Client) -> None:
    worker = client.worker()
    worker.handle("k", lambda _: object())
    with worker:
        server.add("a", "k")
        eventually(lambda: server.report_of("a"))
    report = server.report_of("a")
    assert report is not None
    assert (report.failure.code, report.failure.non_retryable) == ("OUTPUT_NOT_JSON", True)


def test_a_cancelled_handler_is_told_why(server: FakeMillpond, client: Client) -> None:
    reasons: list[AbortReason | None] = []
    started = threading.Event()
    worker = client.worker()

    @worker.handle("hold")
    def hold(context: TaskContext) -> None:
        assert not context.cancelled.is_set()
        context.raise_if_cancelled()
        started.set()
        context.cancelled.wait()
        reasons.append(context.reason)
        context.heartbeat()
        context.raise_if_cancelled()

    with worker:
        server.add("a", "hold")
        eventually(started.is_set)
        server.say(cancel=v1.CancelAttempt(task_id="a", attempt=1))
        eventually(lambda: worker.running == 0)
    assert reasons == [AbortReason.CANCEL_REQUESTED]
    assert server.reports == []


def test_a_call_of_a_handler_ends_with_the_handler(server: FakeMillpond, client: Client) -> None:
    ended = threading.Event()

    def claim(_request: Any, context: grpc.ServicerContext) -> v1.ClaimTasksResponse:
        if not context.add_callback(ended.set):
            ended.set()
        ended.wait()
        return v1.ClaimTasksResponse()

    server.on(_methods.CLAIM_TASKS, claim)
    worker = client.worker(stop_grace=0.1)

    @worker.handle("calls")
    def calls(context: TaskContext) -> None:
        client.workers.claim_tasks(v1.ClaimTasksRequest(), cancel=context.cancelled)

    with worker:
        server.add("a", "calls")
        eventually(lambda: worker.running == 1)
    assert ended.wait(20)
    report = server.report_of("a")
    assert report is not None
    assert report.failure.code == "WORKER_STOPPED"


def test_threads_end_with_the_worker(server: FakeMillpond, client: Client) -> None:
    worker = client.worker()
    worker.handle("k", lambda _: None)
    worker.start()
    worker.start()
    for number in range(20):
        server.add(str(number), "k")
    eventually(lambda: len(server.reports) == 20)
    worker.stop()
    worker.stop()
    eventually(lambda: not threads_of(worker))
    eventually(lambda: server.streams == 0)


def test_a_handler_that_never_returns_is_left_behind(
    server: FakeMillpond, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_ABANDON_SECONDS", 0.1)
    gate = threading.Event()
    after: list[str] = []
    worker = client.worker(stop_grace=0.1)

    @worker.handle("hang")
    def hang(context: TaskContext) -> None:
        gate.wait()
        # The worker has gone: none of these fails, or waits for it.
        context.log("info", "late")
        context.count(1)
        context.heartbeat()
        after.append(str(context.reason))

    with worker:
        server.add("a", "hang")
        eventually(lambda: worker.running == 1)
    assert worker.wait()
    gate.set()
    eventually(lambda: after == [str(AbortReason.WORKER_STOPPED)])
    eventually(lambda: not threads_of(worker))
    assert server.reports == []


def test_a_silent_stream_is_made_anew(server: FakeMillpond, client: Client) -> None:
    errors: list[str] = []
    worker = client.worker(silence_max=0.1, on_error=lambda error: errors.append(str(error)))
    worker.handle("k", lambda _: None)
    with worker:
        eventually(lambda: len(server.hellos) == 3)
        server.add("a", "k")
        eventually(lambda: server.report_of("a"))
    assert worker.wait()
    assert set(errors) == {"UNAVAILABLE: no message came within 0.1 s"}


def test_a_worker_may_be_stopped_by_a_handler(server: FakeMillpond, client: Client) -> None:
    worker = client.worker()

    @worker.handle("last")
    def last(_: TaskContext) -> str:
        worker.stop(wait=False)
        return "bye"

    worker.start()
    server.add("a", "last")
    assert worker.wait(20)
    report = server.report_of("a")
    assert report is not None
    assert report.HasField("success")


def test_what_the_server_refuses_for_good_ends_the_worker(server: FakeMillpond, client: Client) -> None:
    server.on(_methods.WORK, fail(grpc.StatusCode.UNAUTHENTICATED, "who?", reason="UNAUTHENTICATED"))
    told: list[Exception] = []
    worker = client.worker(on_error=told.append)
    worker.handle("k", lambda _: None)
    worker.start()
    with pytest.raises(MillpondError, match="UNAUTHENTICATED: who") as raised:
        worker.wait(20)
    assert told == [raised.value]
    worker.stop()


def test_the_error_listener_may_stop_the_worker(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.close()
    worker = client.worker(on_error=lambda _: worker.stop())
    worker.handle("k", lambda _: None)
    worker.start()
    with pytest.raises(MillpondError, match="the client is closed"):
        worker.wait(DEADLINE_SECONDS)
    worker.stop()
    assert not caplog.records


def test_errors_without_a_listener_are_logged(
    server: FakeMillpond, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(_: Exception) -> None:
        raise RuntimeError("the listener itself")

    with caplog.at_level(logging.WARNING, logger="millpond"):
        for listener in (None, raises):
            server.on(_methods.WORK, fail(grpc.StatusCode.PERMISSION_DENIED, "no"))
            worker = client.worker(worker_id="w", on_error=listener)
            worker.handle("k", lambda _: None)
            worker.start()
            with pytest.raises(MillpondError):
                worker.wait(20)
            worker.stop()
    assert "worker w: PERMISSION_DENIED" in caplog.text
    assert "the listener itself" in caplog.text


def test_a_server_that_takes_connections_and_says_nothing_does_not_hold_up_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What the end of a welcomed stream may take.
    monkeypatch.setattr(work_stream_module, "CLOSE_SECONDS", 3_600)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(address) as client:
            worker = client.worker()
            worker.handle("k", lambda _: None)
            worker.start()
            worker.stop(wait=False)
            assert worker.wait(DEADLINE_SECONDS)
            eventually(lambda: not threads_of(worker))


def test_a_worker_is_made_with_care(client: Client) -> None:
    for slots in (0, 10_001):
        with pytest.raises(ValueError, match="slots is"):
            client.worker(slots=slots)
    worker = client.worker()
    with pytest.raises(RuntimeError, match="no handler"):
        worker.start()

    async def coroutine(_: TaskContext) -> None:
        pass

    with pytest.raises(TypeError, match="coroutine function"):
        worker.handle("k", coroutine)


def test_a_handler_comes_before_the_start(client: Client) -> None:
    worker = client.worker()
    worker.handle("k", lambda _: None)
    with worker, pytest.raises(RuntimeError, match="too late"):
        worker.handle("other", lambda _: None)


def test_a_worker_that_was_stopped_does_not_start(client: Client) -> None:
    worker = client.worker()
    worker.handle("k", lambda _: None)
    worker.stop()
    worker.start()
    assert worker.wait(20)
    assert not threads_of(worker)


def test_sigterm_stops_workers_that_heed_it(client: Client) -> None:
    before = signal.getsignal(signal.SIGTERM)
    workers = [client.worker(stop_on_sigterm=True) for _ in range(2)]
    for worker in workers:
        worker.handle("k", lambda _: None)
        worker.start()
    os.kill(os.getpid(), signal.SIGTERM)
    assert all(worker.wait(20) for worker in workers)
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_is_given_back_when_a_worker_stops(client: Client) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        worker = client.worker(stop_on_sigterm=True)
        worker.handle("k", lambda _: None)
        with worker:
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: heard == [signal.SIGTERM])
        # One that is stopped elsewhere leaves its handler, which steps aside.
        worker = client.worker(stop_on_sigterm=True)
        worker.handle("k", lambda _: None)
        worker.start()
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        stopping.join()
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: heard == [signal.SIGTERM] * 2)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_only_the_main_thread_heeds_signals(client: Client) -> None:
    refused: list[ValueError] = []
    worker = client.worker(stop_on_sigterm=True)
    worker.handle("k", lambda _: None)

    def start() -> None:
        try:
            worker.start()
        except ValueError as error:
            refused.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(refused) == 1
    assert not threads_of(worker)

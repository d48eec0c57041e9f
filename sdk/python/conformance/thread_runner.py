"""The runner with the client of threads."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any

import behaviours
import millpond
import protojson
from millpond import v1

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Op = dict[str, Any]
Answer = dict[str, Any]


def run() -> None:
    runner = _Runner()
    for line in sys.stdin:
        runner.begin(json.loads(line))
    runner.close()


class _Runner:
    def __init__(self) -> None:
        self._output = threading.Lock()
        self._clients: dict[str, millpond.Client] = {}
        self._calls: dict[str, millpond.Cancellation] = {}
        self._watches: dict[str, _Watch] = {}
        self._workers: dict[str, _Worker] = {}
        # What is done where the ops are read, in their order; signals are for that thread, too.
        self._at_once: dict[str, Callable[[Op], Answer]] = {
            "hello": lambda _: {"language": "python", "version": millpond.__version__},
            "client.open": self._open_client,
            "cancel": self._cancel,
            "watch.open": self._open_watch,
            "worker.open": self._open_worker,
            "worker.release": self._release,
            "worker.state": lambda op: self._workers[op["worker"]].state(),
        }
        self._in_threads: dict[str, Callable[[Op], Answer]] = {
            "client.close": self._close_client,
            "call": self._call,
            "stream": self._stream,
            "graph": self._graph,
            "watch.next": lambda op: self._watches[op["watch"]].next(op["timeoutMs"] / 1000),
            "watch.close": self._close_watch,
            "logs": self._logs,
            "worker.stop": self._stop_worker,
        }

    def begin(self, op: Op) -> None:
        name = op["op"]
        if name == "call" and "call" in op:
            self._calls[op["call"]] = millpond.Cancellation()
        if name == "worker.stop":
            self._workers[op["worker"]].request_stop()
        if name in self._in_threads:
            threading.Thread(target=self._answer, args=(self._in_threads[name], op), daemon=True).start()
        else:
            self._answer(self._at_once.get(name, _unknown), op)

    def close(self) -> None:
        stops = [threading.Thread(target=worker.stop) for worker in self._workers.values()]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
        for watch in self._watches.values():
            watch.close()
        for client in self._clients.values():
            client.close()

    def _answer(self, act: Callable[[Op], Answer], op: Op) -> None:
        try:
            answer = {"id": op["id"], "ok": act(op)}
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
            answer = {"id": op["id"], "error": protojson.error_json(error)}
        with self._output:
            print(json.dumps(answer), flush=True)

    def _client(self, op: Op) -> millpond.Client:
        return self._clients[op["client"]]

    def _open_client(self, op: Op) -> Answer:
        self._clients[op["client"]] = millpond.Client(op["address"], **protojson.client_options(op))
        return {}

    def _close_client(self, op: Op) -> Answer:
        self._clients.pop(op["client"]).close()
        return {}

    def _call(self, op: Op) -> Answer:
        function = protojson.function_of(self._client(op), op["method"])
        request = protojson.request_of(op["method"], op["request"])
        cancel = self._calls.get(op.get("call", ""))
        response = function(request, timeout=protojson.timeout_of(op), cancel=cancel)
        return {"response": protojson.to_json(response)}

    def _cancel(self, op: Op) -> Answer:
        if op["call"] in self._calls:
            self._calls[op["call"]].set()
        return {}

    def _stream(self, op: Op) -> Answer:
        function = protojson.function_of(self._client(op), op["method"])
        requests = [protojson.request_of(op["method"], request) for request in op["requests"]]
        answer = function(requests, timeout=protojson.timeout_of(op))
        responses = [answer] if protojson.is_client_stream(op["method"]) else answer
        return {"responses": [protojson.to_json(response) for response in responses]}

    def _graph(self, op: Op) -> Answer:
        graph = protojson.graph_of(op)
        request_id = op.get("requestId", "")
        if op["submit"] == "none":
            return {"request": protojson.to_json(graph.to_request(request_id=request_id))}
        client = self._client(op)
        if op["submit"] == "create":
            return {"response": protojson.to_json(client.tasks.create_tasks(graph.to_request(request_id=request_id)))}
        options = {"part_size": op["partSize"]} if "partSize" in op else {}
        return {"response": protojson.to_json(client.upload(graph, request_id=request_id or None, **options))}

    def _open_watch(self, op: Op) -> Answer:
        cancel = millpond.Cancellation()
        watch = self._client(op).watch(cancel=cancel, **protojson.watch_options(op))
        self._watches[op["watch"]] = _Watch(watch, cancel)
        return {}

    def _close_watch(self, op: Op) -> Answer:
        self._watches.pop(op["watch"]).close()
        return {}

    def _logs(self, op: Op) -> Answer:
        options = protojson.log_options(op)
        return {"entries": [protojson.to_json(entry) for entry in self._client(op).logs(op["taskId"], **options)]}

    def _open_worker(self, op: Op) -> Answer:
        worker = _Worker(self._client(op), op)
        self._workers[op["worker"]] = worker
        return {"workerId": worker.worker_id}

    def _release(self, op: Op) -> Answer:
        self._workers[op["worker"]].released.set()
        return {}

    def _stop_worker(self, op: Op) -> Answer:
        self._workers[op["worker"]].stop()
        return {}


def _unknown(op: Op) -> Answer:
    raise LookupError(f'there is no op "{op["op"]}"')


class _Watch:
    """A watch, read by threads of its own: whoever asks for the next message may not want to wait for it."""

    def __init__(self, watch: Generator[v1.WatchEventsResponse, None, None], cancel: millpond.Cancellation) -> None:
        self._watch = watch
        self._cancel = cancel
        self._read: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        self._is_reading = False
        self._reader: threading.Thread | None = None
        # It begins now, not with the first look.
        self._ask()

    def next(self, timeout: float) -> Answer:
        self._ask()
        try:
            answer = self._read.get(timeout=timeout)
        except queue.Empty:
            return {"timedOut": True}
        self._is_reading = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self._cancel.set()
        if self._reader is not None:
            # What it has read is for who waits for the next message.
            self._reader.join()
        self._watch.close()

    def _ask(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self._reader = threading.Thread(target=self._take, daemon=True)
            self._reader.start()

    def _take(self) -> None:
        try:
            message = next(self._watch, None)
            self._read.put({"end": True} if message is None else {"message": protojson.to_json(message)})
        except Exception as error:  # noqa: BLE001 (it is handed over)
            self._read.put(error)


class _Worker:
    def __init__(self, client: millpond.Client, op: Op) -> None:
        self.released = millpond.Cancellation()
        self._events: list[Answer] = []
        self._errors: list[str] = []
        self._done: Answer | None = None
        self._worker = client.worker(
            on_error=lambda error: self._errors.append(str(error)), **behaviours.worker_options(op)
        )
        for kind, behaviour in op["handlers"].items():
            self._worker.handle(kind, self._handler(behaviour))
        self._worker.start()
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def worker_id(self) -> str:
        return self._worker.worker_id

    def state(self) -> Answer:
        return {"events": list(self._events), "errors": list(self._errors), "done": self._done}

    def request_stop(self) -> None:
        """Have it take no more from now on, whatever is asked for next."""
        self._worker.stop(wait=False)

    def stop(self) -> None:
        self._worker.stop()
        with contextlib.suppress(Exception):
            self._worker.wait()
        self._done = self._done or {}

    def _wait(self) -> None:
        try:
            self._worker.wait()
        except Exception as error:  # noqa: BLE001 (it is told)
            self._done = {"error": protojson.error_json(error)}
        else:
            self._done = {}

    def _handler(self, behaviour: behaviours.Behaviour) -> Callable[[millpond.TaskContext], object]:
        def handle(context: millpond.TaskContext) -> object:
            self._note(context, "started", input=context.input)
            context.cancelled.add_callback(
                lambda: self._note(context, "aborted", reason=context.reason.name if context.reason else "")
            )
            try:
                return self._behave(behaviours.chosen(behaviour, context.attempt), context)
            finally:
                self._note(context, "ended")

        return handle

    def _note(self, context: millpond.TaskContext, kind: str, **more: Any) -> None:
        self._events.append(behaviours.event(kind, context.assignment, **more))

    def _behave(self, behaviour: behaviours.Behaviour, context: millpond.TaskContext) -> object:
        failure = behaviours.failure_of(behaviour)
        if failure is not None:
            raise failure
        match behaviour["do"]:
            case "echo":
                return context.input
            case "return":
                result: object = behaviour["value"]
                return result
            case "parents":
                return behaviours.parents_of(context.assignment, context.parents)
            case "unencodable":
                return object()
            case "sleep":
                context.cancelled.wait(behaviour["ms"] / 1000)
                context.raise_if_cancelled()
                return context.input
            case "hold":
                return self._hold(context)
            case "hang":
                threading.Event().wait()
            case "log":
                for line in behaviour["lines"]:
                    context.log(line["level"].lower(), line["message"])
            case "count":
                context.count(success=int(behaviour["success"]), failure=int(behaviour["failure"]))
            case "heartbeat":
                context.heartbeat(behaviour["progress"])
                return self._hold(context)
        return None

    def _hold(self, context: millpond.TaskContext) -> object:
        goes_on = threading.Event()
        context.cancelled.add_callback(goes_on.set)
        self.released.add_callback(goes_on.set)
        goes_on.wait()
        if not self.released.is_set():
            context.raise_if_cancelled()
        return context.input

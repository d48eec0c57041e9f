"""The runner with the client of asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import behaviours
import millpond
import millpond.aio
import protojson
from millpond import v1

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Op = dict[str, Any]
Answer = dict[str, Any]


async def run() -> None:
    runner = _Runner()
    lines = _lines_of_stdin()
    while (line := await lines.get()) is not None:
        runner.begin(json.loads(line))
    await runner.close()


def _lines_of_stdin() -> asyncio.Queue[str | None]:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines


class _Runner:
    def __init__(self) -> None:
        self._clients: dict[str, millpond.aio.Client] = {}
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._watches: dict[str, _Watch] = {}
        self._workers: dict[str, _Worker] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._ops: dict[str, Callable[[Op], Awaitable[Answer]]] = {
            "hello": self._hello,
            "client.open": self._open_client,
            "client.close": self._close_client,
            "call": self._call,
            "cancel": self._cancel,
            "stream": self._stream,
            "graph": self._graph,
            "watch.open": self._open_watch,
            "watch.next": lambda op: self._watches[op["watch"]].next(op["timeoutMs"] / 1000),
            "watch.close": self._close_watch,
            "logs": self._logs,
            "worker.open": self._open_worker,
            "worker.release": self._release,
            "worker.state": self._state,
            "worker.stop": self._stop_worker,
        }

    def begin(self, op: Op) -> None:
        task = asyncio.create_task(self._answer(op))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        if op["op"] == "call" and "call" in op:
            self._calls[op["call"]] = task

    async def close(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
        for watch in self._watches.values():
            await watch.close()
        for client in self._clients.values():
            await client.close()

    async def _answer(self, op: Op) -> None:
        try:
            act = self._ops.get(op["op"])
            if act is None:
                raise LookupError(f'there is no op "{op["op"]}"')
            answer = {"id": op["id"], "ok": await act(op)}
        except asyncio.CancelledError:
            answer = {"id": op["id"], "error": protojson.cancelled_json()}
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
            answer = {"id": op["id"], "error": protojson.error_json(error)}
        print(json.dumps(answer), flush=True)

    def _client(self, op: Op) -> millpond.aio.Client:
        return self._clients[op["client"]]

    async def _hello(self, _: Op) -> Answer:
        return {"language": "python", "version": millpond.__version__}

    async def _open_client(self, op: Op) -> Answer:
        self._clients[op["client"]] = millpond.aio.Client(op["address"], **protojson.client_options(op))
        return {}

    async def _close_client(self, op: Op) -> Answer:
        await self._clients.pop(op["client"]).close()
        return {}

    async def _call(self, op: Op) -> Answer:
        function = protojson.function_of(self._client(op), op["method"])
        request = protojson.request_of(op["method"], op["request"])
        return {"response": protojson.to_json(await function(request, timeout=protojson.timeout_of(op)))}

    async def _cancel(self, op: Op) -> Answer:
        if op["call"] in self._calls:
            self._calls[op["call"]].cancel()
        return {}

    async def _stream(self, op: Op) -> Answer:
        function = protojson.function_of(self._client(op), op["method"])
        requests = [protojson.request_of(op["method"], request) for request in op["requests"]]
        answer = function(requests, timeout=protojson.timeout_of(op))
        if protojson.is_client_stream(op["method"]):
            return {"responses": [protojson.to_json(await answer)]}
        return {"responses": [protojson.to_json(response) async for response in answer]}

    async def _graph(self, op: Op) -> Answer:
        graph = protojson.graph_of(op)
        request_id = op.get("requestId", "")
        request = graph.to_request(request_id=request_id)
        if op["submit"] == "none":
            return {"request": protojson.to_json(request)}
        client = self._client(op)
        if op["submit"] == "create":
            return {"response": protojson.to_json(await client.tasks.create_tasks(request))}
        options = {"part_size": op["partSize"]} if "partSize" in op else {}
        return {"response": protojson.to_json(await client.upload(graph, request_id=request_id or None, **options))}

    async def _open_watch(self, op: Op) -> Answer:
        self._watches[op["watch"]] = _Watch(self._client(op).watch(**protojson.watch_options(op)))
        return {}

    async def _close_watch(self, op: Op) -> Answer:
        await self._watches.pop(op["watch"]).close()
        return {}

    async def _logs(self, op: Op) -> Answer:
        entries = self._client(op).logs(op["taskId"], **protojson.log_options(op))
        return {"entries": [protojson.to_json(entry) async for entry in entries]}

    async def _open_worker(self, op: Op) -> Answer:
        worker = _Worker(self._client(op), op)
        self._workers[op["worker"]] = worker
        return {"workerId": worker.worker_id}

    async def _release(self, op: Op) -> Answer:
        self._workers[op["worker"]].released.set()
        return {}

    async def _state(self, op: Op) -> Answer:
        return self._workers[op["worker"]].state()

    async def _stop_worker(self, op: Op) -> Answer:
        await self._workers[op["worker"]].stop()
        return {}


class _Watch:
    """A watch: whoever asks for the next message may not want to wait for it."""

    def __init__(self, watch: AsyncGenerator[v1.WatchEventsResponse, None]) -> None:
        self._watch = watch
        # It begins now, not with the first look.
        self._reading: asyncio.Future[v1.WatchEventsResponse | None] | None = self._read()

    async def next(self, timeout: float) -> Answer:
        if self._reading is None:
            self._reading = self._read()
        done, _ = await asyncio.wait([self._reading], timeout=timeout)
        if not done:
            return {"timedOut": True}
        reading, self._reading = self._reading, None
        message = reading.result()
        return {"end": True} if message is None else {"message": protojson.to_json(message)}

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._watch.aclose()

    def _read(self) -> asyncio.Future[v1.WatchEventsResponse | None]:
        return asyncio.ensure_future(anext(self._watch, None))


class _Worker:
    def __init__(self, client: millpond.aio.Client, op: Op) -> None:
        self.released = asyncio.Event()
        self._events: list[Answer] = []
        self._errors: list[str] = []
        self._done: Answer | None = None
        self._worker = client.worker(
            on_error=lambda error: self._errors.append(str(error)), **behaviours.worker_options(op)
        )
        for kind, behaviour in op["handlers"].items():
            self._worker.handle(kind, self._handler(behaviour))
        self._worker.start()
        self._waiting = asyncio.create_task(self._wait())

    @property
    def worker_id(self) -> str:
        return self._worker.worker_id

    def state(self) -> Answer:
        return {"events": list(self._events), "errors": list(self._errors), "done": self._done}

    async def stop(self) -> None:
        await self._worker.stop()
        await self._waiting

    async def _wait(self) -> None:
        try:
            await self._worker.wait()
        except Exception as error:  # noqa: BLE001 (it is told)
            self._done = {"error": protojson.error_json(error)}
        else:
            self._done = {}

    def _handler(self, behaviour: behaviours.Behaviour) -> Callable[[millpond.aio.TaskContext], Awaitable[object]]:
        async def handle(context: millpond.aio.TaskContext) -> object:
            self._note(context, "started", input=context.input)
            try:
                return await self._behave(behaviours.chosen(behaviour, context.attempt), context)
            except asyncio.CancelledError:
                self._note_abort(context)
                raise
            finally:
                self._note(context, "ended")

        return handle

    def _note(self, context: millpond.aio.TaskContext, kind: str, **more: Any) -> None:
        self._events.append(behaviours.event(kind, context.assignment, **more))

    def _note_abort(self, context: millpond.aio.TaskContext) -> None:
        self._note(context, "aborted", reason=context.reason.name if context.reason else "")

    async def _behave(self, behaviour: behaviours.Behaviour, context: millpond.aio.TaskContext) -> object:
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
                await asyncio.sleep(behaviour["ms"] / 1000)
                return context.input
            case "hold":
                await self.released.wait()
                return context.input
            case "hang":
                # It does not heed its worker, but the end of the runner.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                self._note_abort(context)
                await asyncio.Event().wait()
            case "log":
                for line in behaviour["lines"]:
                    context.log(line["level"].lower(), line["message"])
            case "count":
                context.count(success=int(behaviour["success"]), failure=int(behaviour["failure"]))
            case "heartbeat":
                await context.heartbeat(behaviour["progress"])
                await self.released.wait()
                return context.input
        return None

"""A tour of the SDK for asyncio: a graph of three tasks, a worker for them, the changes, a log and an error."""

import asyncio
import os
from datetime import timedelta

import millpond
import millpond.aio
from millpond import v1


async def main() -> None:
    # snippet: connect
    client = millpond.aio.Client(os.environ.get("MILLPOND_ADDRESS", "http://127.0.0.1:8085"))
    # end: connect

    # snippet: graph
    graph = millpond.Graph("tour")
    fetch = graph.task("fetch", "tour.fetch", input={"sample": 7})
    align = graph.task(
        "align",
        "tour.align",
        after=[fetch],
        retry=v1.RetryPolicy(max_attempts=3, initial_backoff=timedelta(milliseconds=100)),
    )
    graph.task("report", "tour.report", after=[millpond.on_completion(align)])
    created = await client.tasks.create_tasks(graph.to_request())
    print(f"created {len(created.tasks)} tasks")
    # end: graph

    # snippet: worker
    worker = client.worker(slots=10)

    @worker.handle("tour.fetch")
    async def fetch_sample(context: millpond.aio.TaskContext) -> millpond.Json:
        context.log("info", "fetched sample 7")
        return {"reads": 1_000_000}

    @worker.handle("tour.align")
    async def align_reads(context: millpond.aio.TaskContext) -> millpond.Json:
        if context.attempt == 1:
            raise millpond.TaskError("the node is busy", code="NODE_BUSY")
        return {"aligned": context.parents["fetch"].output["reads"]}

    @worker.handle("tour.report")
    async def report(_: millpond.aio.TaskContext) -> None:
        pass

    # end: worker

    # snippet: watch
    changes = client.watch(v1.EventFilter(batch_ids=[created.batch.batch_id]), snapshot=True)
    async for message in changes:
        if message.HasField("snapshot_done"):
            worker.start()
        for event in message.events.events:
            if event.task_status_changed.to == v1.TaskStatus.TASK_STATUS_SUCCESS:
                print(f"{event.kind}: SUCCESS")
            if event.HasField("batch_status_changed"):
                status = v1.BatchStatus.Name(event.batch_status_changed.to)
                print(f"batch: {status.removeprefix('BATCH_STATUS_')}")
                await changes.aclose()
    # end: watch

    # snippet: logs
    async for entry in client.logs(created.tasks[0].task_id):
        print(v1.LogLevel.Name(entry.level).removeprefix("LOG_LEVEL_"), entry.message)
    # end: logs

    # snippet: errors
    try:
        await client.tasks.get_task(v1.GetTaskRequest(task_id="00000000-0000-7000-8000-000000000000"))
    except millpond.MillpondError as error:
        print(error.reason_name)
    # end: errors

    await worker.stop()
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())

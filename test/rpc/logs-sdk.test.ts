import { createGraph, createWorker, LogLevel, listLogs } from "@millpond/sdk";
import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";

test("a handler's lines are followed on another server from before it begins to the end of its attempt", async () => {
  await using millpond = await setup();
  const second = await millpond.another();
  const graph = createGraph();
  graph.task("a", { kind: "work" });
  const { tasks } = await millpond.client.tasks.createTasks(graph.toRequest());
  const taskId = tasks[0]?.taskId ?? "";
  const followed: string[] = [];
  const { promise: isHeard, resolve: heard } = Promise.withResolvers<void>();
  const following = (async () => {
    for await (const { level, message } of listLogs(second.client, { taskId, follow: true })) {
      followed.push(`${LogLevel[level]} ${message}`);
      heard();
    }
  })();
  const worker = createWorker({ client: millpond.client, workerId: "w" }).handle("work", async (_, { log }) => {
    log("begins");
    await isHeard;
    log("warn", "ends");
  });
  worker.start();
  await following;
  expect(followed).toEqual(["INFO begins", "WARN ends"]);
  await worker.stop();
  const read: string[] = [];
  for await (const { message } of listLogs(millpond.client, { taskId, attempt: 1 })) read.push(message);
  expect(read).toEqual(["begins", "ends"]);
  const none = listLogs(millpond.client, { taskId: "01900000-0000-7000-8000-000000000000", follow: true }).next();
  await expect(none).rejects.toThrow("there is no task");
});

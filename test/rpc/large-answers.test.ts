import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService, TaskService, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";

/** What gRPC clients accept in one message unless they are told otherwise. */
const readMaxBytes = 4 * 1024 * 1024;
const large = fromJson(ValueSchema, "x".repeat(900 * 1024));
const count = 7;
/** A webhook's body of its own makes a task large without input or output. */
const execution = {
  case: "onStart" as const,
  value: { url: "http://127.0.0.1:9/", body: fromJson(ValueSchema, "y".repeat(200 * 1024)) },
};

test("pages of tasks and events, and watches, stay within what gRPC clients accept, however large inputs and outputs are", async () => {
  await using server = await setup();
  const { client } = server;
  const transport = createGrpcTransport({ baseUrl: server.url, readMaxBytes });
  const tasks = createClient(TaskService, transport);
  const events = createClient(EventService, transport);
  const names = Array.from({ length: count }, (_, n) => `t${n}`);
  const created = await client.tasks.createTasks({ tasks: names.map((name) => ({ name, kind: "k", input: large })) });
  const batchId = created.batch?.batchId ?? "";
  for (let claimed = 0; claimed < count; ) {
    const { assignments } = await client.workers.claimTasks({
      workerId: "w",
      kinds: ["k"],
      maxTasks: count,
      waitTimeout: { seconds: 30n },
    });
    claimed += assignments.length;
  }
  const reports = created.tasks.map(({ taskId }) => ({
    taskId,
    report: { case: "success" as const, value: { output: large } },
  }));
  await client.tasks.reportTasks({ reports });

  const listed: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await tasks.listTasks({ batchId, pageSize: 100, pageToken });
    listed.push(...page.tasks.map((task) => task.name));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(listed).toEqual(names.toReversed());

  const filter = { batchIds: [batchId], statuses: [TaskStatus.SUCCESS] };
  const ended: string[] = [];
  for (let cursor = ""; ended.length < count; ) {
    const page = await events.listEvents({ filter, cursor, pageSize: 100, waitTimeout: { seconds: 30n } });
    expect(page.events.length).toBeGreaterThan(0);
    ended.push(...page.events.map((event) => event.taskId));
    cursor = page.nextCursor;
  }
  expect(ended).toEqual(created.tasks.map((task) => task.taskId));

  const watched: string[] = [];
  for await (const { message } of events.watchEvents({ filter, cursor: "c0-0" })) {
    if (message.case === "events") watched.push(...message.value.events.map((event) => event.taskId));
    if (watched.length === count) break;
  }
  expect(watched).toEqual(ended);

  for await (const { message } of events.watchEvents({ filter: { batchIds: [batchId] }, snapshot: true })) {
    if (message.case === "snapshotDone") break;
  }
});

test("webhook bodies count, too: lists and snapshots of many stay within bounds", async () => {
  await using server = await setup();
  const transport = createGrpcTransport({ baseUrl: server.url, readMaxBytes });
  const startTime = { seconds: 4_000_000_000n };
  const tasks = Array.from({ length: 30 }, (_, n) => ({ name: `t${n}`, kind: "k", execution, startTime }));
  await server.client.tasks.createTasks({ tasks });
  const page = await createClient(TaskService, transport).listTasks({ pageSize: 100 });
  expect(page.tasks.length).toBeLessThan(30);
  expect(page.nextPageToken).not.toBe("");
  const seen: string[] = [];
  for await (const { message } of createClient(EventService, transport).watchEvents({ snapshot: true })) {
    if (message.case === "snapshot") seen.push(...message.value.tasks.map((task) => task.name));
    if (message.case === "snapshotDone") break;
  }
  expect(seen).toEqual(tasks.map((task) => task.name));
});

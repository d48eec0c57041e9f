import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BatchService, LineageDirection } from "@millpond/sdk";
import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";

const calls = 10;
const tasksPerCall = 10_000;
const count = calls * tasksPerCall;
/** What gRPC clients accept in one message unless they are told otherwise. */
const readMaxBytes = 4 * 1024 * 1024;

const keyOf = (n: number): string => `t${n}`;

test("the graph of 100,000 tasks that came in ten calls is read in pages, each task once, and so is a lineage", async () => {
  await using server = await setup();
  const created = await server.client.tasks.createTasks({ target: { case: "newBatch", value: { open: true } } });
  const batchId = created.batch?.batchId ?? "";
  for (let call = 0; call < calls; call += 1) {
    const tasks = Array.from({ length: tasksPerCall }, (_, n) => {
      const place = call * tasksPerCall + n;
      const parents = place % 2 === 0 ? [place - 2, place - 10] : [place - 1];
      const dependencies = parents
        .filter((parent) => parent >= 0)
        .map((parent) => ({ parent: { case: "key" as const, value: keyOf(parent) } }));
      return { key: keyOf(place), name: "task", kind: "k", dependencies };
    });
    await server.client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks });
  }
  const batches = createClient(BatchService, createGrpcTransport({ baseUrl: server.url, readMaxBytes }));

  // A spine of the even tasks, each with an odd one as a side branch.
  const levels = new Map<string, number>();
  const path: string[] = [];
  let [edges, pages] = [0, 0];
  for (let pageToken = ""; ; pages += 1) {
    const page = await batches.getBatchGraph({ batchId, pageSize: 1000, pageToken });
    for (const node of page.nodes) {
      expect(levels.has(node.key)).toBe(false);
      levels.set(node.key, node.level);
      if (node.critical) path.push(node.taskId);
    }
    edges += page.edges.length;
    expect(page.levelCount).toBe(count / 2 + 1);
    if (pageToken === "") expect(page.criticalPath).toHaveLength(count / 2 + 1);
    else expect(page.criticalPath).toEqual([]);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(levels.size).toBe(count);
  expect(path).toHaveLength(count / 2 + 1);
  expect(pages).toBeGreaterThanOrEqual(count / 1000 - 1);
  expect(edges).toBe(count + count / 2 - 6);
  for (const place of [0, 1, 50_000, 50_001, count - 2, count - 1])
    expect(levels.get(keyOf(place))).toBe(Math.floor(place / 2) + (place % 2));

  const { taskId } = (await batches.getBatchGraph({ batchId, pageSize: 1 })).nodes[0] ?? {};
  const lineage = new Set<string>();
  for (let pageToken = ""; ; ) {
    const request = { batchId, taskId: taskId ?? "", direction: LineageDirection.DOWNSTREAM };
    const page = await batches.getBatchGraph({ ...request, pageSize: 1000, pageToken });
    for (const node of page.nodes) lineage.add(node.key);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(lineage.size).toBe(count);
});

test("a chain of 100,000 tasks has a critical path that fits in what gRPC clients accept", async () => {
  await using server = await setup();
  const created = await server.client.tasks.createTasks({ target: { case: "newBatch", value: { open: true } } });
  const batchId = created.batch?.batchId ?? "";
  for (let call = 0; call < calls; call += 1) {
    const tasks = Array.from({ length: tasksPerCall }, (_, n) => {
      const place = call * tasksPerCall + n;
      const parent = { parent: { case: "key" as const, value: keyOf(place - 1) } };
      return { key: keyOf(place), name: "task", kind: "k", dependencies: place === 0 ? [] : [parent] };
    });
    await server.client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks });
  }
  const batches = createClient(BatchService, createGrpcTransport({ baseUrl: server.url, readMaxBytes }));
  const nodes: string[] = [];
  let path: readonly string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await batches.getBatchGraph({ batchId, pageSize: 1000, pageToken });
    if (pageToken === "") path = page.criticalPath;
    nodes.push(...page.nodes.map((node) => node.taskId));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(path).toHaveLength(count);
  expect(nodes).toEqual(path);
});

import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  BatchService,
  DependencyCondition,
  type GetBatchGraphRequestSchema,
  type GetBatchGraphResponse,
  type GraphNode,
  LineageDirection,
  type MillpondClient,
  TaskStatus,
} from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();
const unknownId = "01900000-0000-7000-8000-000000000000";
/** What gRPC clients accept in one message unless they are told otherwise. */
const readMaxBytes = 4 * 1024 * 1024;

type GraphInit = MessageInitShape<typeof GetBatchGraphRequestSchema>;

/** All pages of a walk. */
async function walk(
  request: GraphInit,
  batches: MillpondClient["batches"] = server.client.batches,
): Promise<GetBatchGraphResponse[]> {
  const pages: GetBatchGraphResponse[] = [];
  for (let pageToken = ""; ; ) {
    const page = await batches.getBatchGraph({ ...request, pageToken });
    pages.push(page);
    pageToken = page.nextPageToken;
    if (pageToken === "") return pages;
  }
}

const keysOf = (pages: readonly GetBatchGraphResponse[]): string[] =>
  pages.flatMap((page) => page.nodes.map((node) => node.key));
const secondsOf = (duration: GraphNode["duration"]): number =>
  Number(duration?.seconds ?? -1) + (duration?.nanos ?? 0) / 1e9;

/** Says how long a task ran, or has been running. */
async function ran(name: string, seconds: number): Promise<void> {
  await server.query(
    `update task_state set run_time = coalesce(end_time, now()) - $2 * interval '1 second'
     where id = (select id from task where name = $1)`,
    [name, seconds],
  );
}

describe("the graph of a batch", () => {
  test("has levels, edges with their conditions, and its critical path by recorded times and medians", async () => {
    const [kind, other] = [newKind(), newKind()];
    const foreign = await server.graph([{ key: "f", name: "foreign", kind: other }]);
    const onForeign = { parent: { case: "taskId" as const, value: foreign.ids.f ?? "" } };
    const { batchId, ids } = await server.graph([
      { key: "a", name: "timed a", kind },
      { key: "b", name: "timed b", kind, dependencies: dependsOn("a") },
      { key: "c", name: "timed c", kind, dependencies: dependsOn("a") },
      { key: "d", name: "d", kind, dependencies: [...dependsOn("b", "c"), onForeign] },
      { key: "e", name: "e", kind: other, dependencies: [{ ...dependsOn("a")[0], condition: 3 }] },
      { key: "j", name: "j", kind: other, execution: { case: "join", value: {} }, dependencies: dependsOn("d") },
    ]);
    await server.succeed(await server.claimOne(kind));
    const [b] = await server.claim(kind, { max: 2 });
    if (b === undefined) throw new Error("b was not claimed");
    await server.succeed(b);
    for (const [name, seconds] of Object.entries({ "timed a": 5, "timed b": 7, "timed c": 1000 }))
      await ran(name, seconds);

    const graph = await server.client.batches.getBatchGraph({ batchId });
    const nodes = new Map(graph.nodes.map((node) => [node.key, node]));
    expect(graph.nodes.map(({ key, level }) => [key, level])).toEqual([
      ...[
        ["a", 0],
        ["b", 1],
        ["c", 1],
        ["e", 1],
      ],
      ...[
        ["d", 2],
        ["j", 3],
      ],
    ]);
    expect(graph.levelCount).toBe(4);
    expect(nodes.get("a")).toMatchObject({ taskId: ids.a, name: "timed a", kind, status: TaskStatus.SUCCESS });
    const seconds = (key: string) => secondsOf(nodes.get(key)?.duration);
    const slack = (key: string) => secondsOf(nodes.get(key)?.slack);
    expect([seconds("a"), seconds("b"), seconds("d"), seconds("j"), seconds("e")]).toEqual([5, 7, 6, 0, 0]);
    expect(seconds("c")).toBeGreaterThanOrEqual(1000);
    expect([...nodes.values()].filter((node) => node.estimated).map((node) => node.key)).toEqual(["c", "d"]);
    expect(graph.criticalPath).toEqual(["a", "c", "d", "j"].map((key) => ids[key]));
    expect(secondsOf(graph.criticalPathDuration)).toBeCloseTo(5 + seconds("c") + 6, 5);
    expect(slack("b")).toBeCloseTo(seconds("c") - 7, 5);
    expect(slack("e")).toBeCloseTo(seconds("c") + 6, 5);
    expect(["a", "c", "d", "j"].map(slack)).toEqual([0, 0, 0, 0]);
    expect([...nodes.values()].filter((node) => node.critical).map((node) => node.key)).toEqual(["a", "c", "d", "j"]);
    const [success, failure] = [DependencyCondition.SUCCESS, DependencyCondition.FAILURE];
    expect(graph.edges.map((edge) => [edge.parentTaskId, edge.childTaskId, edge.condition])).toEqual([
      ...[
        [ids.a, ids.b, success],
        [ids.a, ids.c, success],
        [ids.a, ids.e, failure],
      ],
      ...[
        [ids.b, ids.d, success],
        [ids.c, ids.d, success],
        [foreign.ids.f, ids.d, success],
      ],
      [ids.d, ids.j, success],
    ]);
    expect(graph.nextPageToken).toBe("");
  });

  test("that has no tasks is empty", async () => {
    const { batch } = await server.client.tasks.createTasks({
      target: { case: "newBatch", value: { open: true } },
      tasks: [],
    });
    const graph = await server.client.batches.getBatchGraph({ batchId: batch?.batchId ?? "" });
    expect(graph).toMatchObject({ nodes: [], edges: [], levelCount: 0, criticalPath: [], nextPageToken: "" });
    expect(secondsOf(graph.criticalPathDuration)).toBe(0);
  });
});

/** Layers of tasks, each with two parents in the layer before. */
function layers(kind: string, depth: number, width: number): TaskInit[] {
  return Array.from({ length: depth * width }, (_, n) => {
    const [layer, place] = [Math.floor(n / width), n % width];
    const parents = layer === 0 ? [] : [place, (place + 1) % width].map((each) => `t${(layer - 1) * width + each}`);
    return { key: `t${n}`, name: `task ${n}`, kind, dependencies: dependsOn(...parents) };
  });
}

describe("pages of a graph", () => {
  test("have every task once, by level and then by id, with the edges that lead to it; they show one moment", async () => {
    const tasks = layers(newKind(), 10, 300);
    const { batchId, ids } = await server.graph(tasks);
    const first = await server.client.batches.getBatchGraph({ batchId, pageSize: 700 });
    expect(first.nodes).toHaveLength(700);
    expect(first.criticalPath).toHaveLength(10);
    expect(first.criticalPath[0]).toBe(ids.t0);
    await server.client.batches.stopBatch({ batchId });
    const pages = [first];
    for (let page = first; page.nextPageToken !== ""; pages.push(page))
      page = await server.client.batches.getBatchGraph({ batchId, pageSize: 700, pageToken: page.nextPageToken });
    expect(keysOf(pages)).toEqual(tasks.map((task) => task.key));
    const edges = pages.flatMap((page) => page.edges.map((edge) => `${edge.parentTaskId} ${edge.childTaskId}`));
    expect(edges).toHaveLength(9 * 300 * 2);
    expect(new Set(edges).size).toBe(edges.length);
    for (const page of pages) {
      expect(page.levelCount).toBe(10);
      expect(page.criticalPath).toHaveLength(page === first ? 10 : 0);
      const onPage = new Set(page.nodes.map((node) => node.taskId));
      expect(page.edges.every((edge) => onPage.has(edge.childTaskId))).toBe(true);
    }
    expect(new Set(pages.flatMap((page) => page.nodes.map((node) => node.status)))).toEqual(
      new Set([TaskStatus.PENDING, TaskStatus.WAITING]),
    );
    const now = await walk({ batchId, pageSize: 1000 });
    expect(new Set(now.flatMap((page) => page.nodes.map((node) => node.status)))).toEqual(
      new Set([TaskStatus.CANCELED]),
    );
  });

  test("are continued by another server, and when tasks were added", async () => {
    const another = await server.setup.another();
    const kind = newKind();
    const { batchId } = await server.graph(layers(kind, 4, 10), { open: true });
    const first = await server.client.batches.getBatchGraph({ batchId, pageSize: 15 });
    await server.client.tasks.createTasks({
      target: { case: "batchId", value: batchId },
      tasks: [
        { key: "early", name: "n", kind },
        { key: "late", name: "n", kind, dependencies: dependsOn("t39") },
      ],
    });
    const pages = [first];
    for (let page = first; page.nextPageToken !== ""; pages.push(page))
      page = await another.client.batches.getBatchGraph({ batchId, pageSize: 15, pageToken: page.nextPageToken });
    expect(keysOf(pages)).toEqual([...Array.from({ length: 40 }, (_, n) => `t${n}`), "late"]);
  });

  test("stay within what gRPC clients accept, however long names are and however many edges there are", async () => {
    const batches = createClient(BatchService, createGrpcTransport({ baseUrl: server.url, readMaxBytes }));
    const kind = newKind();
    const parents = Array.from({ length: 1000 }, (_, n) => `p${n}`);
    const long = "𝔏".repeat(240);
    const { batchId } = await server.graph([
      ...parents.map((key) => ({ key, name: long, kind })),
      ...Array.from({ length: 100 }, (_, n) => ({
        key: `${long}${n}`,
        ...{ name: long, kind, dependencies: dependsOn(...parents) },
      })),
    ]);
    const pages = await walk({ batchId, pageSize: 1000 }, batches as MillpondClient["batches"]);
    const keys = keysOf(pages);
    expect([keys.length, new Set(keys).size, pages.flatMap((page) => page.edges).length]).toEqual([
      1100, 1100, 100_000,
    ]);
    expect(pages.length).toBeGreaterThan(3);
  });

  test("belong to their filters", async () => {
    const { batchId, ids } = await server.graph(layers(newKind(), 2, 3));
    const other = await server.graph(layers(newKind(), 2, 3));
    const { nextPageToken } = await server.client.batches.getBatchGraph({ batchId, pageSize: 2 });
    const listed = await server.client.tasks.listTasks({ batchId, pageSize: 2 });
    const wrong: GraphInit[] = [
      { batchId: other.batchId, pageToken: nextPageToken },
      { batchId, taskId: ids.t0 ?? "", pageToken: nextPageToken },
      { batchId, direction: LineageDirection.UPSTREAM, pageToken: nextPageToken },
      { batchId, pageToken: listed.nextPageToken },
      { batchId, pageToken: `x${nextPageToken}` },
      { batchId, pageToken: "nonsense" },
    ];
    for (const request of wrong) {
      await expectRefusal(server.client.batches.getBatchGraph(request), {
        ...{ code: "InvalidArgument", reason: "PAGE_TOKEN_MISMATCH", fields: ["page_token"] },
      });
    }
    expect((await server.client.batches.getBatchGraph({ batchId, pageToken: nextPageToken })).nodes).toHaveLength(4);
  });
});

describe("the lineage of a task", () => {
  const { UNSPECIFIED, UPSTREAM, DOWNSTREAM, BOTH } = LineageDirection;

  test("is what it depends on, what depends on it, or both, with the levels of the whole graph, in pages", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "a2", name: "a2", kind },
      { key: "b", name: "b", kind, dependencies: dependsOn("a") },
      { key: "b2", name: "b2", kind, dependencies: dependsOn("a2", "a") },
      { key: "c", name: "c", kind, dependencies: dependsOn("b") },
      { key: "d", name: "d", kind, dependencies: dependsOn("c", "b2") },
    ]);
    const taskId = ids.b ?? "";
    for (const [direction, expected] of [
      [UPSTREAM, ["a", "b"]],
      [DOWNSTREAM, ["b", "c", "d"]],
      [BOTH, ["a", "b", "c", "d"]],
      [UNSPECIFIED, ["a", "b", "c", "d"]],
    ] as const) {
      const pages = await walk({ batchId, taskId, direction });
      expect(keysOf(pages)).toEqual(expected);
      expect(pages[0]?.levelCount).toBe(4);
      expect(pages[0]?.criticalPath).toEqual(["a", "b", "c", "d"].map((key) => ids[key]));
      expect(keysOf(await walk({ batchId, taskId, direction, pageSize: 1 }))).toEqual(expected);
    }
    const below = await server.client.batches.getBatchGraph({ batchId, taskId, direction: DOWNSTREAM });
    expect(below.nodes.map((node) => node.level)).toEqual([1, 2, 3]);
    expect(below.edges.map((edge) => [edge.parentTaskId, edge.childTaskId])).toEqual([
      [ids.a, ids.b],
      [ids.b, ids.c],
      [ids.c, ids.d],
      [ids.b2, ids.d],
    ]);
  });

  test("of a task that the batch does not have, and a batch that is not there, are refused by name", async () => {
    const { batchId } = await server.graph(layers(newKind(), 1, 1));
    const other = await server.graph(layers(newKind(), 1, 1));
    const { batches } = server.client;
    for (const missing of [unknownId, other.batchId, other.ids.t0 ?? ""]) {
      const refusal = await expectRefusal(batches.getBatchGraph({ batchId, taskId: missing }), {
        ...{ code: "NotFound", reason: "TASK_NOT_FOUND" },
      });
      expect(refusal.metadata).toEqual({ task_id: missing });
    }
    for (const missing of [unknownId, other.ids.t0 ?? ""]) {
      const refusal = await expectRefusal(batches.getBatchGraph({ batchId: missing, taskId: other.ids.t0 ?? "" }), {
        ...{ code: "NotFound", reason: "BATCH_NOT_FOUND" },
      });
      expect(refusal.metadata).toEqual({ batch_id: missing });
    }
    await expectRefusal(batches.getBatchGraph({}), { code: "InvalidArgument", reason: "INVALID_FIELD" });
  });
});

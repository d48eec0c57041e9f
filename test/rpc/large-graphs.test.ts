import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { TaskService, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { dependsOn, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

/** Graphs of 5,000 tasks and more are written in parts: whatever they are asked, they answer as small ones do. */
const server = sharedServer();
const sizes = [10, 5_001];

const webhook = { url: "http://127.0.0.1:9/x" };

/** A graph of so many tasks: some that have something of everything, and others that have nothing. The last depends on the first. */
function richTasks(size: number, kind: string): TaskInit[] {
  const later = { seconds: BigInt(Math.ceil(Date.now() / 1000) + 3_600) };
  const rich: TaskInit[] = [
    { key: "NULL", name: 'a "quo\\ted" {x},NULL é\u{1F600}', kind, priority: 7, metadata: { 'a"b': "\\", n: 1 } },
    { key: "later", name: "NULL", kind, startTime: later, expectedCount: 5n },
    { key: "join", name: "join", kind, execution: { case: "join", value: {} }, dependencies: dependsOn("NULL") },
    { key: "hook", name: "hook", kind, onSuccess: [webhook], onFailure: [webhook, webhook], onCancel: [webhook] },
    {
      ...{ key: "timed", name: "timed", kind, critical: true, retry: { maxAttempts: 3 } },
      ...{ executionTimeout: { seconds: 9n }, totalTimeout: { seconds: 99n }, startTimeout: { seconds: 3_000n } },
      ...{ inactivityTimeout: { seconds: 4n }, dependencies: dependsOn("NULL", "later") },
    },
    { key: "needed", name: "needed", kind, onlyForDependents: true },
    { key: "needs", name: "needs", kind, dependencies: dependsOn("needed") },
  ];
  const padding = Array.from({ length: size - rich.length - 1 }, (_, n) => ({ key: `pad-${n}`, name: "pad", kind }));
  return [...rich, ...padding, { key: "last", name: "last", kind, dependencies: dependsOn("NULL", "pad-0") }];
}

const richCount = 7;

test("expected counts of 0 are there, and none where no task has one", async () => {
  for (const size of sizes) {
    for (const expectedCount of [0n, undefined]) {
      const task = { name: "t", kind: newKind(), ...(expectedCount === undefined ? {} : { expectedCount }) };
      const { batch } = await server.client.tasks.createTasks({ tasks: Array<TaskInit>(size).fill(task) });
      const read = await server.client.batches.getBatch({ batchId: batch?.batchId ?? "" });
      expect([size, batch?.stats?.expectedCount, read.batch?.stats?.expectedCount]).toEqual([
        ...[size, expectedCount, expectedCount],
      ]);
    }
  }
});

test.each([
  { open: false, paused: false },
  { open: true, paused: false },
  { open: false, paused: true },
  { open: true, paused: true },
])("a large graph answers and is read as a small one: open $open, paused $paused", async (flags) => {
  const seen = [];
  for (const size of sizes) {
    const kind = newKind();
    const create = () =>
      server.client.tasks.createTasks({
        requestId: `rich-${kind}`,
        target: {
          case: "newBatch",
          value: { name: "b", metadata: { x: "y" }, onComplete: [webhook, webhook], ...flags },
        },
        tasks,
      });
    const tasks = richTasks(size, kind);
    const { batch, tasks: created } = await create();
    expect(await create()).toMatchObject({ batch: { batchId: batch?.batchId }, tasks: created });
    expect(created.map(({ key }) => key)).toEqual(tasks.map(({ key }) => key));
    const shown = [...created.slice(0, richCount + 1), ...created.slice(-1)];
    const keyOf = new Map(created.map(({ key, taskId }) => [taskId, key]));
    const whole = await Promise.all(
      shown.map(async ({ taskId, status }) => {
        const { task } = await server.client.tasks.getTask({ taskId });
        const { createTime: _time, etag: _etag, startTime, dependencies = [], ...rest } = task ?? {};
        const parents = dependencies.map(({ parent }) => keyOf.get(parent.value ?? ""));
        return {
          ...{ answered: TaskStatus[status], hasStartTime: startTime !== undefined, parents },
          ...{ ...rest, taskId: "", batchId: "", kind: "" },
        };
      }),
    );
    const { stats, ...rest } = batch ?? {};
    const { PENDING = 0n, ...byStatus } = stats?.byStatus ?? {};
    seen.push({
      whole,
      batch: { ...rest, batchId: "", createTime: undefined, etag: "" },
      stats: { ...stats, total: Number(stats?.total) - size, byStatus, pending: Number(PENDING) - size },
      claimable: (await server.claim(kind, { max: 3 })).length,
    });
  }
  expect(seen[1]).toEqual(seen[0]);
});

test("keys are unique in a large batch that is open, and later tasks depend on its tasks by them", async () => {
  for (const size of sizes) {
    const kind = newKind();
    const { batchId, ids } = await server.graph(richTasks(size, kind), { open: true });
    const target = { case: "batchId" as const, value: batchId };
    const add = (key: string, ...parents: string[]) =>
      server.client.tasks.createTasks({
        target,
        tasks: [{ key, name: key, kind: newKind(), dependencies: dependsOn(...parents) }],
      });
    for (const key of ["NULL", "last", "pad-0"])
      await expectRefusal(add(key), { code: "InvalidArgument", reason: "DUPLICATE_KEY" });
    const { tasks } = await add("new", "NULL", "last");
    expect(tasks[0]?.status).toBe(TaskStatus.WAITING);
    const first = await server.claimOne(kind);
    expect(first.task?.taskId).toBe(ids.NULL);
    await server.succeed(first);
    expect(await server.claim(kind)).toHaveLength(1);
    await server.client.batches.stopBatch({ batchId });
  }
});

test("a large graph is refused where a small one is, and leaves nothing", async () => {
  const before = await server.rows();
  for (const size of sizes) {
    const tasks = richTasks(size, newKind());
    const twice = [...tasks.slice(0, -1), { ...tasks[0], dependencies: [] }] as TaskInit[];
    const most = tasks.map((task) => ({ ...task, expectedCount: 2n ** 63n - 1n }));
    for (const [bad, reason] of [
      [twice, "DUPLICATE_KEY"],
      [most, "INVALID_FIELD"],
    ] as const)
      await expectRefusal(server.client.tasks.createTasks({ tasks: bad }), { code: "InvalidArgument", reason });
  }
  expect(await server.rows()).toEqual(before);
});

describe("an upload in large parts", () => {
  const transports: [string, () => Transport][] = [
    ["gRPC", () => createGrpcTransport({ baseUrl: server.url })],
    ["Connect", () => createConnectTransport({ baseUrl: server.url, httpVersion: "2" })],
    [
      "Connect with JSON",
      () => createConnectTransport({ baseUrl: server.url, httpVersion: "2", useBinaryFormat: false }),
    ],
  ];
  const first = { target: { case: "newBatch", value: { name: "uploaded", metadata: { x: "y" } } } } as const;

  async function* streamOf(requestId: string, ...parts: TaskInit[][]) {
    yield { ...first, requestId };
    for (const tasks of parts) yield { tasks };
  }

  test("is one graph, and repeated by whichever protocol it is answered the same, with no more kept of it than numbers", async () => {
    const kind = newKind();
    const tasks = richTasks(5_500, kind);
    const upload = (transport: Transport) =>
      createClient(TaskService, transport).uploadTasks(
        streamOf(`upload-${kind}`, tasks.slice(0, 3_000), tasks.slice(3_000)),
      );
    const answers = [];
    for (const [, transport] of transports) answers.push(await upload(transport()));
    expect(answers[0]).toMatchObject({ createdCount: 5_500n, deduplicatedCount: 0n, batch: { name: "uploaded" } });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    const [kept] = await server.query<{ answer: unknown }>(
      "select result -> 'answer' answer from request where request_id = $1",
      [`upload-${kind}`],
    );
    expect(kept?.answer).toEqual({ created: 5_500, deduplicated: 0 });
    const other = streamOf(`upload-${kind}`, tasks.slice(0, 2_999), tasks.slice(2_999));
    await expectRefusal(server.client.tasks.uploadTasks(other), { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" });
  });

  test("is refused with the path of what is wrong, and leaves nothing", async () => {
    const before = await server.rows();
    const tasks = richTasks(6_000, newKind());
    const wrongAt = (place: number, wrong: Partial<TaskInit>): TaskInit[] =>
      tasks.map((task, n) => (n === place ? ({ ...task, ...wrong } as TaskInit) : task));
    const wrong: [TaskInit[], string, string[]][] = [
      [wrongAt(5_432, { name: "" }), "INVALID_FIELD", ["tasks[5432].name"]],
      [wrongAt(5_432, { key: "NULL" }), "DUPLICATE_KEY", ["tasks[5432].key"]],
      [
        wrongAt(5_432, { dependencies: dependsOn("pad-1", "nobody") }),
        "UNKNOWN_DEPENDENCY",
        ["tasks[5432].dependencies[1].key"],
      ],
    ];
    for (const [, transport] of transports) {
      for (const [bad, reason, fields] of wrong) {
        const client = createClient(TaskService, transport());
        const call = client.uploadTasks(streamOf("", bad.slice(0, 2_500), bad.slice(2_500)));
        await expectRefusal(call, { code: "InvalidArgument", reason, fields });
      }
    }
    expect(await server.rows()).toEqual(before);
  });

  test("says by its number which message has what only the first may have", async () => {
    async function* again() {
      yield* streamOf("", richTasks(3_000, newKind()));
      yield { requestId: "again" };
    }
    const { error } = await expectRefusal(server.client.tasks.uploadTasks(again()), {
      ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["request_id"] },
    });
    expect(error.message).toContain("message 3 ");
  });
});

test("the tables are consistent after all of it", async () => {
  await checkInvariants(server.setup.database.url);
});

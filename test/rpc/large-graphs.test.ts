import { TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
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

test("the tables are consistent after all of it", async () => {
  await checkInvariants(server.setup.database.url);
});

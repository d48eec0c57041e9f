import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, FailureCause, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { createRandom } from "./random.ts";
import { after, claim, countTaken, createGraph, getTask, range, report, startTwoServers } from "./two-servers.ts";

/** What the database may take for the largest cascades on a machine that is busy with other things. */
const patient = { timeoutMs: 120_000 };
const longTime = durationFromMs(600_000);

/** Fails the task of a key by the first attempt; tells how many ms the answer took. */
async function fail(client: MillpondClient, taskId: string): Promise<number> {
  const startedAt = performance.now();
  const { results } = await client.tasks.reportTasks(
    { reports: [{ taskId, attempt: 1, report: { case: "failure", value: {} } }] },
    patient,
  );
  expect(countTaken(results)).toBe(1);
  return Math.round(performance.now() - startedAt);
}

test("a root that fails brings down 10,000 children that require it", async () => {
  await using s = await startTwoServers();
  const root = { key: "root", kind: "root", inactivityTimeout: longTime };
  const graph = await createGraph(
    s.a,
    [root, ...range(9_999).map((n) => ({ key: `child ${n}`, dependencies: after("root") }))],
    { open: true },
  );
  const parent = { case: "taskId" as const, value: graph.id("root") };
  const target = { case: "batchId" as const, value: graph.batchId };
  const late = { key: "late", name: "late", kind: "work", dependencies: [{ parent }] };
  await s.b.tasks.createTasks({ target, tasks: [late] });
  await s.a.batches.sealBatch({ batchId: graph.batchId });
  await claimForLong(s.a);

  const startedAt = performance.now();
  const answeredMs = await fail(s.a, graph.id("root"));
  const { batch } = await s.b.batches.getBatch({ batchId: graph.batchId });
  expect([batch?.status, batch?.stats?.byStatus]).toEqual([BatchStatus.FAILURE, { FAILURE: 10_001n }]);
  await s.caughtUp();
  const toldMs = Math.round(performance.now() - startedAt);
  console.info(`10,000 children: answered after ${answeredMs} ms (to be 2,000), all told after ${toldMs} ms (7,000)`);
  await s.finish();
});

test("a chain of 5,000 fails whole, each task because of the one before", async () => {
  await using s = await startTwoServers();
  const graph = await createGraph(s.a, [
    { key: "root", kind: "root", inactivityTimeout: longTime },
    ...range(5_000).map((n) => ({ key: `task ${n + 1}`, dependencies: after(n === 0 ? "root" : `task ${n}`) })),
  ]);
  await claimForLong(s.b);

  const answeredMs = await fail(s.b, graph.id("root"));
  const { batch } = await s.a.batches.getBatch({ batchId: graph.batchId });
  expect([batch?.status, batch?.stats?.byStatus]).toEqual([BatchStatus.FAILURE, { FAILURE: 5_001n }]);
  const { failure } = await getTask(s.a, graph.id("task 5000"));
  expect([failure?.cause, failure?.message]).toEqual([FailureCause.DEPENDENCY, expect.stringContaining('"task 4999"')]);
  console.info(`a chain of 5,000: answered after ${answeredMs} ms`);
  await s.finish();
});

test("what waits for 1,000 parents starts exactly once, whoever reports them, in whatever order", async () => {
  await using s = await startTwoServers();
  const parents = range(1_000).map((n) => `parent ${n}`);
  const graph = await createGraph(s.a, [
    ...parents.map((key) => ({ key, inactivityTimeout: longTime })),
    { key: "task", kind: "next", dependencies: after(...parents) },
    { key: "join", execution: { case: "join", value: {} }, dependencies: after(...parents) },
    { key: "below", kind: "next", dependencies: after("join") },
  ]);
  const { assignments } = await s.a.workers.claimTasks({
    ...{ workerId: "worker", kinds: ["work"], maxTasks: 1_000, lease: longTime },
  });
  const taskIds = createRandom(4).shuffle(assignments.map(({ task }) => task?.taskId as string));
  const started: string[] = [];
  const workers = [s.a, s.b, s.a, s.b].map(async (client, n) => {
    while (started.length < 2) {
      const next = { workerId: `next ${n}`, kinds: ["next"], maxTasks: 1, waitTimeout: durationFromMs(1_000) };
      for (const { task } of (await client.workers.claimTasks(next)).assignments) started.push(`${task?.key}`);
    }
  });
  const reporters = range(20).map(async (n) => {
    for (const taskId of taskIds.filter((_, place) => place % 20 === n))
      expect(countTaken(await report(n % 2 === 0 ? s.a : s.b, [taskId]))).toBe(1);
  });
  await Promise.all([...reporters, ...workers]);

  expect(started.sort()).toEqual(["below", "task"]);
  expect(await claim(s.b, "next")).toEqual([]);
  const [task, join] = [graph.id("task"), graph.id("join")];
  const { events } = await s.a.events.listEvents({ filter: { taskIds: [task, join] }, pageSize: 1_000 });
  const changes = events.flatMap(({ taskId, payload }) =>
    payload.case === "taskStatusChanged"
      ? [`${taskId === task ? "task" : "join"} ${TaskStatus[payload.value.to]}`]
      : [],
  );
  // Where a place was lent for too long, the task is given back before anybody has heard of it, and handed out again.
  const count = (change: string): number => changes.filter((each) => each === change).length;
  expect(new Set(changes)).toEqual(new Set(["join SUCCESS", "task PENDING", "task RUNNING"]));
  expect([count("join SUCCESS"), count("task RUNNING")]).toEqual([1, count("task PENDING")]);
  await s.finish();
});

/** Takes the task of kind `root` for longer than the test lasts. */
async function claimForLong(client: MillpondClient): Promise<void> {
  const { assignments } = await client.workers.claimTasks({ workerId: "worker", kinds: ["root"], lease: longTime });
  expect(assignments.length).toBe(1);
}

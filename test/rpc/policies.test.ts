import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Batch,
  BatchStatus,
  DependencyCondition,
  ErrorReason,
  FailureCause,
  TaskStatus,
  UnmetPolicy,
} from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

type Fields = Pick<TaskInit, "totalTimeout" | "execution" | "retry">;

async function batchOf(batchId: string): Promise<Batch> {
  const { batch } = await server.client.batches.getBatch({ batchId });
  if (batch === undefined) throw new Error("GetBatch answered no batch");
  return batch;
}

const cancel = (...taskIds: (string | undefined)[]) =>
  server.client.tasks.cancelTasks({ taskIds: taskIds.map((id) => id ?? ""), reason: "not needed" });
const statusOf = (taskId: string | undefined) => server.status(taskId ?? "");
const onTask = (taskId: string | undefined) => ({ parent: { case: "taskId" as const, value: taskId ?? "" } });
const reached = (taskId: string | undefined, status: keyof typeof TaskStatus) =>
  eventually(async () => ((await statusOf(taskId)) === status ? true : undefined), `${status} of ${taskId}`);
/** The batch as it stands right after the call before: the stop has been made then, or has not been at all. */
const expectStopped = async (batchId: string, key: string) =>
  expect(await batchOf(batchId)).toMatchObject({
    ...{ status: BatchStatus.CANCELED, open: false, stopReason: `critical task "${key}" failed` },
    endTime: expect.anything(),
  });
const twice = { maxAttempts: 2, initialBackoff: durationFromMs(0) };

describe("the failure of a critical task", () => {
  test("stops its batch before the report is answered: what has not ended is canceled", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "done", name: "1", kind, priority: 3 },
      { key: "c", name: "2", kind, priority: 2, critical: true },
      { key: "running", name: "3", kind, priority: 1 },
      { key: "pending", name: "4", kind: `${kind}-p` },
      { key: "waiting", name: "5", kind, dependencies: dependsOn("running") },
      { key: "below", name: "6", kind, dependencies: dependsOn("c") },
    ]);
    const [done, critical, running] = await server.claim(kind, { max: 3 });
    if (done === undefined || critical === undefined || running === undefined) throw new Error("too few");
    await server.succeed(done);
    await server.fail(critical);
    await expectStopped(batchId, "c");
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 1, FAILURE: 2, CANCELED: 3 });
    expect(await server.task(ids.pending ?? "")).toMatchObject({
      ...{ status: TaskStatus.CANCELED, cancelReason: 'critical task "c" failed' },
    });
    const { results } = await server.client.tasks.reportTasks({
      reports: [{ taskId: ids.running ?? "", attempt: 1, report: { case: "heartbeat", value: {} } }],
    });
    expect(results[0]).toMatchObject({ cancelRequested: true, result: { value: { reason: ErrorReason.TASK_ENDED } } });
    expect(await server.query("select from follow_up")).toEqual([]);
  });

  test("is named after its name where it has no key", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([
      { name: "Load the tables", kind, critical: true },
      { name: "n", kind: `${kind}-p` },
    ]);
    await server.fail(await server.claimOne(kind));
    await expectStopped(batchId, "Load the tables");
  });

  test("stops its batch too where a parent brought it down: by its failure, or by being canceled", async () => {
    for (const how of ["fail", "cancel"] as const) {
      const kind = newKind();
      const { batchId, ids } = await server.graph([
        { key: "first", name: "1", kind },
        { key: "middle", name: "2", kind, dependencies: dependsOn("first") },
        { key: "c", name: "3", kind, dependencies: dependsOn("middle"), critical: true },
        { key: "other", name: "4", kind: `${kind}-p` },
      ]);
      if (how === "fail") await server.fail(await server.claimOne(kind));
      else await cancel(ids.first);
      await expectStopped(batchId, "c");
      expect(await statusOf(ids.other)).toBe("CANCELED");
      expect((await server.task(ids.c ?? "")).failure?.cause).toBe(FailureCause.DEPENDENCY);
    }
  });

  test("is that of its last attempt: one that is repeated stops nothing", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "c", name: "1", kind, critical: true, retry: twice },
      { key: "other", name: "2", kind: `${kind}-p` },
    ]);
    await server.fail(await server.claimOne(kind));
    expect(await batchOf(batchId)).toMatchObject({ status: BatchStatus.ACTIVE, stopReason: "" });
    expect(await statusOf(ids.other)).toBe("PENDING");
    const second = await server.claimOne(kind);
    expect(second.attempt).toBe(2);
    await server.fail(second);
    await expectStopped(batchId, "c");
  });

  test("stops the batch of each of several in one call, and what these bring down in other batches", async () => {
    const kind = newKind();
    const one = [
      { key: "c", name: "1", kind, critical: true },
      { key: "other", name: "2", kind: `${kind}-p` },
    ];
    const [first, second] = [await server.graph(one), await server.graph(one)];
    const third = await server.graph([
      { key: "down", name: "3", kind, critical: true, dependencies: [onTask(first.ids.other)] },
      { key: "other", name: "4", kind: `${kind}-p` },
    ]);
    const fourth = await server.graph([{ key: "last", name: "5", kind, dependencies: [onTask(third.ids.other)] }]);
    await server.fail(...(await server.claim(kind, { max: 2 })));
    await expectStopped(first.batchId, "c");
    await expectStopped(second.batchId, "c");
    await expectStopped(third.batchId, "down");
    expect((await batchOf(fourth.batchId)).status).toBe(BatchStatus.FAILURE);
  });

  test("stops a batch once, where several fail together", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([
      ...["a", "b", "c"].map((key) => ({ key, name: key, kind, critical: true })),
      { key: "other", name: "other", kind: `${kind}-p` },
    ]);
    await server.fail(...(await server.claim(kind, { max: 3 })));
    await expectStopped(batchId, "a");
    expect(await server.stats(batchId)).toEqual({ FAILURE: 3, CANCELED: 1 });
  });

  test("leaves a batch that it ended as it ended, and one that was stopped before with its reason", async () => {
    const kind = newKind();
    const alone = await server.graph([{ key: "c", name: "1", kind, critical: true }]);
    await server.fail(await server.claimOne(kind));
    expect(await batchOf(alone.batchId)).toMatchObject({ status: BatchStatus.FAILURE, stopReason: "" });

    const parent = await server.graph([{ key: "parent", name: "1", kind }]);
    const stopped = await server.graph([
      { key: "c", name: "1", kind, critical: true, dependencies: [onTask(parent.ids.parent)] },
    ]);
    await server.client.batches.stopBatch({ batchId: stopped.batchId, reason: "by hand" });
    await server.fail(await server.claimOne(kind));
    expect(await batchOf(stopped.batchId)).toMatchObject({ status: BatchStatus.CANCELED, stopReason: "by hand" });
  });

  test("closes an open batch, also where it came into it late and nothing else is in it", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([], { open: true });
    const target = { case: "batchId", value: batchId } as const;
    await server.client.tasks.createTasks({ target, tasks: [{ key: "c", name: "1", kind, critical: true }] });
    await server.fail(await server.claimOne(kind));
    await expectStopped(batchId, "c");
  });

  test("stops a batch that is held, and one that runs again", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "c", name: "1", kind, critical: true },
      { key: "other", name: "2", kind: `${kind}-p` },
    ]);
    const claimed = await server.claimOne(kind);
    await server.client.batches.pauseBatch({ batchId });
    await server.fail(claimed);
    await expectStopped(batchId, "c");
    const again = await server.client.batches.retryBatch({ batchId });
    expect(again).toMatchObject({ retriedCount: 2n, batch: { status: BatchStatus.ACTIVE, stopReason: "" } });
    expect([await statusOf(ids.c), await statusOf(ids.other)]).toEqual(["PENDING", "PENDING"]);
    await server.fail(await server.claimOne(kind));
    await expectStopped(batchId, "c");
  });

  test("may be a timeout, or a start webhook that is refused", async () => {
    const refusing = await startReceiver((response) => response.writeHead(404).end());
    onTestFinished(() => refusing[Symbol.asyncDispose]());
    const url = { url: refusing.url };
    const kinds: Fields[] = [{ totalTimeout: durationFromMs(50) }, { execution: { case: "onStart", value: url } }];
    for (const options of kinds) {
      const kind = newKind();
      const { batchId, ids } = await server.graph([
        { key: "c", name: "1", kind, critical: true, ...options },
        { key: "other", name: "2", kind: `${kind}-p` },
      ]);
      await reached(ids.other, "CANCELED");
      await expectStopped(batchId, "c");
    }
  });
});

test("a critical task that succeeds, is canceled or skipped stops nothing", async () => {
  const kind = newKind();
  const failing = { parent: { case: "key", value: "a" }, condition: DependencyCondition.FAILURE } as const;
  const { batchId, ids } = await server.graph([
    { key: "a", name: "1", kind, critical: true },
    { key: "b", name: "2", kind, critical: true },
    { key: "skipped", name: "3", kind, critical: true, dependencies: [failing] },
    { key: "other", name: "4", kind: `${kind}-p` },
  ]);
  await server.succeed(await server.claimOne(kind));
  await cancel(ids.b);
  expect(await server.stats(batchId)).toEqual({ SUCCESS: 1, CANCELED: 1, SKIPPED: 1, PENDING: 1 });
  expect((await batchOf(batchId)).status).toBe(BatchStatus.ACTIVE);
});

describe("a task that is only there for its dependents", () => {
  const reason = "every task that depends on it has ended";
  /** A parent that is only there for its one child, which `child` describes. */
  const pair = (kind: string, child: Fields = {}, parent: Fields = {}) =>
    server.graph([
      { key: "parent", name: "1", kind, onlyForDependents: true, ...parent },
      { key: "other", name: "2", kind: `${kind}-o` },
      { key: "child", name: "3", kind, dependencies: dependsOn("parent", "other"), ...child },
    ]);

  test("is canceled with its last dependent, before that call is answered", async () => {
    const { ids, batchId } = await pair(newKind());
    await cancel(ids.child);
    expect(await server.task(ids.parent ?? "")).toMatchObject({ status: TaskStatus.CANCELED, cancelReason: reason });
    expect(await server.stats(batchId)).toEqual({ CANCELED: 2, PENDING: 1 });
    expect(await server.query("select from follow_up")).toEqual([]);
  });

  test("is canceled when another parent brings its last dependent down", async () => {
    const kind = newKind();
    const { ids } = await pair(kind);
    await server.fail(await server.claimOne(`${kind}-o`));
    expect([await statusOf(ids.child), await statusOf(ids.parent)]).toEqual(["FAILURE", "CANCELED"]);
  });

  test("is canceled when the total timeout of its last dependent runs out", async () => {
    const { ids } = await pair(newKind(), { totalTimeout: durationFromMs(50) });
    await reached(ids.parent, "CANCELED");
    expect((await server.task(ids.child ?? "")).failure?.cause).toBe(FailureCause.TOTAL_TIMEOUT);
  });

  test("is canceled when the batch of its last dependent is stopped, by a call or by a critical task", async () => {
    const kind = newKind();
    const { ids } = await server.graph([{ key: "parent", name: "1", kind: `${kind}-n`, onlyForDependents: true }]);
    const first = await server.graph([{ key: "child", name: "2", kind, dependencies: [onTask(ids.parent)] }]);
    const second = await server.graph([
      { key: "child", name: "3", kind: `${kind}-n`, dependencies: [onTask(ids.parent)] },
      { key: "c", name: "4", kind, critical: true },
    ]);
    await server.client.batches.stopBatch({ batchId: first.batchId });
    expect(await statusOf(ids.parent)).toBe("PENDING");
    await server.fail(await server.claimOne(kind));
    expect((await batchOf(second.batchId)).status).toBe(BatchStatus.CANCELED);
    expect(await server.task(ids.parent ?? "")).toMatchObject({ status: TaskStatus.CANCELED, cancelReason: reason });
  });

  test("is canceled whatever it is doing: its executor learns of it", async () => {
    const kind = newKind();
    const running = await pair(kind);
    await server.claimOne(kind);
    await cancel(running.ids.child);
    const { results } = await server.client.tasks.reportTasks({
      reports: [{ taskId: running.ids.parent ?? "", attempt: 1, report: { case: "success", value: {} } }],
    });
    expect(results[0]).toMatchObject({ cancelRequested: true, result: { value: { reason: ErrorReason.TASK_ENDED } } });

    const held = await pair(newKind());
    await server.client.tasks.pauseTasks({ taskIds: [held.ids.parent ?? ""] });
    await cancel(held.ids.child);
    expect(await statusOf(held.ids.parent)).toBe("CANCELED");

    const backingOff = newKind();
    const retry = { maxAttempts: 2, initialBackoff: durationFromMs(3_600_000), maxBackoff: durationFromMs(3_600_000) };
    const later = await pair(backingOff, {}, { retry });
    await server.fail(await server.claimOne(backingOff));
    expect(await statusOf(later.ids.parent)).toBe("PENDING");
    await cancel(later.ids.child);
    expect(await statusOf(later.ids.parent)).toBe("CANCELED");
  });

  test("is canceled upward, along a chain of 50", async () => {
    const kind = newKind();
    const { ids, batchId } = await server.graph(
      Array.from({ length: 51 }, (_, n) => ({
        ...{ key: `${n}`, name: `${n}`, kind, onlyForDependents: n < 50 },
        dependencies: n === 0 ? [] : dependsOn(`${n - 1}`),
      })),
    );
    await cancel(ids["50"]);
    expect(await server.stats(batchId)).toEqual({ CANCELED: 51 });
    expect((await batchOf(batchId)).status).toBe(BatchStatus.CANCELED);
  });

  test("is canceled upward through a diamond, and only as far as tasks are of that sort", async () => {
    const kind = newKind();
    const service = { kind, onlyForDependents: true };
    const { ids } = await server.graph([
      { key: "above", name: "0", ...service },
      { key: "plain", name: "1", kind, dependencies: dependsOn("above") },
      { key: "top", name: "2", ...service, dependencies: dependsOn("plain") },
      { key: "left", name: "3", ...service, dependencies: dependsOn("top") },
      { key: "right", name: "4", ...service, dependencies: dependsOn("top") },
      { key: "leaf", name: "5", kind, dependencies: dependsOn("left", "right") },
    ]);
    await cancel(ids.leaf);
    for (const key of ["left", "right", "top"]) expect(await statusOf(ids[key]), key).toBe("CANCELED");
    expect([await statusOf(ids.plain), await statusOf(ids.above)]).toEqual(["WAITING", "PENDING"]);
  });

  test("stays while one of its dependents lives, and where it has none", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "alone", name: "0", kind: `${kind}-a`, onlyForDependents: true },
      { key: "parent", name: "1", kind, onlyForDependents: true },
      { key: "a", name: "2", kind, dependencies: dependsOn("parent") },
      { key: "b", name: "3", kind, dependencies: dependsOn("parent") },
    ]);
    await cancel(ids.a);
    expect([await statusOf(ids.parent), await statusOf(ids.alone)]).toEqual(["PENDING", "PENDING"]);
    await cancel(ids.b);
    expect([await statusOf(ids.parent), await statusOf(ids.alone)]).toEqual(["CANCELED", "PENDING"]);
    await server.succeed(await server.claimOne(`${kind}-a`));
    expect(await statusOf(ids.alone)).toBe("SUCCESS");
  });

  test("counts dependents that come later, into its open batch and in other batches", async () => {
    const kind = newKind();
    const { ids, batchId } = await server.graph(
      [
        { key: "parent", name: "1", kind, onlyForDependents: true },
        { key: "first", name: "2", kind, dependencies: dependsOn("parent") },
      ],
      { open: true },
    );
    const target = { case: "batchId", value: batchId } as const;
    const late = { key: "late", name: "3", kind, dependencies: dependsOn("parent") };
    const grown = await server.client.tasks.createTasks({ target, tasks: [late] });
    const foreign = await server.graph([{ key: "f", name: "4", kind, dependencies: [onTask(ids.parent)] }]);
    await cancel(ids.first, foreign.ids.f);
    expect(await statusOf(ids.parent)).toBe("PENDING");
    await cancel(grown.tasks[0]?.taskId);
    expect(await statusOf(ids.parent)).toBe("CANCELED");
    expect(await batchOf(batchId)).toMatchObject({ status: BatchStatus.ACTIVE, open: true });
  });

  test("is canceled by its first dependent, where that is brought down as it is created", async () => {
    const kind = newKind();
    const ended = await server.graph([{ key: "ended", name: "1", kind }]);
    await cancel(ended.ids.ended);
    const { ids } = await server.graph([{ key: "parent", name: "2", kind, onlyForDependents: true }]);
    const dependencies = [onTask(ids.parent), onTask(ended.ids.ended)];
    await server.graph([{ key: "child", name: "3", kind, dependencies }]);
    expect(await statusOf(ids.parent)).toBe("CANCELED");
  });

  test("runs again with its dependents, and is canceled again with them", async () => {
    const { ids } = await pair(newKind());
    await cancel(ids.child);
    const taskIds = [ids.child ?? "", ids.parent ?? ""];
    const refused = await server.client.tasks.retryTasks({ taskIds: taskIds.slice(0, 1) });
    expect(refused.results[0]?.result.value).toMatchObject({
      ...{ reason: ErrorReason.ILLEGAL_TRANSITION, metadata: { blocked_by: ids.parent } },
    });
    await server.client.tasks.retryTasks({ taskIds });
    expect([await statusOf(ids.child), await statusOf(ids.parent)]).toEqual(["WAITING", "PENDING"]);
    await cancel(ids.child);
    expect(await statusOf(ids.parent)).toBe("CANCELED");
  });
});

describe("unmet_policy", () => {
  const conditions = [DependencyCondition.SUCCESS, DependencyCondition.COMPLETED, DependencyCondition.FAILURE];
  const policies = [UnmetPolicy.UNSPECIFIED, UnmetPolicy.FAIL, UnmetPolicy.SKIP];
  const outcomes: Record<string, string[][]> = {
    // By condition SUCCESS, COMPLETED, FAILURE; in each by policy unspecified, FAIL, SKIP.
    SUCCESS: [
      ["PENDING", "PENDING", "PENDING"],
      ["PENDING", "PENDING", "PENDING"],
      ["SKIPPED", "FAILURE", "SKIPPED"],
    ],
    FAILURE: [
      ["FAILURE", "FAILURE", "SKIPPED"],
      ["PENDING", "PENDING", "PENDING"],
      ["PENDING", "PENDING", "PENDING"],
    ],
    CANCELED: [
      ["FAILURE", "FAILURE", "SKIPPED"],
      ["PENDING", "PENDING", "PENDING"],
      ["PENDING", "PENDING", "PENDING"],
    ],
    SKIPPED: [
      ["SKIPPED", "SKIPPED", "SKIPPED"],
      ["PENDING", "PENDING", "PENDING"],
      ["SKIPPED", "SKIPPED", "SKIPPED"],
    ],
  };
  test.each(Object.keys(outcomes))("decides what becomes of the dependents of a task that ends as %s", async (end) => {
    const kind = newKind();
    const children = conditions.flatMap((condition) =>
      policies.map(
        (unmetPolicy): TaskInit => ({
          ...{ key: `${condition} ${unmetPolicy}`, name: "child", kind: `${kind}-c`, unmetPolicy },
          dependencies: [{ parent: { case: "key", value: "parent" }, condition }],
        }),
      ),
    );
    const onlyIfFirstFails = {
      parent: { case: "key", value: "first" },
      condition: DependencyCondition.FAILURE,
    } as const;
    const { ids } = await server.graph([
      { key: "first", name: "first", kind },
      { key: "parent", name: "parent", kind, dependencies: end === "SKIPPED" ? [onlyIfFirstFails] : [] },
      ...children,
    ]);
    await server.succeed(await server.claimOne(kind));
    if (end === "SUCCESS") await server.succeed(await server.claimOne(kind));
    if (end === "FAILURE") await server.fail(await server.claimOne(kind));
    if (end === "CANCELED") await cancel(ids.parent);
    expect(await statusOf(ids.parent)).toBe(end);
    const found = conditions.map((condition) =>
      Promise.all(policies.map((policy) => statusOf(ids[`${condition} ${policy}`]))),
    );
    expect(await Promise.all(found)).toEqual(outcomes[end]);
  });

  test("FAIL is at once, SKIP when the last dependency is settled; FAIL wins", async () => {
    const kind = newKind();
    const skip = { unmetPolicy: UnmetPolicy.SKIP };
    const { ids } = await server.graph([
      { key: "bad", name: "1", kind },
      { key: "slow", name: "2", kind },
      { key: "failed", name: "3", kind, dependencies: dependsOn("bad", "slow") },
      { key: "skipped", name: "4", kind, dependencies: dependsOn("bad", "slow"), ...skip },
      { key: "below", name: "5", kind, dependencies: dependsOn("skipped", "failed") },
    ]);
    await server.fail(await server.claimOne(kind));
    const statuses = () => Promise.all(["failed", "skipped", "below"].map((key) => statusOf(ids[key])));
    expect(await statuses()).toEqual(["FAILURE", "WAITING", "FAILURE"]);
    await server.succeed(await server.claimOne(kind));
    expect(await statuses()).toEqual(["FAILURE", "SKIPPED", "FAILURE"]);
    expect((await server.task(ids.skipped ?? "")).failure).toBeUndefined();
  });
});

test("the tables are consistent after all of it", () => checkInvariants(server.setup.database.url));

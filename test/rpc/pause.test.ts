import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FailureCause, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { controlServer, foreignId, join, onFailure, outcome, task } from "./control-server.ts";
import { dependsOn, eventually, expectRefusal, newKind, type TaskInit } from "./shared-server.ts";

const { server, ask } = controlServer();

async function pause(...taskIds: (string | undefined)[]): Promise<string[]> {
  const { results } = await server.client.tasks.pauseTasks({ taskIds: taskIds.map((id) => id ?? "") });
  return results.map(outcome);
}

async function resume(...taskIds: (string | undefined)[]): Promise<string[]> {
  const { results } = await server.client.tasks.resumeTasks({ taskIds: taskIds.map((id) => id ?? "") });
  return results.map(outcome);
}

async function receiver(answer: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  const started = await startReceiver(answer);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

const push = (url: string): TaskInit => ({ execution: { case: "onStart", value: { url } } });

describe("PauseTasks", () => {
  test("holds WAITING and PENDING tasks and refuses the others, per item and in order", async () => {
    const kind = newKind();
    const hanging = await receiver(() => {});
    const { batchId, ids } = await server.graph([
      task("running", kind, { priority: 9 }),
      task("done", kind, { priority: 10 }),
      task("pending", `${kind}-p`),
      task("waiting", kind, { dependencies: dependsOn("running") }),
      task("claimed", `${kind}-c`, push(hanging.url)),
    ]);
    const [done, running] = await server.claim(kind, { max: 2 });
    if (running === undefined || done === undefined) throw new Error("too few");
    await server.succeed(done);
    await eventually(async () => ((await server.status(ids.claimed ?? "")) === "CLAIMED" ? true : undefined), "a call");
    const taskIds = ["pending", "running", "done", "claimed", "waiting", "pending"].map((key) => ids[key] ?? "");
    const { results } = await server.client.tasks.pauseTasks({ taskIds: [...taskIds, foreignId] });
    expect(results.map(outcome)).toEqual([
      ...["PAUSED", "ILLEGAL_TRANSITION", "TASK_ENDED", "ILLEGAL_TRANSITION", "PAUSED", "PAUSED", "TASK_NOT_FOUND"],
    ]);
    expect(results[0]?.result.value).toMatchObject({ taskId: ids.pending, batchId, kind: `${kind}-p`, attempt: 0 });
    expect(results[1]?.result.value).toMatchObject({
      ...{ currentStatus: TaskStatus.RUNNING, metadata: { from: "RUNNING", to: "PAUSED" } },
    });
    expect(results[2]?.result.value).toMatchObject({
      ...{ currentStatus: TaskStatus.SUCCESS, metadata: { status: "SUCCESS" } },
    });
    expect(results[3]?.result.value).toMatchObject({ metadata: { from: "CLAIMED", to: "PAUSED" } });
    expect(results[6]?.result.value).toMatchObject({ metadata: { task_id: foreignId } });
    expect(results.map(({ cancelRequested }) => cancelRequested)).not.toContain(true);
    expect(await server.stats(batchId)).toEqual({ RUNNING: 1, SUCCESS: 1, CLAIMED: 1, PAUSED: 2 });
    expect(await server.claim(`${kind}-p`)).toEqual([]);
    expect((await server.client.tasks.listTasks({ batchId, statuses: [TaskStatus.PAUSED] })).tasks).toHaveLength(2);
    await server.client.batches.stopBatch({ batchId });
  });

  test("twice leaves a task PAUSED and says nothing new; every change is one event", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind)]);
    const before = (await server.task(ids.a ?? "")).etag;
    expect(await pause(ids.a)).toEqual(["PAUSED"]);
    const paused = await server.task(ids.a ?? "");
    expect(paused.etag).not.toBe(before);
    expect(paused.endTime).toBeUndefined();
    expect(await pause(ids.a)).toEqual(["PAUSED"]);
    expect(await resume(ids.a)).toEqual(["PENDING"]);
    await server.succeed(await server.claimOne(kind));
    expect(await ask.movesOfTask(ids.a, 5)).toEqual([
      ...["created PENDING", "PENDING > PAUSED 0", "PAUSED > PENDING 0", "PENDING > RUNNING 1", "RUNNING > SUCCESS 1"],
    ]);
  });

  test("takes 1 to 1000 uuids", async () => {
    const refusal = { code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["task_ids"] } as const;
    for (const call of [server.client.tasks.pauseTasks, server.client.tasks.resumeTasks]) {
      await expectRefusal(call({}), { ...refusal, fields: ["task_ids"] });
      await expectRefusal(call({ taskIds: ["x"] }), { ...refusal, fields: ["task_ids[0]"] });
      await expectRefusal(call({ taskIds: Array(1001).fill(foreignId) }), { ...refusal, fields: ["task_ids"] });
    }
  });
});

describe("a paused task", () => {
  test("goes on counting its dependencies: resumed it is WAITING, or PENDING, as they stand", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("p1", kind),
      task("p2", kind),
      task("one", `${kind}-c`, { dependencies: dependsOn("p1") }),
      task("two", `${kind}-c`, { dependencies: dependsOn("p1", "p2") }),
    ]);
    expect(await pause(ids.one, ids.two)).toEqual(["PAUSED", "PAUSED"]);
    await server.succeed(await server.claimOne(kind));
    expect([await server.status(ids.one ?? ""), await server.status(ids.two ?? "")]).toEqual(["PAUSED", "PAUSED"]);
    expect(await server.claim(`${kind}-c`)).toEqual([]);
    expect(await resume(ids.one, ids.two)).toEqual(["PENDING", "WAITING"]);
    await server.succeed(await server.claimOne(kind));
    expect(await server.claim(`${kind}-c`, { max: 3 })).toHaveLength(2);
    expect(await ask.movesOfTask(ids.two, 5)).toEqual([
      ...["created WAITING", "WAITING > PAUSED 0", "PAUSED > WAITING 0", "WAITING > PENDING 0", "PENDING > RUNNING 1"],
    ]);
  });

  test("that was PENDING when it was held, and got no dependency since, is claimed by who waits for it", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind)]);
    await pause(ids.a);
    const claiming = server.claim(kind, { waitMs: 20_000 });
    await resume(ids.a);
    expect((await claiming).map(({ task }) => task?.taskId)).toEqual([ids.a]);
  });

  test("is brought down by a failing parent, skipped, canceled and stopped like one that waits", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("bad", kind, { priority: 2 }),
      task("good", kind, { priority: 1 }),
      task("fails", kind, { dependencies: dependsOn("bad", "good") }),
      task("skips", kind, { dependencies: dependsOn("bad"), unmetPolicy: UnmetPolicy.SKIP }),
      task("cleanup", kind, { dependencies: [onFailure("good")] }),
      task("below", kind, { dependencies: dependsOn("fails") }),
      task("canceled", `${kind}-x`),
      task("left", `${kind}-x`),
      task("unhurt", kind, { dependencies: [onFailure("bad")] }),
    ]);
    const keys = ["fails", "skips", "cleanup", "below", "canceled", "left", "unhurt"];
    await pause(...keys.map((key) => ids[key]));
    await server.fail(await server.claimOne(kind));
    await server.succeed(await server.claimOne(kind));
    await server.client.tasks.cancelTasks({ taskIds: [ids.canceled ?? ""], reason: "why" });
    const statuses = Object.fromEntries(
      await Promise.all(keys.map(async (k) => [k, await server.status(ids[k] ?? "")])),
    );
    expect(statuses).toEqual({
      ...{ fails: "FAILURE", skips: "SKIPPED", cleanup: "SKIPPED", below: "FAILURE" },
      ...{ canceled: "CANCELED", left: "PAUSED", unhurt: "PAUSED" },
    });
    expect(await server.task(ids.fails ?? "")).toMatchObject({
      failure: { cause: FailureCause.DEPENDENCY, message: expect.stringContaining('"bad"') },
    });
    expect(await ask.movesOfTask(ids.below, 3)).toEqual([
      "created WAITING",
      "WAITING > PAUSED 0",
      "PAUSED > FAILURE 0",
    ]);
    expect(await resume(ids.fails, ids.skips, ids.canceled)).toEqual(["TASK_ENDED", "TASK_ENDED", "TASK_ENDED"]);
    const stopped = await server.client.batches.stopBatch({ batchId, reason: "enough" });
    expect(stopped).toMatchObject({ canceledByStatus: { PAUSED: 2n }, alreadyEnded: 7n });
    expect(await server.task(ids.left ?? "")).toMatchObject({ status: TaskStatus.CANCELED, cancelReason: "enough" });
    expect(await ask.movesOfTask(ids.left, 3)).toEqual([
      "created PENDING",
      "PENDING > PAUSED 0",
      "PAUSED > CANCELED 0",
    ]);
  });

  test("keeps its batch from ending, and ends by its total_timeout", async () => {
    const { batchId, ids } = await server.graph([task("a", newKind(), { totalTimeout: durationFromMs(2_000) })]);
    expect(await pause(ids.a)).toEqual(["PAUSED"]);
    expect(await ask.statusOfBatch(batchId)).toBe("ACTIVE");
    await eventually(async () => ((await ask.statusOfBatch(batchId)) === "FAILURE" ? true : undefined), "the timeout");
    expect((await server.task(ids.a ?? "")).failure?.cause).toBe(FailureCause.TOTAL_TIMEOUT);
  });
});

describe("ResumeTasks", () => {
  test("refuses what is not PAUSED, per item and in order", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("a", kind, { priority: 2 }),
      task("b", kind, { priority: 1 }),
      task("paused", kind),
      task("waiting", kind, { dependencies: dependsOn("a") }),
      task("pending", `${kind}-p`),
    ]);
    await pause(ids.paused);
    const [running, done] = await server.claim(kind, { max: 2 });
    if (running === undefined || done === undefined) throw new Error("too few");
    await server.succeed(done);
    const taskIds = ["a", "b", "paused", "waiting", "pending", "paused"].map((key) => ids[key] ?? "");
    const { results } = await server.client.tasks.resumeTasks({ taskIds: [foreignId, ...taskIds] });
    expect(results.map(outcome)).toEqual([
      ...["TASK_NOT_FOUND", "ILLEGAL_TRANSITION", "TASK_ENDED", "PENDING"],
      ...["ILLEGAL_TRANSITION", "ILLEGAL_TRANSITION", "PENDING"],
    ]);
    expect(results[1]?.result.value).toMatchObject({
      ...{ currentStatus: TaskStatus.RUNNING, metadata: { from: "RUNNING", to: "PENDING" } },
    });
    expect(results[4]?.result.value).toMatchObject({ metadata: { from: "WAITING" } });
    expect(await resume(ids.paused)).toEqual(["ILLEGAL_TRANSITION"]);
  });

  test("of a task with a start_time lets it start at that time, not before", async () => {
    const kind = newKind();
    const soon = Date.now() + 2_500;
    const { ids } = await server.graph([
      task("later", kind, { startTime: timestampFromMs(soon + 3_600_000) }),
      task("soon", kind, { startTime: timestampFromMs(soon) }),
      task("past", `${kind}-2`, { startTime: timestampFromMs(Date.now() + 300) }),
      task("join", kind, { ...join, startTime: timestampFromMs(soon) }),
    ]);
    expect(await pause(ids.later, ids.soon, ids.past, ids.join)).toEqual(["PAUSED", "PAUSED", "PAUSED", "PAUSED"]);
    expect(await resume(ids.later, ids.soon, ids.join)).toEqual(["PENDING", "PENDING", "PENDING"]);
    const [claimed] = await server.claim(kind, { max: 5, waitMs: 20_000 });
    expect(claimed?.task?.taskId).toBe(ids.soon);
    expect(Date.now()).toBeGreaterThanOrEqual(soon);
    await eventually(async () => ((await server.status(ids.join ?? "")) === "SUCCESS" ? true : undefined), "the join");
    // Its time has come while it was held: it stays held, and starts at once.
    expect(await server.status(ids.past ?? "")).toBe("PAUSED");
    expect(await resume(ids.past)).toEqual(["PENDING"]);
    expect(await server.claim(`${kind}-2`)).toHaveLength(1);
  });

  test("of a task that backs off keeps its back-off and its attempts", async () => {
    const kind = newKind();
    const backoff = durationFromMs(3_000);
    const retry = { maxAttempts: 2, initialBackoff: backoff, jitter: 0 };
    const { ids } = await server.graph([task("a", kind, { retry })]);
    await server.fail(await server.claimOne(kind));
    const failedAt = Date.now();
    expect(await pause(ids.a)).toEqual(["PAUSED"]);
    expect(await resume(ids.a)).toEqual(["PENDING"]);
    expect(await server.claim(kind)).toEqual([]);
    const [again] = await server.claim(kind, { waitMs: 20_000 });
    expect(again?.attempt).toBe(2);
    expect(Date.now() - failedAt).toBeGreaterThan(2_000);
    if (again !== undefined) await server.fail(again);
    expect(await ask.movesOfTask(ids.a, 7)).toEqual([
      ...["created PENDING", "PENDING > RUNNING 1", "RUNNING > PENDING 1", "PENDING > PAUSED 1"],
      ...["PAUSED > PENDING 1", "PENDING > RUNNING 2", "RUNNING > FAILURE 2"],
    ]);
  });

  test("of a join whose dependencies were met meanwhile is its success, with all that follows", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("p", kind),
      task("join", kind, { ...join, dependencies: dependsOn("p") }),
      task("child", `${kind}-c`, { dependencies: dependsOn("join") }),
    ]);
    await pause(ids.join);
    await server.succeed(await server.claimOne(kind));
    expect(await server.status(ids.join ?? "")).toBe("PAUSED");
    const claiming = server.claim(`${kind}-c`, { waitMs: 20_000 });
    expect(await resume(ids.join)).toEqual(["SUCCESS"]);
    await server.succeed(...(await claiming));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
    expect(await ask.movesOfTask(ids.join, 3)).toEqual(["created WAITING", "WAITING > PAUSED 0", "PAUSED > SUCCESS 0"]);
    expect((await server.task(ids.join ?? "")).endTime).toBeDefined();
  });

  test("of a chain of joins in one call lets all of them succeed", async () => {
    const keys = Array.from({ length: 50 }, (_, n) => `j${n}`);
    const gate = newKind();
    const { batchId, ids } = await server.graph([
      task("gate", gate),
      ...keys.map((key, n) => task(key, gate, { ...join, dependencies: dependsOn(n === 0 ? "gate" : `j${n - 1}`) })),
    ]);
    await pause(...keys.map((key) => ids[key]));
    await server.succeed(await server.claimOne(gate));
    const answers = await resume(...keys.map((key) => ids[key]));
    expect(new Set(answers)).toEqual(new Set(["SUCCESS"]));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });
});

describe("request_id", () => {
  test("makes pauses and resumes safe to repeat, on any server: nothing is done again", async () => {
    const { ids } = await server.graph([task("a", newKind())]);
    const other = (await server.setup.another()).client;
    const asked = { requestId: `pause-${ids.a}`, taskIds: [ids.a ?? ""] };
    const first = await server.client.tasks.pauseTasks(asked);
    expect(first.results.map(outcome)).toEqual(["PAUSED"]);
    expect(await other.tasks.pauseTasks(asked)).toEqual(first);
    const reuse = { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" } as const;
    const { metadata } = await expectRefusal(other.tasks.pauseTasks({ ...asked, taskIds: [foreignId] }), reuse);
    expect(metadata).toEqual({ request_id: asked.requestId });
    await expectRefusal(other.tasks.resumeTasks(asked), reuse);
    const resumed = await other.tasks.resumeTasks({ ...asked, requestId: `resume-${ids.a}` });
    expect(resumed.results.map(outcome)).toEqual(["PENDING"]);
    // The repeat holds nothing, although it could again; the task is shown as it stands by then.
    expect((await server.client.tasks.pauseTasks(asked)).results.map(outcome)).toEqual(["PENDING"]);
    expect(await server.status(ids.a ?? "")).toBe("PENDING");
    expect(await ask.movesOfTask(ids.a, 3)).toEqual(["created PENDING", "PENDING > PAUSED 0", "PAUSED > PENDING 0"]);
  });

  test("of two equal calls at once does the work once", async () => {
    const { ids } = await server.graph([task("a", newKind())]);
    const asked = { requestId: `both-${ids.a}`, taskIds: [ids.a ?? ""] };
    const answers = await Promise.all([1, 2, 3, 4].map(() => server.client.tasks.pauseTasks(asked)));
    for (const { results } of answers) expect(results.map(outcome)).toEqual(["PAUSED"]);
    await resume(ids.a);
    expect(await ask.movesOfTask(ids.a, 3)).toEqual(["created PENDING", "PENDING > PAUSED 0", "PAUSED > PENDING 0"]);
  });
});

import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Assignment, BatchStatus, type ReportResult, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { controlServer, foreignId, onFailure, onTask, outcome, task } from "./control-server.ts";
import { dependsOn, eventually, expectRefusal, newKind, type TaskInit } from "./shared-server.ts";

const { server, ask } = controlServer();

const retryBatch = (batchId: string) => server.client.batches.retryBatch({ batchId });

async function succeedWith(attempt: Assignment, output: unknown): Promise<void> {
  const value = { output: fromJson(ValueSchema, output as never) };
  const report = {
    taskId: attempt.task?.taskId ?? "",
    attempt: attempt.attempt,
    report: { case: "success" as const, value },
  };
  const { results } = await server.client.tasks.reportTasks({ reports: [report] });
  expect(results.map(outcome)).toEqual(["SUCCESS"]);
}

/** A chain of tasks, each the parent of the next. */
const chain = (length: number, kind: string, first: TaskInit = {}): TaskInit[] =>
  Array.from({ length }, (_, n) =>
    n === 0 ? task("0", kind, first) : task(`${n}`, kind, { dependencies: dependsOn(`${n - 1}`) }),
  );

describe("RetryBatch", () => {
  test("runs again what failed, was canceled and was brought down, and counts it; what succeeded stays, with its output", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("good", kind, { priority: 5 }),
      task("bad", kind, { priority: 4 }),
      task("gone", `${kind}-g`),
      task("child", `${kind}-c`, { dependencies: dependsOn("good", "bad") }),
      task("below", `${kind}-c`, { dependencies: dependsOn("child") }),
      task("cleanup", `${kind}-x`, { dependencies: [onFailure("good")] }),
      task("unneeded", `${kind}-x`, { dependencies: [onFailure("bad")] }),
    ]);
    await succeedWith(await server.claimOne(kind), { lines: 3 });
    await server.fail(await server.claimOne(kind));
    await server.client.tasks.cancelTasks({ taskIds: [ids.gone ?? ""] });
    await server.succeed(await server.claimOne(`${kind}-x`));
    expect(await ask.statusOfBatch(batchId)).toBe("FAILURE");
    const answer = await retryBatch(batchId);
    // bad, gone, child, below; cleanup was skipped by a success, which stays.
    expect(answer).toMatchObject({ retriedCount: 4n, batch: { batchId, status: BatchStatus.ACTIVE, stopReason: "" } });
    expect(answer.batch?.endTime).toBeUndefined();
    expect(answer.batch?.stats?.byStatus).toEqual({ PENDING: 2n, WAITING: 2n, SUCCESS: 2n, SKIPPED: 1n });
    expect(await ask.statuses(ids)).toEqual({
      ...{ good: "SUCCESS", bad: "PENDING", gone: "PENDING", child: "WAITING", below: "WAITING" },
      ...{ cleanup: "SKIPPED", unneeded: "SUCCESS" },
    });
    await server.succeed(await server.claimOne(`${kind}-g`));
    await succeedWith(await server.claimOne(kind), "second");
    const child = await server.claimOne(`${kind}-c`);
    expect(child.parents).toMatchObject({
      good: { status: TaskStatus.SUCCESS, output: fromJson(ValueSchema, { lines: 3 }) },
      bad: { status: TaskStatus.SUCCESS, output: fromJson(ValueSchema, "second") },
    });
    await server.succeed(child);
    await server.succeed(await server.claimOne(`${kind}-c`));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
    expect((await server.task(ids.good ?? "")).attempt).toBe(1);
  });

  test("of a stopped batch runs all that was canceled, and forgets why it was stopped", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph(
      [
        task("done", kind, { priority: 3 }),
        task("running", kind, { priority: 2 }),
        task("child", kind, { dependencies: dependsOn("running") }),
        task("paused", kind),
      ],
      { open: true },
    );
    const [done, running] = await server.claim(kind, { max: 2 });
    if (done !== undefined) await server.succeed(done);
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    await server.client.batches.stopBatch({ batchId, reason: "budget" });
    expect((await retryBatch(batchId)).retriedCount).toBe(3n);
    expect(await ask.batch(batchId)).toMatchObject({ status: BatchStatus.ACTIVE, open: false, stopReason: "" });
    expect(await ask.statuses(ids)).toEqual({
      done: "SUCCESS",
      running: "PENDING",
      child: "WAITING",
      paused: "PENDING",
    });
    // The executor of the attempt that was stopped has nothing to say any more.
    const late = {
      taskId: ids.running ?? "",
      attempt: running?.attempt ?? 0,
      report: { case: "success" as const, value: {} },
    };
    const { results } = await server.client.tasks.reportTasks({ reports: [late] });
    expect(["STALE_ATTEMPT", "ILLEGAL_TRANSITION"]).toContain(outcome(results[0] as ReportResult));
    const again = await server.claim(kind, { max: 5 });
    expect(again.map(({ attempt, task }) => `${task?.key} ${attempt}`)).toEqual(["running 2", "paused 1"]);
    const stale = await server.client.tasks.reportTasks({ reports: [late] });
    expect(stale.results.map(outcome)).toEqual(["STALE_ATTEMPT"]);
    await server.succeed(...again);
    await server.succeed(await server.claimOne(kind));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });

  test("makes children that are PENDING by a failure wait again", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("a", kind),
      task("cleanup", `${kind}-x`, { dependencies: [onFailure("a")] }),
    ]);
    await server.fail(await server.claimOne(kind));
    expect(await server.status(ids.cleanup ?? "")).toBe("PENDING");
    expect((await retryBatch(batchId)).retriedCount).toBe(1n);
    expect(await ask.statuses(ids)).toEqual({ a: "PENDING", cleanup: "WAITING" });
    expect(await server.claim(`${kind}-x`)).toEqual([]);
    await server.succeed(await server.claimOne(kind));
    expect(await ask.statuses(ids)).toEqual({ a: "SUCCESS", cleanup: "SKIPPED" });
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });

  test("leaves a batch as it is in which nothing is to run again", async () => {
    const kind = newKind();
    const running = await server.graph([task("a", kind)]);
    expect(await retryBatch(running.batchId)).toMatchObject({
      retriedCount: 0n,
      batch: { status: BatchStatus.ACTIVE },
    });
    await server.succeed(await server.claimOne(kind));
    const before = await ask.batch(running.batchId);
    const after = await retryBatch(running.batchId);
    expect(after.retriedCount).toBe(0n);
    expect(after.batch).toEqual(before);
    const empty = await server.graph([]);
    expect(await retryBatch(empty.batchId)).toMatchObject({ retriedCount: 0n, batch: { status: BatchStatus.SUCCESS } });
  });

  test("leaves what a task of another batch would bring down again, and all below it", async () => {
    const kind = newKind();
    const first = await server.graph([task("root", kind)]);
    const second = await server.graph([
      task("held", `${kind}-2`, { dependencies: [onTask(first.ids.root)] }),
      task("below", `${kind}-2`, { dependencies: dependsOn("held") }),
      task("own", `${kind}-2`),
    ]);
    await server.fail(await server.claimOne(kind), await server.claimOne(`${kind}-2`));
    expect(await retryBatch(second.batchId)).toMatchObject({ retriedCount: 1n, batch: { status: BatchStatus.ACTIVE } });
    expect(await ask.statuses(second.ids)).toEqual({ held: "FAILURE", below: "FAILURE", own: "PENDING" });
    await server.succeed(await server.claimOne(`${kind}-2`));
    const ended = await ask.batch(second.batchId);
    expect(ended?.status).toBe(BatchStatus.FAILURE);
    // Now nothing of it can run again: it stays as it is.
    const still = await retryBatch(second.batchId);
    expect(still.retriedCount).toBe(0n);
    expect(still.batch).toEqual(ended);
    // The other batch's retry stays within it; what it brought down here can run again once it has succeeded.
    expect((await retryBatch(first.batchId)).retriedCount).toBe(1n);
    expect(await server.status(second.ids.held ?? "")).toBe("FAILURE");
    expect((await retryBatch(second.batchId)).retriedCount).toBe(2n);
    expect(await ask.statuses(second.ids)).toMatchObject({ held: "WAITING", below: "WAITING" });
    await server.succeed(await server.claimOne(kind));
    await server.succeed(await server.claimOne(`${kind}-2`));
    await server.succeed(await server.claimOne(`${kind}-2`));
    expect(await ask.statusOfBatch(second.batchId)).toBe("SUCCESS");
  });

  test("of a paused batch leaves it paused: nothing of it starts", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([task("a", kind), task("b", `${kind}-b`)]);
    await server.fail(await server.claimOne(kind));
    await server.client.batches.pauseBatch({ batchId });
    expect(await retryBatch(batchId)).toMatchObject({ retriedCount: 1n, batch: { status: BatchStatus.PAUSED } });
    expect(await server.claim(kind, { waitMs: 300 })).toEqual([]);
    await server.client.batches.resumeBatch({ batchId });
    expect(await server.claim(kind)).toHaveLength(1);
  });

  test("of a batch that ended while it was paused lets it start", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([task("a", kind)]);
    const running = await server.claimOne(kind);
    await server.client.batches.pauseBatch({ batchId });
    await server.fail(running);
    expect(await retryBatch(batchId)).toMatchObject({ retriedCount: 1n, batch: { status: BatchStatus.ACTIVE } });
    await server.succeed(await server.claimOne(kind));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });

  test("of one that a critical task stopped lets it be stopped again, and end well at last", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("critical", kind, { critical: true, priority: 1 }),
      task("other", `${kind}-o`),
    ]);
    for (const attempt of [1, 2]) {
      const critical = await server.claimOne(kind);
      expect(critical.attempt).toBe(attempt);
      await server.fail(critical);
      expect(await ask.batch(batchId)).toMatchObject({
        ...{ status: BatchStatus.CANCELED, stopReason: expect.stringContaining('"critical"') },
      });
      expect(await ask.statuses(ids)).toEqual({ critical: "FAILURE", other: "CANCELED" });
      expect((await retryBatch(batchId)).retriedCount).toBe(2n);
      expect((await ask.batch(batchId))?.stopReason).toBe("");
    }
    await server.succeed(await server.claimOne(kind), await server.claimOne(`${kind}-o`));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });

  test("keeps what was counted: counters go on over all attempts", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([task("a", kind, { expectedCount: 10n })]);
    for (const how of ["failure", "success"] as const) {
      const { attempt } = await server.claimOne(kind);
      const counts = { addSuccessCount: 4n, addFailureCount: 1n };
      const report = { taskId: ids.a ?? "", attempt, report: { case: how, value: {} }, ...counts };
      await server.client.tasks.reportTasks({ reports: [report] });
      if (how === "failure") await retryBatch(batchId);
    }
    expect(await server.task(ids.a ?? "")).toMatchObject({ successCount: 8n, failureCount: 2n, attempt: 2 });
    const { stats, status } = (await ask.batch(batchId)) ?? {};
    expect([stats, status]).toMatchObject([
      ...[{ successCount: 8n, failureCount: 2n, expectedCount: 10n }, BatchStatus.SUCCESS],
    ]);
  });

  test("lets on_complete be called again at the next end", async () => {
    await using target = await startReceiver((response) => response.writeHead(200).end());
    const kind = newKind();
    const { batchId } = await server.graph([task("a", kind)], { onComplete: [{ url: target.url }] });
    await server.fail(await server.claimOne(kind));
    await eventually(async () => (target.calls.length === 1 ? true : undefined), "the first call");
    await retryBatch(batchId);
    await server.succeed(await server.claimOne(kind));
    await eventually(async () => (target.calls.length === 2 ? true : undefined), "the second call");
    const said = target.calls.map(({ body }) => JSON.parse(body).batchStatusChanged.to);
    expect(said).toEqual(["BATCH_STATUS_FAILURE", "BATCH_STATUS_SUCCESS"]);
  });

  test("of a batch that does not exist is BATCH_NOT_FOUND with its id", async () => {
    const { metadata } = await expectRefusal(retryBatch(foreignId), { code: "NotFound", reason: "BATCH_NOT_FOUND" });
    expect(metadata).toEqual({ batch_id: foreignId });
  });

  test("runs a chain of 5,000 again, whole, and below a parent that stays failed it stays whole", async () => {
    const kind = newKind();
    const { batchId } = await server.graph(chain(5_000, kind));
    await server.fail(await server.claimOne(kind));
    expect(await server.stats(batchId)).toEqual({ FAILURE: 5_000 });
    const startedAt = Date.now();
    const { retriedCount, batch } = await retryBatch(batchId);
    expect([retriedCount, batch?.status]).toEqual([5_000n, BatchStatus.ACTIVE]);
    expect(Date.now() - startedAt).toBeLessThan(30_000);
    expect(await server.stats(batchId)).toEqual({ PENDING: 1, WAITING: 4_999 });
    await server.succeed(await server.claimOne(kind));
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 1, PENDING: 1, WAITING: 4_998 });
    await server.client.batches.stopBatch({ batchId });
    const root = await server.graph([task("root", kind)]);
    const below = await server.graph(chain(5_000, kind, { dependencies: [onTask(root.ids.root)] }));
    await server.fail(await server.claimOne(kind));
    const lookedAt = Date.now();
    expect((await retryBatch(below.batchId)).retriedCount).toBe(0n);
    expect(Date.now() - lookedAt).toBeLessThan(30_000);
  });
});

describe("request_id", () => {
  test("makes RetryBatch safe to repeat, on any server: the first answer again", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([task("a", kind)]);
    await server.fail(await server.claimOne(kind));
    const other = (await server.setup.another()).client;
    const asked = { requestId: `retry-${batchId}`, batchId };
    const first = await server.client.batches.retryBatch(asked);
    expect(first.retriedCount).toBe(1n);
    await server.fail(await server.claimOne(kind));
    expect(await other.batches.retryBatch(asked)).toEqual(first);
    expect(await ask.statusOfBatch(batchId)).toBe("FAILURE");
    const another = await server.graph([task("a", kind)]);
    const reuse = { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" } as const;
    await expectRefusal(other.batches.retryBatch({ ...asked, batchId: another.batchId }), reuse);
    await expectRefusal(other.batches.stopBatch(asked), reuse);
  });

  test("makes RetryTasks safe to repeat, on any server: a task runs again once", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind), task("b", `${kind}-b`, { dependencies: dependsOn("a") })]);
    await server.fail(await server.claimOne(kind));
    const other = (await server.setup.another()).client;
    const asked = {
      requestId: `retry-${ids.a}`,
      taskIds: [ids.b ?? "", ids.a ?? "", foreignId],
      withDependents: false,
    };
    const first = await server.client.tasks.retryTasks(asked);
    expect(first.results.map(outcome)).toEqual(["WAITING", "PENDING", "TASK_NOT_FOUND"]);
    expect(await other.tasks.retryTasks(asked)).toEqual(first);
    const blocked = { requestId: `blocked-${ids.a}`, taskIds: [ids.b ?? ""] };
    await server.fail(await server.claimOne(kind));
    const refused = await server.client.tasks.retryTasks(blocked);
    expect(refused.results.map(outcome)).toEqual(["ILLEGAL_TRANSITION"]);
    expect(await other.tasks.retryTasks(blocked)).toEqual(refused);
    // The repeat runs nothing again, although it could: they have failed anew.
    await other.tasks.retryTasks(asked);
    expect(await server.status(ids.a ?? "")).toBe("FAILURE");
    const reuse = { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" } as const;
    await expectRefusal(other.tasks.retryTasks({ ...asked, withDependents: true }), reuse);
  });

  test("of equal calls at once does the work once", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([task("a", kind)]);
    await server.fail(await server.claimOne(kind));
    const asked = { requestId: `both-${batchId}`, batchId };
    const answers = await Promise.all([1, 2, 3, 4].map(() => server.client.batches.retryBatch(asked)));
    expect(answers.map(({ retriedCount }) => retriedCount)).toEqual([1n, 1n, 1n, 1n]);
    const other = await server.graph([task("a", kind)]);
    await server.fail(...(await server.claim(kind, { max: 2 })));
    const racing = await Promise.all([1, 2, 3, 4].map(() => retryBatch(other.batchId)));
    expect(racing.reduce((sum, { retriedCount }) => sum + retriedCount, 0n)).toBe(1n);
  });
});

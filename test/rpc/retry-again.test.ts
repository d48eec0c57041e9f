import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, ErrorReason, FailureCause, type ReportResult, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { controlServer, foreignId, join, movesOf, onEnd, onFailure, onTask, outcome, task } from "./control-server.ts";
import { dependsOn, eventually, expectRefusal, newKind } from "./shared-server.ts";

const { server, ask } = controlServer();

async function retry(taskIds: (string | undefined)[], withDependents = false): Promise<ReportResult[]> {
  const request = { taskIds: taskIds.map((id) => id ?? ""), withDependents };
  return (await server.client.tasks.retryTasks(request)).results;
}

describe("RetryTasks", () => {
  test("runs a failed task again, with the next attempt and a new allowance, and its batch is ACTIVE again", async () => {
    const kind = newKind();
    const policy = { maxAttempts: 2, initialBackoff: durationFromMs(0), jitter: 0 };
    const { batchId, ids } = await server.graph([task("a", kind, { retry: policy }), task("b", `${kind}-b`)]);
    await server.succeed(await server.claimOne(`${kind}-b`));
    await server.fail(await server.claimOne(kind));
    await server.fail(await server.claimOne(kind, {}));
    const ended = await ask.batch(batchId);
    expect(ended).toMatchObject({ status: BatchStatus.FAILURE, stats: { byStatus: { FAILURE: 1n, SUCCESS: 1n } } });
    expect(ended?.endTime).toBeDefined();
    const before = await server.task(ids.a ?? "");
    const [result] = await retry([ids.a]);
    expect(result?.result.value).toMatchObject({ taskId: ids.a, status: TaskStatus.PENDING, attempt: 2 });
    const after = await server.task(ids.a ?? "");
    expect(after.etag).not.toBe(before.etag);
    expect([after.endTime, after.runTime, after.workerId, after.leaseExpireTime]).toEqual([
      undefined,
      undefined,
      "",
      undefined,
    ]);
    const again = await ask.batch(batchId);
    expect(again).toMatchObject({ status: BatchStatus.ACTIVE, open: false, stopReason: "" });
    expect(again?.endTime).toBeUndefined();
    expect(again?.stats?.byStatus).toEqual({ PENDING: 1n, SUCCESS: 1n });
    expect(again?.etag).not.toBe(ended?.etag);
    const third = await server.claimOne(kind);
    expect(third.attempt).toBe(3);
    await server.fail(third);
    const fourth = await server.claimOne(kind);
    expect(fourth.attempt).toBe(4);
    await server.succeed(fourth);
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
    const { attempts } = await server.client.tasks.getTask({ taskId: ids.a ?? "" });
    expect(attempts.map(({ attempt, status }) => `${attempt} ${TaskStatus[status]}`)).toEqual([
      ...["1 FAILURE", "2 FAILURE", "3 FAILURE", "4 SUCCESS"],
    ]);
    expect(await ask.movesOfTask(ids.a, 10)).toEqual([
      ...[
        "created PENDING",
        "PENDING > RUNNING 1",
        "RUNNING > PENDING 1",
        "PENDING > RUNNING 2",
        "RUNNING > FAILURE 2",
      ],
      ...[
        "FAILURE > PENDING 2",
        "PENDING > RUNNING 3",
        "RUNNING > PENDING 3",
        "PENDING > RUNNING 4",
        "RUNNING > SUCCESS 4",
      ],
    ]);
    expect(
      movesOf(await server.events(17, { batchIds: [batchId] })).filter((move) => move.startsWith("batch")),
    ).toEqual([
      ...["batch UNSPECIFIED > ACTIVE", "batch ACTIVE > FAILURE", "batch FAILURE > ACTIVE", "batch ACTIVE > SUCCESS"],
    ]);
  });

  test("brings down what waits again for one parent, when another that ran again has ended badly meanwhile", async () => {
    const [kind, childKind] = [newKind(), newKind()];
    const { ids } = await server.graph([
      ...["p", "q"].map((key) => task(key, `${kind}-${key}`)),
      task("c", childKind, {
        dependencies: dependsOn("p", "q"),
        retry: { maxAttempts: 3, initialBackoff: durationFromMs(0) },
      }),
    ]);
    for (const key of ["p", "q"]) await server.succeed(await server.claimOne(`${kind}-${key}`));
    const running = await server.claimOne(childKind);
    await retry([ids.p]);
    await server.fail(await server.claimOne(`${kind}-p`));
    expect(await server.status(ids.c ?? "")).toBe("RUNNING");
    await server.fail(running);
    expect(await server.status(ids.c ?? "")).toBe("PENDING");
    await retry([ids.q]);
    expect(await server.task(ids.c ?? "")).toMatchObject({
      ...{ status: TaskStatus.FAILURE, failure: { cause: FailureCause.DEPENDENCY } },
    });
  });

  test("runs a canceled, a skipped and a succeeded task again", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("good", kind, { priority: 9 }),
      task("cleanup", kind, { dependencies: [onFailure("good")] }),
      task("gone", kind),
    ]);
    await server.succeed(await server.claimOne(kind));
    await server.client.tasks.cancelTasks({ taskIds: [ids.gone ?? ""], reason: "not now" });
    expect(await ask.statusOfBatch(batchId)).toBe("CANCELED");
    expect((await retry([ids.gone])).map(outcome)).toEqual(["PENDING"]);
    expect((await server.task(ids.gone ?? "")).cancelReason).toBe("");
    await server.succeed(await server.claimOne(kind));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
    // Alone the skipped one would be skipped again: its parent has succeeded.
    const [refused] = await retry([ids.cleanup]);
    expect(refused?.result.value).toMatchObject({
      ...{ reason: ErrorReason.ILLEGAL_TRANSITION, currentStatus: TaskStatus.SKIPPED },
      metadata: { from: "SKIPPED", to: "PENDING", blocked_by: ids.good },
    });
    expect((await retry([ids.cleanup, ids.good])).map(outcome)).toEqual(["WAITING", "PENDING"]);
    const second = await server.claimOne(kind);
    expect(second).toMatchObject({ attempt: 2, task: { key: "good", status: TaskStatus.RUNNING } });
    await server.fail(second);
    expect((await server.claimOne(kind)).task?.key).toBe("cleanup");
    await server.client.batches.stopBatch({ batchId });
  });

  test("answers per item and in order, and refuses what has not ended", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("running", kind, { priority: 3 }),
      task("done", kind, { priority: 2 }),
      task("pending", `${kind}-p`),
      task("paused", `${kind}-p`),
      task("waiting", kind, { dependencies: dependsOn("running") }),
    ]);
    const [running, done] = await server.claim(kind, { max: 2 });
    if (running === undefined || done === undefined) throw new Error("too few");
    await server.succeed(done);
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    const keys = ["running", "pending", "done", "paused", "waiting", "done"];
    const results = await retry([...keys.map((key) => ids[key]), foreignId]);
    expect(results.map(outcome)).toEqual([
      ...["ILLEGAL_TRANSITION", "ILLEGAL_TRANSITION", "PENDING", "ILLEGAL_TRANSITION", "ILLEGAL_TRANSITION", "PENDING"],
      "TASK_NOT_FOUND",
    ]);
    expect(results[0]?.result.value).toMatchObject({
      ...{ currentStatus: TaskStatus.RUNNING, metadata: { from: "RUNNING", to: "PENDING" } },
    });
    expect(results[3]?.result.value).toMatchObject({ currentStatus: TaskStatus.PAUSED });
    expect(results[6]?.result.value).toMatchObject({ metadata: { task_id: foreignId } });
    expect(await ask.statuses(ids)).toMatchObject({
      running: "RUNNING",
      pending: "PENDING",
      paused: "PAUSED",
      waiting: "WAITING",
    });
    await server.client.batches.stopBatch({ batchId });
    const refusal = { code: "InvalidArgument", reason: "INVALID_FIELD" } as const;
    await expectRefusal(retry([]), { ...refusal, fields: ["task_ids"] });
    await expectRefusal(retry(["x"]), { ...refusal, fields: ["task_ids[0]"] });
  });

  test("of one that was brought down, alone, is refused and names the parent; together with it, it waits", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("parent", kind),
      task("child", `${kind}-c`, { dependencies: dependsOn("parent") }),
      task("grandchild", `${kind}-c`, { dependencies: dependsOn("child") }),
    ]);
    await server.fail(await server.claimOne(kind));
    const [refused] = await retry([ids.child]);
    expect(refused?.result.value).toMatchObject({
      ...{ reason: ErrorReason.ILLEGAL_TRANSITION, currentStatus: TaskStatus.FAILURE },
      ...{ message: expect.stringContaining(ids.parent ?? ""), metadata: { from: "FAILURE", blocked_by: ids.parent } },
    });
    const deep = await retry([ids.child, ids.grandchild]);
    expect(deep.map(({ result }) => result.case === "error" && result.value.metadata.blocked_by)).toEqual([
      ...[ids.parent, ids.child],
    ]);
    expect(await ask.statusOfBatch(batchId)).toBe("FAILURE");
    expect((await retry([ids.child, ids.parent])).map(outcome)).toEqual(["WAITING", "PENDING"]);
    expect(await ask.statuses(ids)).toEqual({ parent: "PENDING", child: "WAITING", grandchild: "FAILURE" });
    await server.succeed(await server.claimOne(kind));
    const child = await server.claimOne(`${kind}-c`);
    expect(child).toMatchObject({ attempt: 1, task: { key: "child" } });
    await server.succeed(child);
    // Nothing holds the last one back any more: now it runs again alone.
    expect(await ask.statusOfBatch(batchId)).toBe("FAILURE");
    expect((await retry([ids.grandchild])).map(outcome)).toEqual(["PENDING"]);
    await server.succeed(await server.claimOne(`${kind}-c`));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });

  test("with_dependents brings back all that it brought down, through levels, skips and batches", async () => {
    const kind = newKind();
    const first = await server.graph([
      task("root", kind),
      task("c1", `${kind}-c`, { dependencies: dependsOn("root") }),
      task("c2", `${kind}-c`, { dependencies: dependsOn("c1") }),
      task("skipped", `${kind}-c`, { dependencies: dependsOn("root"), unmetPolicy: UnmetPolicy.SKIP }),
      task("below", `${kind}-c`, { dependencies: dependsOn("skipped") }),
      task("cleanup", `${kind}-x`, { dependencies: [onFailure("root")] }),
      task("always", `${kind}-x`, { dependencies: [onEnd("c2")] }),
    ]);
    const second = await server.graph([
      task("far", `${kind}-c`, { dependencies: [onTask(first.ids.c2)] }),
      task("farther", `${kind}-c`, { dependencies: dependsOn("far") }),
    ]);
    await server.fail(await server.claimOne(kind));
    await server.succeed(...(await server.claim(`${kind}-x`, { max: 5 })));
    expect([await ask.statusOfBatch(first.batchId), await ask.statusOfBatch(second.batchId)]).toEqual([
      "FAILURE",
      "FAILURE",
    ]);
    expect((await retry([first.ids.root], true)).map(outcome)).toEqual(["PENDING"]);
    expect([await ask.statusOfBatch(first.batchId), await ask.statusOfBatch(second.batchId)]).toEqual([
      "ACTIVE",
      "ACTIVE",
    ]);
    expect(await ask.statuses({ ...first.ids, ...second.ids })).toEqual({
      ...{ root: "PENDING", c1: "WAITING", c2: "WAITING", skipped: "WAITING", below: "WAITING" },
      ...{ cleanup: "SUCCESS", always: "SUCCESS", far: "WAITING", farther: "WAITING" },
    });
    await server.succeed(await server.claimOne(kind));
    const levels: string[][] = [];
    for (;;) {
      const level = await server.claim(`${kind}-c`, { max: 9 });
      if (level.length === 0) break;
      levels.push(level.map(({ task }) => task?.key ?? "").sort());
      await server.succeed(...level);
    }
    expect(levels).toEqual([["c1", "skipped"], ["below", "c2"], ["far"], ["farther"]]);
    expect([await ask.statusOfBatch(first.batchId), await ask.statusOfBatch(second.batchId)]).toEqual([
      "SUCCESS",
      "SUCCESS",
    ]);
    // What had run because of the failure, or in any case, has not run again.
    expect((await server.task(first.ids.cleanup ?? "")).attempt).toBe(1);
    expect((await server.task(first.ids.always ?? "")).attempt).toBe(1);
  });

  test("with_dependents leaves what another parent holds down, and what failed by itself", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("a", kind, { priority: 2 }),
      task("b", kind, { priority: 1 }),
      task("ok", `${kind}-ok`),
      task("both", kind, { dependencies: dependsOn("a", "b") }),
      task("only-a", kind, { dependencies: dependsOn("a") }),
      task("own", `${kind}-own`, { dependencies: [onEnd("ok")] }),
    ]);
    await server.succeed(await server.claimOne(`${kind}-ok`));
    await server.fail(await server.claimOne(`${kind}-own`));
    await server.fail(...(await server.claim(kind, { max: 2 })));
    expect((await retry([ids.a, ids.ok], true)).map(outcome)).toEqual(["PENDING", "PENDING"]);
    expect(await ask.statuses(ids)).toEqual({
      ...{ a: "PENDING", b: "FAILURE", ok: "PENDING", both: "FAILURE", "only-a": "WAITING", own: "FAILURE" },
    });
    expect((await retry([ids.b], true)).map(outcome)).toEqual(["PENDING"]);
    expect(await server.status(ids.both ?? "")).toBe("WAITING");
  });

  test("makes what has not started wait again, and lets go on what has", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("p", kind),
      task("q", `${kind}-q`),
      task("running", `${kind}-r`, { dependencies: dependsOn("p") }),
      task("pending", `${kind}-c`, { dependencies: dependsOn("p") }),
      task("paused", `${kind}-c`, { dependencies: dependsOn("p") }),
      task("waiting", `${kind}-c`, { dependencies: dependsOn("p", "q") }),
      task("later", `${kind}-c`, { dependencies: dependsOn("p"), startTime: timestampFromMs(Date.now() + 3_600_000) }),
      task("done", `${kind}-d`, { dependencies: dependsOn("p") }),
    ]);
    await server.succeed(await server.claimOne(kind));
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    const running = await server.claimOne(`${kind}-r`);
    await server.succeed(await server.claimOne(`${kind}-d`));
    expect((await retry([ids.p])).map(outcome)).toEqual(["PENDING"]);
    expect(await ask.statuses(ids)).toEqual({
      ...{ p: "PENDING", q: "PENDING", running: "RUNNING", pending: "WAITING", paused: "PAUSED", waiting: "WAITING" },
      ...{ later: "WAITING", done: "SUCCESS" },
    });
    expect(await server.claim(`${kind}-c`, { max: 5 })).toEqual([]);
    await server.succeed(running);
    const resumed = await server.client.tasks.resumeTasks({ taskIds: [ids.paused ?? ""] });
    expect(resumed.results.map(outcome)).toEqual(["WAITING"]);
    await server.succeed(await server.claimOne(kind));
    expect((await server.claim(`${kind}-c`, { max: 5 })).map(({ task }) => task?.key)).toEqual(["pending", "paused"]);
    expect(await ask.statuses(ids)).toMatchObject({
      p: "SUCCESS",
      running: "SUCCESS",
      waiting: "WAITING",
      later: "PENDING",
    });
    expect(await ask.movesOfTask(ids.pending, 5)).toEqual([
      ...[
        "created WAITING",
        "WAITING > PENDING 0",
        "PENDING > WAITING 0",
        "WAITING > PENDING 0",
        "PENDING > RUNNING 1",
      ],
    ]);
    await server.client.batches.stopBatch({ batchId });
  });

  test("of a parent that fails this time brings down what waits for it again", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("p", kind),
      task("c", `${kind}-c`, { dependencies: dependsOn("p") }),
      task("d", `${kind}-c`, { dependencies: dependsOn("c") }),
    ]);
    await server.succeed(await server.claimOne(kind));
    await retry([ids.p]);
    await server.fail(await server.claimOne(kind));
    expect(await ask.statuses(ids)).toEqual({ p: "FAILURE", c: "FAILURE", d: "FAILURE" });
    expect((await server.task(ids.c ?? "")).failure?.cause).toBe(FailureCause.DEPENDENCY);
    expect(await ask.statusOfBatch(batchId)).toBe("FAILURE");
  });

  test("runs joins again, alone and below what runs again", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("p", kind),
      task("join", kind, { ...join, dependencies: dependsOn("p") }),
      task("join2", kind, { ...join, dependencies: dependsOn("join") }),
      task("end", `${kind}-e`, { dependencies: dependsOn("join2") }),
    ]);
    await server.fail(await server.claimOne(kind));
    expect((await retry([ids.join])).map(outcome)).toEqual(["ILLEGAL_TRANSITION"]);
    await retry([ids.p], true);
    expect(await ask.statuses(ids)).toEqual({ p: "PENDING", join: "WAITING", join2: "WAITING", end: "WAITING" });
    await server.succeed(await server.claimOne(kind));
    expect(await ask.statuses(ids)).toEqual({ p: "SUCCESS", join: "SUCCESS", join2: "SUCCESS", end: "PENDING" });
    // A join that has nothing to wait for succeeds again at once.
    expect((await retry([ids.join, ids.join2])).map(outcome)).toEqual(["SUCCESS", "SUCCESS"]);
    await server.succeed(await server.claimOne(`${kind}-e`));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
    expect((await retry([ids.join])).map(outcome)).toEqual(["SUCCESS"]);
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
  });

  test("gives a task that took too long in all a new total_timeout", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind, { totalTimeout: durationFromMs(1_500) })]);
    const hasFailed = async () => ((await server.status(ids.a ?? "")) === "FAILURE" ? true : undefined);
    await eventually(hasFailed, "the timeout");
    const retriedAt = Date.now();
    expect((await retry([ids.a])).map(outcome)).toEqual(["PENDING"]);
    await eventually(hasFailed, "the second timeout");
    expect(Date.now() - retriedAt).toBeGreaterThan(1_400);
  });

  test("of a task that was canceled while it backed off starts it now, not when the back-off is over", async () => {
    const kind = newKind();
    const policy = { maxAttempts: 3, initialBackoff: { seconds: 3600n }, maxBackoff: { seconds: 3600n }, jitter: 0 };
    const { ids } = await server.graph([task("a", kind, { retry: policy })]);
    await server.fail(await server.claimOne(kind));
    await server.client.tasks.cancelTasks({ taskIds: [ids.a ?? ""] });
    await retry([ids.a]);
    expect(await server.claimOne(kind)).toMatchObject({ attempt: 2 });
  });
});

import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, ErrorReason, FailureCause, type LeaseResult, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, eventually, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const second = durationFromMs(1_000);

async function extend(workerId: string, ...leases: { taskId: string; attempt: number }[]): Promise<LeaseResult[]> {
  return (await server.client.workers.extendLeases({ workerId, leases, lease: durationFromMs(20_000) })).results;
}

function outcome({ result }: LeaseResult): string {
  return result.case === "error" ? ErrorReason[result.value.reason] : (result.case ?? "nothing");
}

describe("ExtendLeases", () => {
  test("extends what the worker holds, from now, and is a sign of life", async () => {
    const kind = newKind();
    await server.graph([{ key: "a", name: "a", kind }]);
    const { task, attempt, leaseExpireTime } = await server.claimOne(kind, { lease: durationFromMs(5_000) });
    const lease = { taskId: task?.taskId ?? "", attempt };
    const nowMs = Date.now();
    const [result] = await extend("w", lease);
    expect(result).toMatchObject({ lease, cancelRequested: false, result: { case: "leaseExpireTime" } });
    const until = result?.result.case === "leaseExpireTime" ? timestampMs(result.result.value) : 0;
    expect(until).toBeGreaterThan(leaseExpireTime === undefined ? 0 : timestampMs(leaseExpireTime));
    expect(until).toBeGreaterThan(nowMs + 19_500);
    const seen = await server.task(lease.taskId);
    expect(seen.activityTime).not.toEqual(task?.activityTime);
    expect(timestampMs(seen.leaseExpireTime ?? durationless)).toBe(until);
  });

  test("answers per item, in order: which are lost, stale, ended or unknown, and whether to stop", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([1, 2, 3, 4].map((n) => ({ key: `${n}`, name: "t", kind })));
    const [mine, done, canceled] = await server.claim(kind, { max: 3 });
    const [theirs] = await server.claim(kind, { workerId: "other" });
    if (mine === undefined || done === undefined || canceled === undefined || theirs === undefined)
      throw new Error("too few");
    await server.succeed(done);
    await server.client.tasks.cancelTasks({ taskIds: [canceled.task?.taskId ?? ""] });
    const lease = ({ task }: typeof mine, attempt = 1) => ({ taskId: task?.taskId ?? "", attempt });
    const foreign = { taskId: "01900000-0000-7000-8000-000000000000", attempt: 1 };
    const leases = [
      lease(mine),
      lease(theirs),
      lease(done),
      lease(canceled),
      foreign,
      { taskId: batchId, attempt: 1 },
      lease(mine, 2),
      lease(mine),
    ];
    const results = await extend("w", ...leases);
    expect(results.map(outcome)).toEqual([
      ...["leaseExpireTime", "LEASE_LOST", "TASK_ENDED", "TASK_ENDED", "TASK_NOT_FOUND", "TASK_NOT_FOUND"],
      ...["STALE_ATTEMPT", "leaseExpireTime"],
    ]);
    expect(results.map((result) => result.lease)).toMatchObject(leases);
    expect(results.map(({ cancelRequested }) => cancelRequested)).toEqual([
      false,
      false,
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
    const ended = results[2]?.result;
    expect(ended?.case === "error" ? ended.value : {}).toMatchObject({
      ...{ currentStatus: TaskStatus.SUCCESS, metadata: { status: "SUCCESS" } },
    });
  });
});

/** Fails a comparison of times where there is none. */
const durationless = { $typeName: "google.protobuf.Timestamp" as const, seconds: 0n, nanos: 0 };

describe("a lease that runs out", () => {
  test("returns the task: another worker gets attempt 2, and the first one's report is stale", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([{ key: "a", name: "a", kind }]);
    const first = await server.claimOne(kind, { workerId: "slow", lease: second });
    const [next] = await server.claim(kind, { waitMs: 15_000, workerId: "fast" });
    expect(next).toMatchObject({ attempt: 2, task: { status: TaskStatus.RUNNING, workerId: "fast", attempt: 2 } });
    const taskId = first.task?.taskId ?? "";
    const late = await server.client.tasks.reportTasks({
      reports: [{ taskId, attempt: 1, report: { case: "success", value: {} } }],
    });
    const [result] = late.results;
    expect(result?.result.value).toMatchObject({
      ...{ reason: ErrorReason.STALE_ATTEMPT, currentStatus: TaskStatus.RUNNING },
      metadata: expect.objectContaining({ current_attempt: "2" }),
    });
    expect((await extend("slow", { taskId, attempt: 1 })).map(outcome)).toEqual(["STALE_ATTEMPT"]);
    expect(await server.stats(batchId)).toEqual({ RUNNING: 1 });
    const events = await server.events(4, { taskIds: [taskId] });
    const changes = events.flatMap(({ payload }) => (payload.case === "taskStatusChanged" ? [payload.value] : []));
    expect(changes.map(({ from, to, attempt }) => [TaskStatus[from], TaskStatus[to], attempt])).toEqual([
      ["PENDING", "RUNNING", 1],
      ["RUNNING", "PENDING", 1],
      ["PENDING", "RUNNING", 2],
    ]);
    expect(changes[1]?.failure?.cause).toBe(FailureCause.LEASE_LOST);
    if (next !== undefined) await server.succeed(next);
    expect((await server.client.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.SUCCESS);
  });

  test("with the last permitted return fails the task with LEASE_LOST, and brings down what depends on it", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind, dependencies: dependsOn("a") },
    ]);
    const taskId = ids.a ?? "";
    for (const attempt of [1, 2, 3, 4]) {
      const [claimed] = await server.claim(kind, { waitMs: 15_000, lease: second });
      expect(claimed?.attempt).toBe(attempt);
      // The time of the lease is not what this test is about.
      await server.query("update task_state set lease_until = now() where lease_until is not null and attempt = $1", [
        attempt,
      ]);
      await server.query("update timer set due = now()");
    }
    const failed = await eventually(async () => {
      const task = await server.task(taskId);
      return task.status === TaskStatus.FAILURE ? task : undefined;
    }, "the task to fail");
    expect(failed).toMatchObject({ attempt: 4, failure: { cause: FailureCause.LEASE_LOST } });
    expect(await server.task(ids.b ?? "")).toMatchObject({
      status: TaskStatus.FAILURE,
      failure: { cause: FailureCause.DEPENDENCY },
    });
    expect((await server.client.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.FAILURE);
  });

  test("does not run out while it is extended, and heartbeats keep inactivity away", async () => {
    const kind = newKind();
    await server.graph([{ key: "a", name: "a", kind, inactivityTimeout: second }]);
    const { task, attempt } = await server.claimOne(kind, { lease: durationFromMs(60_000) });
    const taskId = task?.taskId ?? "";
    const untilMs = Date.now() + 2_500;
    while (Date.now() < untilMs) {
      await server.client.tasks.reportTasks({
        reports: [{ taskId, attempt, report: { case: "heartbeat", value: {} } }],
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.RUNNING, attempt: 1 });
    const failed = await eventually(async () => {
      const task = await server.task(taskId);
      return task.status === TaskStatus.FAILURE ? task : undefined;
    }, "the inactivity timeout");
    expect(failed.failure?.cause).toBe(FailureCause.INACTIVITY_TIMEOUT);
    const { results } = await server.client.tasks.reportTasks({
      reports: [{ taskId, attempt, report: { case: "heartbeat", value: {} } }],
    });
    expect(results[0]).toMatchObject({ cancelRequested: true, result: { value: { reason: ErrorReason.TASK_ENDED } } });
    expect(await extend("w", { taskId, attempt })).toMatchObject([{ cancelRequested: true }]);
  });
});

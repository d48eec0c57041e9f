import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, ErrorReason, FailureCause, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, newKind, sharedServer, type TaskInit } from "./shared-server.ts";
import { type AttemptRef, between, causeOf, msOf, taskHistory } from "./task-history.ts";

const server = sharedServer();
const history = taskHistory(server);

const ms = durationFromMs;
const second = ms(1_000);
const hour = ms(3_600_000);
/** Longer than any test: what is not to run out here. */
const long = { inactivityTimeout: hour };

type Answer = Parameters<typeof startReceiver>[0];

function receiver(answer: Answer = (response) => response.writeHead(202).end()): Promise<Receiver> {
  return startReceiver(answer);
}

async function extend({ taskId, attempt }: AttemptRef, workerId = "w") {
  const { results } = await server.client.workers.extendLeases({
    workerId,
    leases: [{ taskId, attempt }],
    lease: hour,
  });
  return results[0];
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

/** Does something every few milliseconds for a time. */
async function keepDoing(millis: number, what: () => Promise<unknown>): Promise<void> {
  for (const untilMs = Date.now() + millis; Date.now() < untilMs; await pause(30)) await what();
}

describe.concurrent("execution_timeout", () => {
  test("ends each attempt that runs for so long, whatever signs of life it gives, and is retried", async () => {
    const retry = { maxAttempts: 2, initialBackoff: ms(20) };
    const { kind, taskId, batchId } = await history.single({ ...long, executionTimeout: ms(200), retry });
    const first = await history.claim(kind);
    await keepDoing(150, () => history.report(first, "heartbeat"));
    const backingOff = await eventually(async () => {
      await history.report(first, "heartbeat");
      const task = await server.task(taskId);
      return task.status === TaskStatus.PENDING ? task : undefined;
    }, "the first attempt to time out");
    expect(causeOf(backingOff)).toBe("EXECUTION_TIMEOUT");
    expect(backingOff.failure?.message).toContain("execution_timeout");
    const next = await history.claim(kind);
    expect(next.attempt).toBe(2);
    await history.reaches(taskId, "FAILURE");
    expect(await history.outcomes(taskId)).toEqual(["1 FAILURE EXECUTION_TIMEOUT", "2 FAILURE EXECUTION_TIMEOUT"]);
    for (const { startTime, endTime } of await history.attempts(taskId)) {
      expect(between(startTime, endTime)).toBeGreaterThanOrEqual(200);
      expect(between(startTime, endTime)).toBeLessThan(30_000);
    }
    expect(await server.stats(batchId)).toEqual({ FAILURE: 1 });
  });

  test("tells the worker to stop by every answer: to a report, to an extension, of this attempt and of an earlier one", async () => {
    const { kind, taskId } = await history.single({
      ...long,
      executionTimeout: ms(100),
      retry: { maxAttempts: 2, initialBackoff: ms(0) },
    });
    const first = await history.claim(kind);
    await history.reaches(taskId, "PENDING");
    const lost = await extend(first);
    expect(lost).toMatchObject({ cancelRequested: true, result: { value: { reason: ErrorReason.LEASE_LOST } } });
    const stale = { cancelRequested: true, result: { value: { reason: ErrorReason.STALE_ATTEMPT } } };
    expect(await history.report(first, "success")).toMatchObject(stale);
    const second = await history.claim(kind);
    expect(await history.report(first, "heartbeat")).toMatchObject(stale);
    expect(await extend(first)).toMatchObject(stale);
    await history.reaches(taskId, "FAILURE");
    const ended = { cancelRequested: true, result: { value: { reason: ErrorReason.TASK_ENDED } } };
    expect(await history.report(second, "success")).toMatchObject(ended);
    expect(await extend(second)).toMatchObject(ended);
  });

  test("is not retried where the policy does not name it", async () => {
    const retry = { maxAttempts: 5, retryCauses: [FailureCause.REPORTED] };
    const { kind, taskId } = await history.single({ ...long, executionTimeout: ms(50), retry });
    await history.claim(kind);
    expect(causeOf(await history.reaches(taskId, "FAILURE"))).toBe("EXECUTION_TIMEOUT");
  });
});

describe.concurrent("inactivity_timeout", () => {
  test("does not run out while the executor reports, counts or extends its lease", async () => {
    const kind = newKind();
    const { ids } = await server.graph(
      ["heartbeat", "count", "extend", "silent"].map((key) => ({ key, name: key, kind, inactivityTimeout: ms(2_000) })),
    );
    await server.claim(kind, { max: 4 });
    const ref = (key: string): AttemptRef => ({ taskId: ids[key] ?? "", attempt: 1 });
    const counted = { ...ref("count"), addSuccessCount: 1n, report: { case: "heartbeat" as const, value: {} } };
    const silent = await eventually(async () => {
      await Promise.all([
        history.report(ref("heartbeat"), "heartbeat"),
        server.client.tasks.reportTasks({ reports: [counted] }),
        extend(ref("extend")),
      ]);
      const task = await server.task(ids.silent ?? "");
      return task.status === TaskStatus.FAILURE ? task : undefined;
    }, "the silent one to time out");
    expect(causeOf(silent)).toBe("INACTIVITY_TIMEOUT");
    for (const key of ["heartbeat", "count", "extend"]) expect(await server.status(ids[key] ?? "")).toBe("RUNNING");
    expect((await server.task(ids.count ?? "")).successCount).toBeGreaterThan(5n);
    for (const key of ["heartbeat", "count", "extend"]) await history.reaches(ids[key] ?? "", "FAILURE");
  });

  test("runs out though somebody edits the task, and is retried", async () => {
    const retry = { maxAttempts: 2, initialBackoff: hour };
    const { kind, taskId } = await history.single({ inactivityTimeout: ms(400), retry });
    const attempt = await history.claim(kind);
    const { activityTime } = await server.task(taskId);
    await eventually(async () => {
      if ((await server.status(taskId)) === "PENDING") return true;
      const task = { taskId, metadata: { edited: Date.now() } };
      await server.client.tasks.updateTask({ task, updateMask: { paths: ["metadata"] } });
      return undefined;
    }, "the attempt to time out");
    const task = await server.task(taskId);
    expect([causeOf(task), task.activityTime]).toEqual(["INACTIVITY_TIMEOUT", activityTime]);
    expect(await history.report(attempt, "heartbeat")).toMatchObject({ cancelRequested: true });
  });

  test("begins anew with each attempt and counts from the start of a push task", async () => {
    await using target = await receiver();
    const { taskId } = await history.single({
      ...{ inactivityTimeout: ms(150), retry: { maxAttempts: 2, initialBackoff: ms(0) } },
      execution: { case: "onStart", value: { url: target.url } },
    });
    await history.reaches(taskId, "FAILURE");
    expect(await history.outcomes(taskId)).toEqual(["1 FAILURE INACTIVITY_TIMEOUT", "2 FAILURE INACTIVITY_TIMEOUT"]);
    for (const { startTime, endTime } of await history.attempts(taskId))
      expect(between(startTime, endTime)).toBeGreaterThanOrEqual(150);
  });
});

describe.concurrent("total_timeout", () => {
  const total = { ...long, totalTimeout: ms(4_000) };

  test("ends a task in whatever state it is, with what depends on it and with its batch", async () => {
    const [kind, free] = [newKind(), newKind()];
    await using target = await receiver(
      (response, { url }) => void (url.pathname === "/start" && response.writeHead(202).end()),
    );
    const retry = { maxAttempts: 9, initialBackoff: hour };
    const hung = { case: "onStart" as const, value: { url: target.url.replace("/start", "/hang") } };
    const { ids, batchId } = await server.graph([
      { key: "free", name: "free", kind: free, ...long },
      { key: "waiting", name: "t", kind, ...total, dependencies: dependsOn("free") },
      {
        key: "join",
        name: "t",
        kind,
        ...total,
        dependencies: dependsOn("free"),
        execution: { case: "join", value: {} },
      },
      { key: "pending", name: "t", kind: newKind(), ...total, retry },
      { key: "delayed", name: "t", kind, ...total, startTime: timestampFromMs(Date.now() + 3_600_000) },
      { key: "paused", name: "t", kind: newKind(), ...total },
      { key: "running", name: "t", kind, ...total, retry },
      { key: "backingOff", name: "t", kind, ...total, retry },
      { key: "claimed", name: "t", kind: newKind(), ...total, retry, execution: hung },
      {
        key: "pushed",
        name: "t",
        kind: newKind(),
        ...total,
        execution: { case: "onStart", value: { url: target.url } },
      },
      { key: "child", name: "t", kind, dependencies: dependsOn("waiting") },
    ]);
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    await server.claim(kind, { max: 2 });
    await history.fail({ taskId: ids.backingOff ?? "", attempt: 1 });
    const ended = await Promise.all(
      Object.entries(ids).flatMap(([key, id]) => (key === "free" ? [] : [history.reaches(id, "FAILURE")])),
    );
    const tasks = Object.fromEntries(ended.map((task) => [task.key, task]));
    for (const task of ended) {
      expect([task.key, causeOf(task)]).toEqual([task.key, task.key === "child" ? "DEPENDENCY" : "TOTAL_TIMEOUT"]);
      expect(between(task.createTime, task.endTime)).toBeGreaterThanOrEqual(4_000);
      expect(between(task.createTime, task.endTime)).toBeLessThan(30_000);
    }
    expect(tasks.pending?.failure?.message).toContain("total_timeout");
    expect(await history.outcomes(ids.waiting ?? "")).toEqual(["0 FAILURE TOTAL_TIMEOUT"]);
    expect(await history.outcomes(ids.running ?? "")).toEqual(["1 FAILURE TOTAL_TIMEOUT"]);
    expect(await history.outcomes(ids.claimed ?? "")).toEqual(["1 FAILURE TOTAL_TIMEOUT"]);
    expect(await history.outcomes(ids.backingOff ?? "")).toEqual(["1 FAILURE REPORTED", "0 FAILURE TOTAL_TIMEOUT"]);
    const last = async (key: string) => (await history.transitions(ids[key] ?? "")).at(-1);
    expect(await last("waiting")).toBe("WAITING -> FAILURE 0 TOTAL_TIMEOUT");
    expect(await last("delayed")).toBe("PENDING -> FAILURE 0 TOTAL_TIMEOUT");
    expect(await last("paused")).toBe("PAUSED -> FAILURE 0 TOTAL_TIMEOUT");
    expect(await last("running")).toBe("RUNNING -> FAILURE 1 TOTAL_TIMEOUT");
    expect(await last("backingOff")).toBe("PENDING -> FAILURE 1 TOTAL_TIMEOUT");
    expect(await last("claimed")).toBe("CLAIMED -> FAILURE 1 TOTAL_TIMEOUT");
    expect(await server.claim(kind, { waitMs: 100 })).toEqual([]);
    expect(await history.report({ taskId: ids.running ?? "", attempt: 1 }, "success")).toMatchObject({
      ...{ cancelRequested: true, result: { value: { reason: ErrorReason.TASK_ENDED } } },
    });
    await history.report(await history.claim(free), "success");
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect([batch?.status, await server.stats(batchId)]).toEqual([BatchStatus.FAILURE, { SUCCESS: 1, FAILURE: 10 }]);
  });

  test("ends what a held batch holds", async () => {
    const kind = newKind();
    const { ids } = await server.graph([{ key: "a", name: "a", kind, ...total }], { paused: true });
    expect(await server.claim(kind, { waitMs: 50 })).toEqual([]);
    expect(causeOf(await history.reaches(ids.a ?? "", "FAILURE"))).toBe("TOTAL_TIMEOUT");
  });

  test("takes all attempts together, and is counted anew when the task is run again", async () => {
    const { kind, taskId } = await history.single({
      ...long,
      totalTimeout: ms(4_000),
      retry: { maxAttempts: 1000, initialBackoff: ms(0) },
    });
    for (let tries = 0; tries < 3 && (await server.status(taskId)) !== "FAILURE"; ) {
      const claimed = await server.claim(kind, { waitMs: 100 });
      for (const { attempt } of claimed) await history.fail({ taskId, attempt });
      tries += claimed.length;
    }
    await history.reaches(taskId, "FAILURE");
    const failed = await server.task(taskId);
    expect(causeOf(failed)).toBe("TOTAL_TIMEOUT");
    expect(failed.attempt).toBeGreaterThan(1);
    await server.client.tasks.retryTasks({ taskIds: [taskId] });
    const again = await history.claim(kind);
    expect(again.attempt).toBe(failed.attempt + 1);
    const second = await history.reaches(taskId, "FAILURE");
    expect(causeOf(second)).toBe("TOTAL_TIMEOUT");
    expect(between(failed.endTime, second.endTime)).toBeGreaterThanOrEqual(4_000);
  });
});

describe.concurrent("a timeout of the last attempt", () => {
  test("brings down what depends on it, stops the batch that it is critical for, and has the webhooks called", async () => {
    await using target = await receiver();
    const kind = newKind();
    const { ids, batchId } = await server.graph(
      [
        {
          ...{ key: "a", name: "a", kind, ...long, critical: true, executionTimeout: ms(100) },
          onFailure: [{ url: `${target.url}/failure` }],
        },
        { key: "child", name: "child", kind, dependencies: dependsOn("a") },
        { key: "other", name: "other", kind: newKind() },
      ],
      { onComplete: [{ url: `${target.url}/complete` }] },
    );
    await history.claim(kind);
    await history.reaches(ids.other ?? "", "CANCELED");
    expect(await server.stats(batchId)).toEqual({ FAILURE: 2, CANCELED: 1 });
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect(batch).toMatchObject({ status: BatchStatus.CANCELED, stopReason: 'critical task "a" failed' });
    await eventually(async () => (target.calls.length === 2 ? true : undefined), "both webhooks");
    expect(target.calls.map(({ url }) => url.pathname).sort()).toEqual(["/start/complete", "/start/failure"]);
  });
});

describe.concurrent("a lease that runs out", () => {
  test("returns the task three times at once, then it is a failed attempt under the policy", async () => {
    const retry = { maxAttempts: 2, initialBackoff: ms(300), jitter: 0 };
    const { kind, taskId } = await history.single({ ...long, retry });
    for (let n = 1; n <= 5; n++) {
      const [claimed] = await server.claim(kind, { waitMs: 15_000, lease: second, workerId: `w${n}` });
      expect(claimed?.attempt).toBe(n);
      // The length of a lease is not what this is about.
      await server.query(
        "update task_state set lease_until = clock_timestamp() where id = (select id from task where kind_is($1))".replace(
          "kind_is($1)",
          "queue = (select id from queue where kind = $1)",
        ),
        [kind],
      );
      await server.query("update timer set due = clock_timestamp()");
    }
    const task = await history.reaches(taskId, "FAILURE");
    expect([causeOf(task), task.failure?.message]).toEqual(["LEASE_LOST", "the lease ran out"]);
    expect(await history.outcomes(taskId)).toEqual([1, 2, 3, 4, 5].map((n) => `${n} FAILURE LEASE_LOST`));
    const attempts = await history.attempts(taskId);
    expect(attempts.map(({ workerId }) => workerId)).toEqual(["w1", "w2", "w3", "w4", "w5"]);
    expect(msOf(attempts[4]?.startTime) - msOf(attempts[3]?.endTime)).toBeGreaterThanOrEqual(300);
  });
});

describe.concurrent("start_time", () => {
  test("holds a task back until then, and a worker that waits gets it at that time", async () => {
    const startTime = timestampFromMs(Date.now() + 2_000);
    const { kind, taskId, batchId } = await history.single({ startTime });
    expect(await server.claim(kind)).toEqual([]);
    expect(await server.stats(batchId)).toEqual({ PENDING: 1 });
    const attempt = await history.claim(kind);
    const { claimTime } = await server.task(taskId);
    expect(between(startTime, claimTime)).toBeGreaterThanOrEqual(0);
    expect(between(startTime, claimTime)).toBeLessThan(30_000);
    await history.report(attempt, "success");
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 1 });
  });

  test("holds a join and a child whose parents have ended back as well", async () => {
    const kind = newKind();
    const startTime = timestampFromMs(Date.now() + 3_000);
    const { ids, batchId } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind, startTime, dependencies: dependsOn("a") },
      { key: "c", name: "c", kind, startTime, dependencies: dependsOn("a"), execution: { case: "join", value: {} } },
    ]);
    await history.report(await history.claim(kind), "success");
    expect([await server.status(ids.b ?? ""), await server.status(ids.c ?? "")]).toEqual(["PENDING", "PENDING"]);
    const child = await history.claim(kind);
    expect(between(startTime, (await server.task(child.taskId)).claimTime)).toBeGreaterThanOrEqual(0);
    const join = await history.reaches(ids.c ?? "", "SUCCESS");
    expect(between(startTime, join.endTime)).toBeGreaterThanOrEqual(0);
    await history.report(child, "success");
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect(batch?.status).toBe(BatchStatus.SUCCESS);
  });

  test("in the past starts a task at once", async () => {
    const { kind, taskId } = await history.single({ startTime: timestampFromMs(0) });
    expect(await server.claim(kind)).toHaveLength(1);
    expect((await server.task(taskId)).startTime).toEqual(timestampFromMs(0));
  });
});

describe.concurrent("UpdateTask", () => {
  const update = async (task: Partial<TaskInit> & { taskId: string }, ...paths: string[]): Promise<void> => {
    await server.client.tasks.updateTask({ task: task as never, updateMask: { paths } });
  };

  test("shortens what is counted already, and at once", async () => {
    const kind = newKind();
    const keys = ["executionTimeout", "inactivityTimeout", "totalTimeout"] as const;
    const { ids } = await server.graph(keys.map((key) => ({ key, name: key, kind, ...long })));
    await server.claim(kind, { max: 3 });
    for (const key of keys) {
      const path = key.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
      await update({ taskId: ids[key] ?? "", [key]: ms(1) }, path);
    }
    const causes = await Promise.all(
      keys.map(async (key) => causeOf(await history.reaches(ids[key] ?? "", "FAILURE"))),
    );
    expect(causes).toEqual(["EXECUTION_TIMEOUT", "INACTIVITY_TIMEOUT", "TOTAL_TIMEOUT"]);
  });

  test("lengthens, or takes away, what would have run out", async () => {
    const kind = newKind();
    const timeouts = { ...long, executionTimeout: ms(4_000), totalTimeout: ms(4_000) };
    const keys = ["longer", "none", "unchanged"];
    const { ids } = await server.graph(keys.map((key) => ({ key, name: key, kind, ...timeouts })));
    await server.claim(kind, { max: 3 });
    const paths = ["execution_timeout", "total_timeout"];
    await update({ taskId: ids.longer ?? "", executionTimeout: hour, totalTimeout: hour }, ...paths);
    await update({ taskId: ids.none ?? "" }, ...paths);
    await history.reaches(ids.unchanged ?? "", "FAILURE");
    for (const key of ["longer", "none"]) expect(await server.status(ids[key] ?? "")).toBe("RUNNING");
    const none = await server.task(ids.none ?? "");
    expect([none.executionTimeout, none.totalTimeout]).toEqual([undefined, undefined]);
  });

  test("shortens the start timeout of a call that is under way, and the total one of a task that backs off", async () => {
    await using target = await receiver(() => {});
    const pushed = await history.single({
      startTimeout: hour,
      execution: { case: "onStart", value: { url: target.url } },
    });
    await history.reaches(pushed.taskId, "CLAIMED");
    await update({ taskId: pushed.taskId, startTimeout: ms(50) }, "start_timeout");
    expect(causeOf(await history.reaches(pushed.taskId, "FAILURE"))).toBe("START_TIMEOUT");
    const pulled = await history.single({ retry: { maxAttempts: 2, initialBackoff: hour } });
    await history.fail(await history.claim(pulled.kind));
    await update({ taskId: pulled.taskId, totalTimeout: ms(50) }, "total_timeout");
    expect(causeOf(await history.reaches(pulled.taskId, "FAILURE"))).toBe("TOTAL_TIMEOUT");
  });
});

test("a timeout of zero is the default, or none", async () => {
  const zero = ms(0);
  const { kind, taskId } = await history.single({
    ...{ startTimeout: zero, inactivityTimeout: zero, executionTimeout: zero, totalTimeout: zero },
  });
  await history.claim(kind);
  const task = await server.task(taskId);
  expect(task).toMatchObject({
    ...{ status: TaskStatus.RUNNING, startTimeout: ms(30_000), inactivityTimeout: ms(60_000) },
  });
  expect([task.executionTimeout, task.totalTimeout]).toEqual([undefined, undefined]);
});

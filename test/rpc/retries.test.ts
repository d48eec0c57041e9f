import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  BatchStatus,
  DeliveryTrigger,
  ErrorReason,
  FailureCause,
  type RetryPolicySchema,
  TaskStatus,
} from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, expectRefusal, newKind, sharedServer } from "./shared-server.ts";
import { between, msOf, taskHistory } from "./task-history.ts";

const server = sharedServer();
const history = taskHistory(server);

type Policy = MessageInitShape<typeof RetryPolicySchema>;

const ms = durationFromMs;
const day = 24 * 3_600_000;
const millionDays = ms(366 * day);
const second = (count: number) => ms(count * 1000);

/** One task of a new kind under a policy. */
async function taskUnder(retry: Policy | undefined): Promise<{ kind: string; taskId: string; batchId: string }> {
  const kind = newKind();
  const { ids, batchId } = await server.graph([
    { key: "a", name: "a", kind, ...(retry === undefined ? {} : { retry }) },
  ]);
  return { kind, taskId: ids.a ?? "", batchId };
}

/** How long a policy puts off the attempt after the n-th, in milliseconds: from the attempt's end to the task's start time. */
async function delayAfter(n: number, policy: Policy): Promise<number> {
  const { kind, taskId } = await taskUnder({ maxAttempts: 1000, ...policy });
  for (let attempt = 1; attempt < n; attempt++) await history.fail(await history.claim(kind), { retryDelayMs: 0 });
  await history.fail(await history.claim(kind));
  const { task, attempts } = await server.client.tasks.getTask({ taskId });
  return between(attempts.at(-1)?.endTime, task?.startTime);
}

describe("the delay before the next attempt", () => {
  test.each<[string, Policy, number[]]>([
    ["is fixed with a multiplier of 1", { multiplier: 1, initialBackoff: second(7) }, [7, 7, 7]],
    ["doubles from a second where nothing else is said", {}, [1, 2, 4, 8]],
    ["grows exponentially", { multiplier: 3, initialBackoff: second(10) }, [10, 30, 90, 270]],
    ["grows linearly", { multiplier: 1, initialBackoff: second(5), increment: second(2) }, [5, 7, 9, 11]],
    ["grows in both ways at once", { multiplier: 2, initialBackoff: second(3), increment: second(1) }, [3, 7, 14]],
    ["is at most five minutes where nothing else is said", { initialBackoff: second(200) }, [200, 300, 300]],
    ["is at most what the cap says", { initialBackoff: second(4), maxBackoff: second(10) }, [4, 8, 10, 10]],
    ["is capped from the first on", { initialBackoff: second(40), maxBackoff: second(10) }, [10, 10]],
    ["may be nothing at first, and grow by the increment", { initialBackoff: ms(0), increment: second(3) }, [0, 3, 6]],
    ["is nothing where all is zero", { initialBackoff: ms(0), increment: ms(0), maxBackoff: ms(0) }, [0, 0, 0]],
    ["may be 366 days", { initialBackoff: millionDays, maxBackoff: millionDays }, [366 * 86_400, 366 * 86_400]],
  ])("%s", async (_name, policy, seconds) => {
    const delays = await Promise.all(seconds.map((_, n) => delayAfter(n + 1, { jitter: 0, ...policy })));
    expect(delays).toEqual(seconds.map((count) => count * 1000));
  });

  test("is drawn from its upper tenth where no jitter is given, and not always the same", async () => {
    const delays = await Promise.all([1, 2, 3, 1, 2, 3].map((n) => delayAfter(n, { initialBackoff: second(10) })));
    const shares = delays.map((delay, n) => delay / (10_000 * 2 ** (n % 3)));
    for (const share of shares) expect(share).toBeGreaterThanOrEqual(0.9);
    for (const share of shares) expect(share).toBeLessThanOrEqual(1);
    expect(new Set(shares).size).toBeGreaterThan(1);
  });

  test.each([0.5, 1])("is drawn from the share %d of it that is the jitter, also at the cap", async (jitter) => {
    const policy = { initialBackoff: second(100), maxBackoff: second(60), jitter };
    const shares = (await Promise.all([1, 2, 1, 2, 1, 2].map((n) => delayAfter(n, policy)))).map((d) => d / 60_000);
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(1 - jitter);
    expect(Math.max(...shares)).toBeLessThanOrEqual(1);
    expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0);
  });

  test("stays at the cap however often a factor of 100 has been applied", async () => {
    const policy = { multiplier: 100, initialBackoff: ms(1), increment: ms(1), maxBackoff: millionDays, jitter: 0 };
    expect(await delayAfter(2, policy)).toBe(101);
    expect(await delayAfter(60, policy)).toBe(366 * day);
  });

  test("is what the report asks for, exactly, also beyond the cap, and adds no attempt", async () => {
    const { kind, taskId } = await taskUnder({ maxAttempts: 3, maxBackoff: second(1), jitter: 1 });
    for (const retryDelayMs of [0, 366 * day]) await history.fail(await history.claim(kind), { retryDelayMs });
    const { task, attempts } = await server.client.tasks.getTask({ taskId });
    expect(between(attempts.at(-1)?.endTime, task?.startTime)).toBe(366 * day);
    expect(task).toMatchObject({ status: TaskStatus.PENDING, attempt: 2 });
    const last = await taskUnder({ maxAttempts: 1 });
    await history.fail(await history.claim(last.kind), { retryDelayMs: 0 });
    expect(await server.status(last.taskId)).toBe("FAILURE");
    const none = await taskUnder(undefined);
    await history.fail(await history.claim(none.kind), { retryDelayMs: 0 });
    expect(await server.status(none.taskId)).toBe("FAILURE");
  });
});

test("a policy of a thousand attempts allows a thousand, of which the newest hundred are listed", {
  timeout: 120_000,
}, async () => {
  const { kind, taskId, batchId } = await taskUnder({ maxAttempts: 1000, multiplier: 100, maxBackoff: ms(0) });
  for (let n = 1; n <= 1000; n++) {
    const attempt = await history.claim(kind);
    expect(attempt.attempt).toBe(n);
    await history.fail(attempt, { message: `${n}` });
  }
  const { task, attempts } = await server.client.tasks.getTask({ taskId });
  expect(task).toMatchObject({ status: TaskStatus.FAILURE, attempt: 1000, failure: { message: "1000" } });
  expect(attempts.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 100 }, (_, n) => 901 + n));
  expect(await server.stats(batchId)).toEqual({ FAILURE: 1 });
});

describe("what is not repeated", () => {
  const patient = { maxAttempts: 5, initialBackoff: second(60) };
  const endOf = async (policy: Policy | undefined, failure: Parameters<typeof history.fail>[1]) => {
    const { kind, taskId } = await taskUnder(policy);
    await history.fail(await history.claim(kind), failure);
    const { status, failure: why, attempt } = await server.task(taskId);
    return `${TaskStatus[status]} ${attempt} ${FailureCause[why?.cause ?? 0]}`;
  };

  test("is a failure that says so, one with a code that is listed, one of a cause that is not, or one without a policy", async () => {
    expect(await endOf(patient, {})).toBe("PENDING 1 REPORTED");
    expect(await endOf(undefined, {})).toBe("FAILURE 1 REPORTED");
    expect(await endOf({ maxAttempts: 1 }, {})).toBe("FAILURE 1 REPORTED");
    expect(await endOf(patient, { nonRetryable: true })).toBe("FAILURE 1 REPORTED");
    expect(await endOf(patient, { nonRetryable: true, retryDelayMs: 0 })).toBe("FAILURE 1 REPORTED");
    const coded = { ...patient, nonRetryableCodes: ["E_BAD", "E_WORSE"] };
    expect(await endOf(coded, { code: "E_BAD" })).toBe("FAILURE 1 REPORTED");
    expect(await endOf(coded, { code: "E_WORSE", retryDelayMs: 5 })).toBe("FAILURE 1 REPORTED");
    expect(await endOf(coded, { code: "E_BA" })).toBe("PENDING 1 REPORTED");
    expect(await endOf(coded, { code: "e_bad" })).toBe("PENDING 1 REPORTED");
    expect(await endOf(coded, {})).toBe("PENDING 1 REPORTED");
    const { EXECUTION_TIMEOUT, REPORTED, START_FAILED } = FailureCause;
    expect(await endOf({ ...patient, retryCauses: [EXECUTION_TIMEOUT, START_FAILED] }, {})).toBe("FAILURE 1 REPORTED");
    expect(await endOf({ ...patient, retryCauses: [EXECUTION_TIMEOUT, REPORTED] }, {})).toBe("PENDING 1 REPORTED");
  });

  test("is refused as a policy where it can never be", async () => {
    const refused = async (retry: Policy, field: string): Promise<void> => {
      const create = server.graph([{ key: "a", name: "a", kind: "refused", retry }]);
      await expectRefusal(create, {
        code: "InvalidArgument",
        reason: "INVALID_FIELD",
        fields: [`tasks[0].retry.${field}`],
      });
    };
    await refused({}, "max_attempts");
    await refused({ maxAttempts: 1001 }, "max_attempts");
    await refused({ maxAttempts: 2, multiplier: 0.99 }, "multiplier");
    await refused({ maxAttempts: 2, multiplier: 100.5 }, "multiplier");
    await refused({ maxAttempts: 2, multiplier: Number.NaN }, "multiplier");
    await refused({ maxAttempts: 2, jitter: 1.1 }, "jitter");
    await refused({ maxAttempts: 2, jitter: Number.NaN }, "jitter");
    await refused({ maxAttempts: 2, initialBackoff: ms(-1) }, "initial_backoff");
    await refused({ maxAttempts: 2, maxBackoff: ms(367 * day) }, "max_backoff");
    await refused({ maxAttempts: 2, retryCauses: [FailureCause.DEPENDENCY] }, "retry_causes");
    await refused({ maxAttempts: 2, retryCauses: [FailureCause.TOTAL_TIMEOUT] }, "retry_causes");
  });
});

describe("a task that backs off", () => {
  test("is PENDING, has no owner, holds its children back, and tells nobody that it failed", async () => {
    const target = await startReceiver((response) => response.end());
    onTestFinished(() => target[Symbol.asyncDispose]());
    const kind = newKind();
    const onFailure = [{ url: target.url }];
    const { ids, batchId } = await server.graph([
      { key: "a", name: "a", kind, onFailure, retry: { maxAttempts: 2, initialBackoff: second(60), jitter: 0 } },
      { key: "b", name: "b", kind, onFailure, dependencies: dependsOn("a") },
    ]);
    const first = await history.claim(kind);
    const result = await history.fail(first, { message: "no luck", code: "E_LUCK" });
    expect(result).toMatchObject({
      cancelRequested: false,
      result: { case: "task", value: { status: TaskStatus.PENDING, attempt: 1, failure: { message: "no luck" } } },
    });
    const task = await server.task(ids.a ?? "");
    expect(task).toMatchObject({ status: TaskStatus.PENDING, attempt: 1, failure: { code: "E_LUCK" } });
    expect(task.endTime).toBeUndefined();
    expect(task.leaseExpireTime).toBeUndefined();
    expect(msOf(task.startTime)).toBeGreaterThan(Date.now() + 50_000);
    expect(await server.claim(kind, { waitMs: 300 })).toEqual([]);
    expect(await server.status(ids.b ?? "")).toBe("WAITING");
    expect(await server.stats(batchId)).toEqual({ PENDING: 1, WAITING: 1 });
    const deliveries = (id: string) => server.client.deliveries.listDeliveries({ taskId: id });
    for (const id of [ids.a, ids.b]) expect((await deliveries(id ?? "")).deliveries).toEqual([]);
    const stale = await history.report(first, "success");
    expect(stale).toMatchObject({
      cancelRequested: true,
      result: { value: { reason: ErrorReason.STALE_ATTEMPT, currentStatus: TaskStatus.PENDING } },
    });
    expect(await server.status(ids.a ?? "")).toBe("PENDING");
  });

  test("is handed out when its time has come and not before, and its children start when it succeeds then", async () => {
    const kind = newKind();
    const child = newKind();
    const { ids, batchId } = await server.graph([
      { key: "a", name: "a", kind, retry: { maxAttempts: 2, initialBackoff: ms(400), jitter: 0 } },
      { key: "b", name: "b", kind: child, dependencies: dependsOn("a") },
    ]);
    const first = await history.claim(kind, "one");
    await history.fail(first, { message: "first" });
    const { startTime } = await server.task(ids.a ?? "");
    const next = await history.claim(kind, "two");
    const task = await server.task(ids.a ?? "");
    expect(next.attempt).toBe(2);
    expect(between(startTime, task.claimTime)).toBeGreaterThanOrEqual(0);
    expect(task).toMatchObject({ status: TaskStatus.RUNNING, workerId: "two", failure: { message: "first" } });
    for (const how of ["success", "heartbeat"] as const) {
      expect(await history.report(first, how)).toMatchObject({
        cancelRequested: true,
        result: { value: { reason: ErrorReason.STALE_ATTEMPT, metadata: { current_attempt: "2" } } },
      });
    }
    expect(await server.status(ids.b ?? "")).toBe("WAITING");
    await history.report(next, "success");
    await history.report(await history.claim(child), "success");
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 2 });
  });

  test("starts at once where the delay is nothing, in its old place in the queue", async () => {
    const kind = newKind();
    const retry = { maxAttempts: 2, initialBackoff: ms(0) };
    const { ids } = await server.graph(["a", "b"].map((key) => ({ key, name: key, kind, retry })));
    const first = await server.claimOne(kind);
    await history.fail({ taskId: first.task?.taskId ?? "", attempt: 1 });
    const [again] = await server.claim(kind);
    expect([again?.task?.taskId, again?.attempt]).toEqual([ids.a, 2]);
  });

  test("brings down its children and has its webhooks called once its last attempt has failed", async () => {
    const target = await startReceiver((response) => response.end());
    onTestFinished(() => target[Symbol.asyncDispose]());
    const kind = newKind();
    const onFailure = [{ url: target.url }];
    const { ids, batchId } = await server.graph([
      { key: "a", name: "the load", kind, onFailure, retry: { maxAttempts: 3, initialBackoff: ms(0) } },
      { key: "b", name: "b", kind, onFailure, dependencies: dependsOn("a") },
    ]);
    for (let n = 1; n <= 3; n++) {
      expect(await server.status(ids.b ?? "")).toBe("WAITING");
      await history.fail(await history.claim(kind), { message: `try ${n}` });
    }
    expect(await server.task(ids.a ?? "")).toMatchObject({ status: TaskStatus.FAILURE, failure: { message: "try 3" } });
    const child = await server.task(ids.b ?? "");
    expect(child).toMatchObject({ status: TaskStatus.FAILURE, failure: { cause: FailureCause.DEPENDENCY } });
    expect(child.failure?.message).toBe('dependency "a" ended as FAILURE');
    expect(await server.stats(batchId)).toEqual({ FAILURE: 2 });
    await eventually(async () => (target.calls.length === 2 ? true : undefined), "both webhooks");
    const { deliveries } = await server.client.deliveries.listDeliveries({ taskId: ids.a ?? "" });
    expect(deliveries).toMatchObject([{ trigger: DeliveryTrigger.FAILURE }]);
    expect(target.calls.map(({ headers }) => headers["x-task-attempt"]).sort()).toEqual(["0", "3"]);
  });

  test("can be canceled, paused and resumed, and keeps the time of its next attempt", async () => {
    const retry = { maxAttempts: 3, initialBackoff: second(60) };
    const { kind, taskId } = await taskUnder(retry);
    await history.fail(await history.claim(kind));
    const { startTime } = await server.task(taskId);
    await server.client.tasks.pauseTasks({ taskIds: [taskId] });
    expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.PAUSED, startTime });
    await server.client.tasks.resumeTasks({ taskIds: [taskId] });
    expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.PENDING, startTime });
    expect(await server.claim(kind, { waitMs: 200 })).toEqual([]);
    await server.client.tasks.cancelTasks({ taskIds: [taskId], reason: "enough" });
    expect(await server.task(taskId)).toMatchObject({
      ...{ status: TaskStatus.CANCELED, cancelReason: "enough", attempt: 1 },
      failure: { cause: FailureCause.REPORTED },
    });
  });

  test("stops no batch that it is critical for, and ends no batch, before its last attempt", async () => {
    const kind = newKind();
    const retry = { maxAttempts: 2, initialBackoff: ms(0) };
    const { ids, batchId } = await server.graph([
      { key: "a", name: "a", kind, critical: true, retry },
      { key: "other", name: "other", kind: newKind() },
    ]);
    const batch = async () => (await server.client.batches.getBatch({ batchId })).batch;
    await history.fail(await history.claim(kind));
    expect(await batch()).toMatchObject({ status: BatchStatus.ACTIVE, stopReason: "" });
    expect(await server.status(ids.other ?? "")).toBe("PENDING");
    await history.fail(await history.claim(kind));
    expect(await batch()).toMatchObject({ status: BatchStatus.CANCELED, stopReason: 'critical task "a" failed' });
    expect(await server.stats(batchId)).toEqual({ FAILURE: 1, CANCELED: 1 });
  });

  test("has a new allowance of attempts, and begins with the shortest delay, when it is run again by hand", async () => {
    const { kind, taskId } = await taskUnder({ maxAttempts: 3, initialBackoff: ms(10), multiplier: 100, jitter: 0 });
    const delays = async (...delaysMs: (number | undefined)[]): Promise<void> => {
      for (const delayMs of delaysMs) {
        await history.fail(await history.claim(kind));
        const { task, attempts } = await server.client.tasks.getTask({ taskId });
        expect(task?.status).toBe(delayMs === undefined ? TaskStatus.FAILURE : TaskStatus.PENDING);
        if (delayMs !== undefined) expect(between(attempts.at(-1)?.endTime, task?.startTime)).toBe(delayMs);
      }
    };
    await delays(10, 1_000, undefined);
    await server.client.tasks.retryTasks({ taskIds: [taskId] });
    await delays(10, 1_000, undefined);
    expect((await server.task(taskId)).attempt).toBe(6);
  });

  test("that is held beyond its time starts as soon as it is let go", async () => {
    const { kind, taskId } = await taskUnder({ maxAttempts: 2, initialBackoff: ms(150), jitter: 0 });
    await history.fail(await history.claim(kind));
    await server.client.tasks.pauseTasks({ taskIds: [taskId] });
    expect(await server.claim(kind, { waitMs: 1_000 })).toEqual([]);
    expect(await server.status(taskId)).toBe("PAUSED");
    await server.client.tasks.resumeTasks({ taskIds: [taskId] });
    expect((await history.claim(kind)).attempt).toBe(2);
  });
});

describe("a start webhook that fails", () => {
  type Answer = Parameters<typeof startReceiver>[0];
  const receiver = async (...answers: Answer[]): Promise<Receiver> => {
    let n = 0;
    const target = await startReceiver((...call) => answers[Math.min(n++, answers.length - 1)]?.(...call));
    onTestFinished(() => target[Symbol.asyncDispose]());
    return target;
  };
  const answer =
    (status: number, body = "", headers: Record<string, string> = {}): Answer =>
    (response) =>
      response.writeHead(status, headers).end(body);
  const pushed = async (url: string, retry: Policy | undefined): Promise<string> => {
    const { ids } = await server.graph([
      {
        ...{ key: "a", name: "a", kind: newKind(), ...(retry === undefined ? {} : { retry }) },
        execution: { case: "onStart", value: { url } },
      },
    ]);
    return ids.a ?? "";
  };
  const quick = { maxAttempts: 4, initialBackoff: ms(20), multiplier: 1, jitter: 0 };
  const patient = { maxAttempts: 4, initialBackoff: second(60), jitter: 0 };
  /** The task once its first attempt has failed, and the delay before the next one. */
  const afterOne = async (target: Receiver | string, policy: Policy | undefined = patient) => {
    const taskId = await pushed(typeof target === "string" ? target : target.url, policy);
    await eventually(async () => ((await history.attempts(taskId))[0]?.endTime ? true : undefined), "a failed attempt");
    const { task, attempts } = await server.client.tasks.getTask({ taskId });
    const { cause = 0, code = "", message = "" } = task?.failure ?? {};
    const delay = task?.startTime === undefined ? undefined : between(attempts[0]?.endTime, task.startTime);
    return { status: TaskStatus[task?.status ?? 0], cause: FailureCause[cause], code, message, delay, attempts };
  };

  test("with 503 is called again under the policy, each time as another attempt, until it answers", async () => {
    const target = await receiver(answer(503, "restarting"), answer(503), answer(200, JSON.stringify({ success: {} })));
    const taskId = await pushed(target.url, quick);
    await history.reaches(taskId, "SUCCESS");
    const attempts = await history.attempts(taskId);
    expect(attempts.map((a) => [a.attempt, TaskStatus[a.status], a.failure?.code, a.failure?.message])).toEqual([
      [1, "FAILURE", "HTTP_503", "answered 503: restarting"],
      [2, "FAILURE", "HTTP_503", "answered 503"],
      [3, "SUCCESS", undefined, undefined],
    ]);
    expect(target.calls.map(({ headers }) => headers["idempotency-key"])).toEqual(
      [1, 2, 3].map((n) => `${taskId}:${n}:start`),
    );
    expect(await history.transitions(taskId)).toEqual([
      ...["PENDING -> CLAIMED 1", "CLAIMED -> PENDING 1 START_FAILED"],
      ...["PENDING -> CLAIMED 2", "CLAIMED -> PENDING 2 START_FAILED"],
      ...["PENDING -> CLAIMED 3", "CLAIMED -> SUCCESS 3"],
    ]);
  });

  test("has not begun to run", async () => {
    const { attempts } = await afterOne(await receiver(answer(503)));
    expect(attempts[0]?.startTime).toBeUndefined();
  });

  test("fails the task once the policy is used up", async () => {
    const target = await receiver(answer(500));
    const taskId = await pushed(target.url, { ...quick, maxAttempts: 2 });
    const task = await history.reaches(taskId, "FAILURE");
    expect(task).toMatchObject({ attempt: 2, failure: { cause: FailureCause.START_FAILED, code: "HTTP_500" } });
    expect(target.calls).toHaveLength(2);
  });

  test("with 408, 429 or 5xx backs off, and Retry-After says for how long", async () => {
    const expected = { status: "PENDING", cause: "START_FAILED", delay: 60_000 };
    expect(await afterOne(await receiver(answer(408)))).toMatchObject({ ...expected, code: "HTTP_408" });
    expect(await afterOne(await receiver(answer(429)))).toMatchObject({ ...expected, code: "HTTP_429" });
    expect(await afterOne(await receiver(answer(502)))).toMatchObject({ ...expected, code: "HTTP_502" });
    const retryAfter = (text: string) => receiver(answer(429, "slow down", { "retry-after": text }));
    expect(await afterOne(await retryAfter("120"))).toMatchObject({ ...expected, delay: 120_000 });
    expect(await afterOne(await retryAfter("soon"))).toMatchObject({ ...expected, delay: 60_000 });
    const { delay } = await afterOne(await retryAfter(new Date(Date.now() + 600_000).toUTCString()));
    expect(delay).toBeGreaterThan(590_000);
    expect(delay).toBeLessThanOrEqual(600_000);
    const unavailable = await receiver(answer(503, "", { "retry-after": "0" }), answer(202));
    await history.reaches(await pushed(unavailable.url, patient), "RUNNING");
  });

  test("because nobody listens, or the connection breaks, backs off", async () => {
    const gone = await receiver(answer(200));
    await gone[Symbol.asyncDispose]();
    const refused = await afterOne(gone.url);
    expect(refused).toMatchObject({ status: "PENDING", cause: "START_FAILED", code: "NETWORK", delay: 60_000 });
    expect(refused.message).toMatch(/refused/i);
    const broken = await afterOne(await receiver((_response, _call, socket) => void socket.destroy()));
    expect(broken).toMatchObject({ status: "PENDING", cause: "START_FAILED", code: "NETWORK", delay: 60_000 });
  });

  test("with another 4xx or a redirect is not called again", async () => {
    for (const status of [400, 401, 404, 410, 422]) {
      const target = await receiver(answer(status, "what?", { "retry-after": "0" }));
      const failed = { status: "FAILURE", cause: "START_FAILED", code: `HTTP_${status}` };
      expect(await afterOne(target, quick)).toMatchObject({ ...failed, message: `answered ${status}: what?` });
      expect(target.calls).toHaveLength(1);
    }
    const redirect = await receiver(answer(307, "", { location: "/elsewhere" }));
    expect(await afterOne(redirect, quick)).toMatchObject({ status: "FAILURE", code: "HTTP_307" });
  });

  test("is not called again where its code or cause is not retried, or there is no policy", async () => {
    const coded = { ...patient, nonRetryableCodes: ["HTTP_503"] };
    expect((await afterOne(await receiver(answer(503)), coded)).status).toBe("FAILURE");
    expect((await afterOne(await receiver(answer(500)), coded)).status).toBe("PENDING");
    const caused = { ...patient, retryCauses: [FailureCause.REPORTED] };
    expect((await afterOne(await receiver(answer(503)), caused)).status).toBe("FAILURE");
    const once = await receiver(answer(503));
    const taskId = await pushed(once.url, undefined);
    await history.reaches(taskId, "FAILURE");
    expect(once.calls).toHaveLength(1);
  });

  test("by an answer that reports a failure decides itself what follows", async () => {
    const report = (failure: object) => receiver(answer(200, JSON.stringify({ failure })));
    const expected = { cause: "REPORTED", code: "E_DISK", message: "disk full" };
    const failure = { message: "disk full", code: "E_DISK" };
    expect(await afterOne(await report(failure))).toMatchObject({ ...expected, status: "PENDING", delay: 60_000 });
    const final = { ...failure, non_retryable: true };
    expect(await afterOne(await report(final))).toMatchObject({ ...expected, status: "FAILURE" });
    const later = { ...failure, retry_delay: "7.5s" };
    expect(await afterOne(await report(later))).toMatchObject({ ...expected, status: "PENDING", delay: 7_500 });
  });

  test("later, by its handle, decides itself what follows, and then the handle is dead", async () => {
    const target = await receiver(answer(202));
    const taskId = await pushed(target.url, patient);
    await history.reaches(taskId, "RUNNING");
    const post = async (body: object) => {
      const handle = target.calls[0]?.url.searchParams.get("handle") ?? "";
      const response = await fetch(handle, { method: "POST", body: JSON.stringify(body) });
      return { status: response.status, json: (await response.json()) as { message?: string } };
    };
    expect((await post({ failure: { message: "later", retryDelay: "90s" } })).status).toBe(200);
    const { task, attempts } = await server.client.tasks.getTask({ taskId });
    expect(task?.status).toBe(TaskStatus.PENDING);
    expect(between(attempts[0]?.endTime, task?.startTime)).toBe(90_000);
    expect(await post({ success: {} })).toMatchObject({
      status: 410,
      json: { message: expect.stringContaining("attempt 1") },
    });
    expect(await server.status(taskId)).toBe("PENDING");
  });
});

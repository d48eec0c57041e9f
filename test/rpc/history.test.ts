import { fromJson } from "@bufbuild/protobuf";
import { durationFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { FailureCause, type TaskAttempt, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, newKind, sharedServer } from "./shared-server.ts";
import { between, msOf, taskHistory } from "./task-history.ts";

const server = sharedServer();
const history = taskHistory(server);

const ms = durationFromMs;
const hour = ms(3_600_000);
const json = (value: Parameters<typeof fromJson>[1]) => fromJson(ValueSchema, value);

/** An attempt in one line: its number, what it came to, why, and who had it. */
function line({ attempt, status, failure, workerId, cancelReason }: TaskAttempt): string {
  const why = failure === undefined ? cancelReason : `${FailureCause[failure.cause]} ${failure.message}`;
  return [attempt, TaskStatus[status], why, workerId].filter((part) => part !== "").join(" | ");
}

const lines = async (taskId: string): Promise<string[]> => (await history.attempts(taskId)).map(line);
const cancel = (taskId: string, reason: string) => server.client.tasks.cancelTasks({ taskIds: [taskId], reason });

describe("the history of attempts", () => {
  test("has who had each attempt, when, what it came to and why, the oldest first", async () => {
    const { kind, taskId } = await history.single({ retry: { maxAttempts: 3, initialBackoff: ms(0) } });
    expect(await lines(taskId)).toEqual([]);
    const first = await history.claim(kind, "ada");
    expect(await lines(taskId)).toEqual(["1 | RUNNING | ada"]);
    await history.fail(first, { message: "out of disk", code: "E_DISK" });
    expect(await lines(taskId)).toEqual(["1 | FAILURE | REPORTED out of disk | ada"]);
    const second = await history.claim(kind, "bob");
    await server.client.tasks.reportTasks({
      reports: [{ ...second, report: { case: "heartbeat", value: { progress: json({ percent: 10 }) } } }],
    });
    expect(await lines(taskId)).toEqual(["1 | FAILURE | REPORTED out of disk | ada", "2 | RUNNING | bob"]);
    await history.fail(second, { message: "still out of disk" });
    const third = await history.claim(kind, "cleo");
    const { runTime } = await server.task(taskId);
    await history.report(third, "success");
    expect(await lines(taskId)).toEqual([
      ...["1 | FAILURE | REPORTED out of disk | ada", "2 | FAILURE | REPORTED still out of disk | bob"],
      "3 | SUCCESS | cleo",
    ]);
    const attempts = await history.attempts(taskId);
    expect(attempts.map(({ failure }) => failure?.code)).toEqual(["E_DISK", "", undefined]);
    const { endTime } = await server.task(taskId);
    expect(attempts[2]).toMatchObject({ startTime: runTime, endTime });
    const times = attempts.flatMap(({ startTime, endTime }) => [msOf(startTime), msOf(endTime)]);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("has how a task ended while no attempt was under way, after those that were", async () => {
    const fresh = await history.single();
    await cancel(fresh.taskId, "not needed");
    expect(await lines(fresh.taskId)).toEqual(["0 | CANCELED | not needed"]);
    const backingOff = await history.single({ retry: { maxAttempts: 2, initialBackoff: hour } });
    await history.fail(await history.claim(backingOff.kind), { message: "broken" });
    await cancel(backingOff.taskId, "no more");
    expect(await lines(backingOff.taskId)).toEqual(["1 | FAILURE | REPORTED broken | w", "0 | CANCELED | no more"]);
    const running = await history.single();
    await history.claim(running.kind, "ada");
    await cancel(running.taskId, "stop it");
    expect(await lines(running.taskId)).toEqual(["1 | CANCELED | stop it | ada"]);
    expect((await history.attempts(running.taskId))[0]?.startTime).toBeDefined();
  });

  test("has the parent that brought a task down, and what came before", async () => {
    const [kind, other] = [newKind(), newKind()];
    const { ids } = await server.graph([
      { key: "parent", name: "parent", kind },
      { key: "child", name: "child", kind: other, dependencies: dependsOn("parent") },
    ]);
    await history.fail(await history.claim(kind));
    const [down, ...none] = await history.attempts(ids.child ?? "");
    expect(none).toEqual([]);
    expect(down === undefined ? "" : line(down)).toBe('0 | FAILURE | DEPENDENCY dependency "parent" ended as FAILURE');
    expect(down?.failure?.details).toMatchObject(json({ task_id: ids.parent ?? "" }));
  });

  test("goes on over retries by hand, and keeps what went before", async () => {
    const { kind, taskId } = await history.single();
    const retry = () => server.client.tasks.retryTasks({ taskIds: [taskId] });
    await history.report(await history.claim(kind, "ada"), "success");
    await retry();
    expect(await lines(taskId)).toEqual(["1 | SUCCESS | ada"]);
    await history.fail(await history.claim(kind, "bob"), { message: "broken" });
    await retry();
    await cancel(taskId, "wait");
    await retry();
    const third = await history.claim(kind, "cleo");
    expect(third.attempt).toBe(3);
    await history.report(third, "success");
    await retry();
    await cancel(taskId, "for good");
    expect(await lines(taskId)).toEqual([
      ...["1 | SUCCESS | ada", "2 | FAILURE | REPORTED broken | bob", "0 | CANCELED | wait"],
      ...["3 | SUCCESS | cleo", "0 | CANCELED | for good"],
    ]);
    for (const { attempt, startTime, endTime } of await history.attempts(taskId)) {
      expect(endTime).toBeDefined();
      expect(startTime !== undefined).toBe(attempt > 0);
    }
  });

  test("leaves out what was claimed and given back before anybody was told", async () => {
    const kind = newKind();
    const input = json("x".repeat(1_000_000));
    const { ids } = await server.graph(
      ["a", "b", "c", "d", "e"].map((key) => ({ key, name: key, kind, input, retry: { maxAttempts: 1 } })),
    );
    const told = await server.claim(kind, { max: 5 });
    expect(told.length).toBeLessThan(5);
    const taskId = ids.e ?? "";
    expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.PENDING, attempt: 1 });
    expect(await lines(taskId)).toEqual([]);
    await cancel(taskId, "too large");
    await server.client.tasks.retryTasks({ taskIds: [taskId] });
    expect(await lines(taskId)).toEqual(["0 | CANCELED | too large"]);
    await server.claim(kind, { max: 5 });
    expect(await lines(taskId)).toEqual(["0 | CANCELED | too large", "2 | RUNNING | w"]);
  });

  test("of a task that a webhook starts has the calls that failed", async () => {
    const answers = [503, 429, 200];
    await using target = await startReceiver(
      (response) => void response.writeHead(answers.shift() ?? 200).end("sorry"),
    );
    const { taskId } = await history.single({
      retry: { maxAttempts: 3, initialBackoff: ms(0) },
      execution: { case: "onStart", value: { url: target.url } },
    });
    await history.reaches(taskId, "RUNNING");
    expect(await lines(taskId)).toEqual([
      ...["1 | FAILURE | START_FAILED answered 503: sorry", "2 | FAILURE | START_FAILED answered 429: sorry"],
      "3 | RUNNING",
    ]);
  });

  test("shows the call that is under way as CLAIMED", async () => {
    await using target = await startReceiver(() => {});
    const { taskId } = await history.single({ execution: { case: "onStart", value: { url: target.url } } });
    await history.reaches(taskId, "CLAIMED");
    expect(await lines(taskId)).toEqual(["1 | CLAIMED"]);
    await cancel(taskId, "too slow");
    expect(await lines(taskId)).toEqual(["1 | CANCELED | too slow"]);
    expect((await history.attempts(taskId))[0]?.startTime).toBeUndefined();
  });
});

describe("the events of a task", () => {
  test("are every change of its status, in order, with attempt, cause and worker", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "first", name: "first", kind },
      {
        ...{ key: "a", name: "the task", kind, dependencies: dependsOn("first"), priority: -5 },
        retry: { maxAttempts: 3, initialBackoff: hour },
      },
    ]);
    const taskId = ids.a ?? "";
    await history.report(await history.claim(kind, "zoe"), "success");
    await server.client.tasks.pauseTasks({ taskIds: [taskId] });
    await server.client.tasks.resumeTasks({ taskIds: [taskId] });
    await history.fail(await history.claim(kind, "ada"), { message: "no", code: "E_NO", retryDelayMs: 0 });
    await history.report(await history.claim(kind, "bob"), "started");
    await history.fail({ taskId, attempt: 2 }, { message: "never", nonRetryable: true });
    await server.client.tasks.retryTasks({ taskIds: [taskId] });
    await history.claim(kind, "cleo");
    await cancel(taskId, "enough");
    expect(await history.transitions(taskId)).toEqual([
      ...["WAITING -> PENDING 0", "PENDING -> PAUSED 0", "PAUSED -> PENDING 0"],
      ...["PENDING -> RUNNING 1", "RUNNING -> PENDING 1 REPORTED"],
      ...["PENDING -> RUNNING 2", "RUNNING -> FAILURE 2 REPORTED", "FAILURE -> PENDING 2"],
      ...["PENDING -> RUNNING 3", "RUNNING -> CANCELED 3"],
    ]);
    const events = await history.events(taskId);
    expect(events[0]?.payload).toMatchObject({
      case: "taskCreated",
      value: { key: "a", name: "the task", status: TaskStatus.WAITING, priority: -5, parentCount: 1 },
    });
    const changes = events.flatMap(({ payload }) => (payload.case === "taskStatusChanged" ? [payload.value] : []));
    expect(changes.map(({ workerId }) => workerId)).toEqual([
      ...["", "", "", "ada", "ada", "bob", "bob", "", "cleo", "cleo"],
    ]);
    expect(changes[4]?.failure).toMatchObject({ message: "no", code: "E_NO" });
    expect(changes[6]?.failure).toMatchObject({ message: "never", code: "" });
    expect(changes[9]?.cancelReason).toBe("enough");
    expect(events.map(({ eventId }) => eventId)).toEqual(events.map(({ eventId }) => eventId).toSorted());
    const times = events.map(({ eventTime }) => msOf(eventTime));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("name the fields of an edit, where in its life it was made", async () => {
    const { kind, taskId } = await history.single({ retry: { maxAttempts: 2, initialBackoff: ms(0) } });
    await history.fail(await history.claim(kind));
    const task = { taskId, metadata: { owner: "ada" }, priority: 7 };
    await server.client.tasks.updateTask({ task, updateMask: { paths: ["metadata", "priority"] } });
    await history.report(await history.claim(kind), "success");
    const events = await history.events(taskId);
    expect(events.map(({ payload }) => payload.case)).toEqual([
      ...["taskCreated", "taskStatusChanged", "taskStatusChanged", "taskUpdated"],
      ...["taskStatusChanged", "taskStatusChanged"],
    ]);
    const edit = events[3]?.payload;
    expect(edit?.case === "taskUpdated" ? edit.value.paths.toSorted() : []).toEqual(["metadata", "priority"]);
  });

  test("have the causes of all that nobody reported", async () => {
    const [kind, child] = [newKind(), newKind()];
    const { ids } = await server.graph([
      { key: "slow", name: "slow", kind, executionTimeout: ms(50), retry: { maxAttempts: 2, initialBackoff: ms(0) } },
      { key: "child", name: "child", kind: child, dependencies: dependsOn("slow") },
    ]);
    await history.claim(kind);
    await history.claim(kind);
    await history.reaches(ids.slow ?? "", "FAILURE");
    expect(await history.transitions(ids.slow ?? "")).toEqual([
      ...["PENDING -> RUNNING 1", "RUNNING -> PENDING 1 EXECUTION_TIMEOUT"],
      ...["PENDING -> RUNNING 2", "RUNNING -> FAILURE 2 EXECUTION_TIMEOUT"],
    ]);
    expect(await history.transitions(ids.child ?? "")).toEqual(["WAITING -> FAILURE 0 DEPENDENCY"]);
    const [, end] = await history.events(ids.child ?? "");
    const failure = end?.payload.case === "taskStatusChanged" ? end.payload.value.failure : undefined;
    expect(failure?.message).toBe('dependency "slow" ended as FAILURE');
  });

  test("keep what an attempt said though the task has gone on since", async () => {
    const { kind, taskId } = await history.single({ retry: { maxAttempts: 9, initialBackoff: ms(0) } });
    for (const message of ["one", "two", "three"]) await history.fail(await history.claim(kind), { message });
    await history.report(await history.claim(kind), "success");
    const messages = (await history.events(taskId)).flatMap(({ payload }) =>
      payload.case === "taskStatusChanged" && payload.value.failure !== undefined
        ? [payload.value.failure.message]
        : [],
    );
    expect(messages).toEqual(["one", "two", "three"]);
  });

  test("of several ends by hand say each why", async () => {
    const { taskId } = await history.single();
    for (const reason of ["one", "two", "three"]) {
      await cancel(taskId, reason);
      await server.client.tasks.retryTasks({ taskIds: [taskId] });
    }
    const reasons = (await history.events(taskId)).flatMap(({ payload }) =>
      payload.case === "taskStatusChanged" && payload.value.to === TaskStatus.CANCELED
        ? [payload.value.cancelReason]
        : [],
    );
    expect(reasons).toEqual(["one", "two", "three"]);
    expect(await lines(taskId)).toEqual(["0 | CANCELED | one", "0 | CANCELED | two", "0 | CANCELED | three"]);
  });
});

describe("Task.failure", () => {
  test("is that of the last attempt that failed: while it backs off, runs again, and has ended", async () => {
    const { kind, taskId } = await history.single({ retry: { maxAttempts: 3, initialBackoff: ms(0) } });
    const failure = async () => (await server.task(taskId)).failure?.message;
    expect(await failure()).toBeUndefined();
    const first = await history.claim(kind);
    expect(await failure()).toBeUndefined();
    await history.fail(first, { message: "one" });
    expect(await failure()).toBe("one");
    const second = await history.claim(kind);
    expect(await failure()).toBe("one");
    await history.fail(second, { message: "two" });
    expect(await failure()).toBe("two");
    const { tasks } = await server.client.tasks.listTasks({ kinds: [kind] });
    expect(tasks[0]?.failure?.message).toBe("two");
    await server.client.tasks.pauseTasks({ taskIds: [taskId] });
    expect(await failure()).toBe("two");
  });

  test("is that of the whole task where it ran out of time between two attempts", async () => {
    const { kind, taskId } = await history.single({
      totalTimeout: ms(1_500),
      retry: { maxAttempts: 3, initialBackoff: hour },
    });
    await history.fail(await history.claim(kind), { message: "one" });
    const task = await history.reaches(taskId, "FAILURE");
    expect(task.failure).toMatchObject({ cause: FailureCause.TOTAL_TIMEOUT });
    expect(between(task.createTime, task.endTime)).toBeGreaterThanOrEqual(1_500);
  });

  test("says nothing of an attempt that failed before the task was run again by hand and succeeded at once", async () => {
    const [kind, other] = [newKind(), newKind()];
    const { ids } = await server.graph([
      { key: "parent", name: "parent", kind },
      { key: "child", name: "child", kind: other, dependencies: dependsOn("parent") },
    ]);
    await history.fail(await history.claim(kind));
    await server.client.tasks.retryTasks({ taskIds: [ids.parent ?? ""], withDependents: true });
    const waiting = await server.task(ids.child ?? "");
    expect([waiting.status, waiting.failure]).toEqual([TaskStatus.WAITING, undefined]);
    await history.report(await history.claim(kind), "success");
    await history.report(await history.claim(other), "success");
    expect((await server.task(ids.child ?? "")).failure).toBeUndefined();
    expect(
      (await history.attempts(ids.child ?? "")).map(({ attempt, status }) => [attempt, TaskStatus[status]]),
    ).toEqual([
      ...[
        [0, "FAILURE"],
        [1, "SUCCESS"],
      ],
    ]);
  });
});

test("a watcher sees the failure of an attempt at once, and the history agrees with what it saw", async () => {
  const { kind, taskId } = await history.single({ retry: { maxAttempts: 4, initialBackoff: ms(0) } });
  const seen: string[] = [];
  const stop = new AbortController();
  const open = Promise.withResolvers<void>();
  const watching = (async () => {
    const stream = server.client.events.watchEvents(
      { filter: { taskIds: [taskId] }, snapshot: true },
      { signal: stop.signal },
    );
    for await (const { message } of stream) {
      // What fails before the snapshot is not told as an event.
      open.resolve();
      if (message.case !== "events") continue;
      for (const { payload } of message.value.events)
        if (payload.case === "taskStatusChanged" && payload.value.failure !== undefined)
          seen.push(`${payload.value.attempt} ${payload.value.failure.message}`);
    }
  })().catch(open.reject);
  await open.promise;
  for (const n of [1, 2, 3, 4]) await history.fail(await history.claim(kind), { message: `try ${n}` });
  await eventually(async () => (seen.length >= 4 ? true : undefined), "all failures");
  stop.abort();
  await watching;
  const kept = (await history.attempts(taskId)).map(({ attempt, failure }) => `${attempt} ${failure?.message}`);
  expect(seen).toEqual(kept);
});

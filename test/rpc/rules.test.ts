import { TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { eventually, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

type Rule = NonNullable<TaskInit["rules"]>[number];
const concurrency = (kind: string, value: number, fields: string[] = []): Rule => ({
  ...{ name: `at most ${value}`, matcher: { kind, fields }, limit: { case: "maxConcurrency", value } },
});
const capacity = (kind: string, value: bigint, fields: string[] = []): Rule => ({
  ...{ matcher: { kind, fields }, limit: { case: "maxCapacity", value } },
});
const rate = (kind: string, count: number, seconds: number): Rule => ({
  matcher: { kind },
  limit: { case: "rate", value: { count, window: { seconds: BigInt(seconds) } } },
});

async function create(tasks: readonly TaskInit[]): Promise<string[]> {
  return (await server.client.tasks.createTasks({ tasks: [...tasks] })).tasks.map((task) => task.taskId);
}

const claim = (kind: string, maxTasks: number) => server.claim(kind, { max: maxTasks });

test("no more tasks hold a key than its rule lets in, and each end lets in the next, the most urgent first", async () => {
  const kind = newKind();
  const task = (name: string, priority = 0): TaskInit => ({ name, kind, priority, rules: [concurrency(kind, 2)] });
  await create([task("a"), task("b"), task("c"), task("d"), task("urgent", 5)]);
  const first = await claim(kind, 10);
  expect(first.map(({ task }) => task?.name)).toEqual(["urgent", "a"]);
  expect(await claim(kind, 10)).toEqual([]);
  await server.succeed(first[0] as never);
  const second = await claim(kind, 10);
  expect(second.map(({ task }) => task?.name)).toEqual(["b"]);
  expect(await claim(kind, 10)).toEqual([]);
  await checkInvariants(server.setup.database.url);
});

test("a key is made of the values of fields: each has its own limit, tasks of other kinds may share it", async () => {
  const [kind, other] = [newKind(), newKind()];
  const task = (tenant: string, of = kind): TaskInit => ({
    ...{ name: tenant, kind: of, metadata: { tenant, extra: of }, rules: [concurrency(kind, 1, ["tenant"])] },
  });
  await create([task("a"), task("a"), task("b"), task("a", other), task("c", other)]);
  expect((await claim(kind, 10)).map(({ task }) => task?.name)).toEqual(["a", "b"]);
  expect((await claim(other, 10)).map(({ task }) => task?.name)).toEqual(["c"]);
  await checkInvariants(server.setup.database.url);
});

test("all rules of a task must let it in, and one that is blocked by one of them takes nothing of the others", async () => {
  const kind = newKind();
  const both = [concurrency(`${kind}-wide`, 2), concurrency(`${kind}-narrow`, 1)];
  await create([
    { name: "both-1", kind, rules: both },
    { name: "both-2", kind, rules: both },
    { name: "wide", kind, rules: [both[0] as Rule] },
  ]);
  expect((await claim(kind, 10)).map(({ task }) => task?.name)).toEqual(["both-1", "wide"]);
  await checkInvariants(server.setup.database.url);
});

test("capacity lets in while the remaining work of those that run is below it; counts make room", async () => {
  const kind = newKind();
  const task = (name: string, expectedCount: bigint): TaskInit => ({
    ...{ name, kind, expectedCount, rules: [capacity(kind, 10n)] },
  });
  await create([task("a", 6n), task("b", 100n), task("c", 1n), task("d", 1n)]);
  const running = await claim(kind, 10);
  expect(running.map(({ task }) => task?.name)).toEqual(["a", "b"]);
  expect(await claim(kind, 10)).toEqual([]);
  const big = running[1];
  await server.client.tasks.reportTasks({
    reports: [
      { taskId: big?.task?.taskId ?? "", attempt: 1, report: { case: "heartbeat", value: {} }, addSuccessCount: 98n },
    ],
  });
  expect((await claim(kind, 10)).map(({ task }) => task?.name)).toEqual(["c", "d"]);
  await checkInvariants(server.setup.database.url);
});

test("a rate lets in so many starts per window, and the next when the window has room", async () => {
  const kind = newKind();
  await create(Array.from({ length: 5 }, (_, n) => ({ name: `t${n}`, kind, rules: [rate(kind, 2, 2)] })));
  const first = await claim(kind, 10);
  expect(first.map(({ task }) => task?.name)).toEqual(["t0", "t1"]);
  for (const each of first) await server.succeed(each);
  expect(await claim(kind, 10)).toEqual([]);
  const next = await server.claim(kind, { max: 10, waitMs: 20_000 });
  expect(next.map(({ task }) => task?.name)).toEqual(["t2", "t3"]);
  const started = [...first, ...next].map(
    ({ task }) => Number(task?.claimTime?.seconds) + Number(task?.claimTime?.nanos) / 1e9,
  );
  expect((started[2] ?? 0) - (started[0] ?? 0)).toBeGreaterThanOrEqual(2);
  await checkInvariants(server.setup.database.url);
});

test("whatever becomes of a task, what it held is free: failure, cancel, retry, lost lease, a stopped batch", async () => {
  const kind = newKind();
  const rules = [concurrency(kind, 1)];
  const retry = { maxAttempts: 2, initialBackoff: { seconds: 0n, nanos: 1_000_000 }, jitter: 0 };
  const ids = await create([
    { name: "fails twice", kind, rules, retry },
    { name: "is canceled", kind, rules },
    { name: "loses its lease", kind, rules },
    { name: "succeeds", kind, rules },
  ]);
  const one = async () => {
    const [assignment, ...others] = await server.claim(kind, { max: 5, waitMs: 20_000, lease: { seconds: 1n } });
    expect(others).toEqual([]);
    return assignment;
  };
  const seen: string[] = [];
  for (let n = 0; n < 12 && !seen.includes("succeeds"); n += 1) {
    const assignment = await one();
    const name = assignment?.task?.name ?? "";
    seen.push(name);
    const { taskId = "" } = assignment?.task ?? {};
    if (name === "fails twice") await server.fail(assignment as never);
    if (name === "is canceled") await server.client.tasks.cancelTasks({ taskIds: [taskId] });
    // A lease that is not extended runs out; three times it is handed out again, then it has failed.
    if (name === "succeeds") await server.succeed(assignment as never);
  }
  expect(seen.filter((name) => name === "fails twice").length).toBe(2);
  expect(seen).toContain("succeeds");
  const last = await server.client.tasks.getTask({ taskId: ids[2] ?? "" });
  expect(last.task?.status).toBe(TaskStatus.FAILURE);
  await checkInvariants(server.setup.database.url);
});

test("tasks that come into an open batch bring its first rules", async () => {
  const kind = newKind();
  const task = (name: string): TaskInit => ({ name, kind, rules: [concurrency(kind, 1)] });
  const { batchId } = await server.graph([], { open: true });
  const tasks = [task("a"), task("b")];
  await server.client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks });
  const [first, ...others] = await claim(kind, 10);
  expect([first?.task?.name, others]).toEqual(["a", []]);
  await server.succeed(first as never);
  expect((await claim(kind, 10)).map(({ task }) => task?.name)).toEqual(["b"]);
  await server.client.batches.stopBatch({ batchId });
  await checkInvariants(server.setup.database.url);
});

test("rules that do not go with a task are refused by their path, at create and at update, and nothing changes", async () => {
  const kind = newKind();
  const invalid = (field: string) => ({ code: "InvalidArgument" as const, reason: "INVALID_FIELD", fields: [field] });
  // Timers of other tasks may come and go meanwhile.
  const written = async () => {
    const { task, task_state, batch, batch_state, request, ready } = await server.rows();
    return { task, task_state, batch, batch_state, request, ready };
  };
  const rows = await written();
  const create = (task: Partial<TaskInit>) =>
    server.client.tasks.createTasks({ tasks: [{ name: "x", kind, ...task } as TaskInit] });
  await expectRefusal(
    create({ metadata: { a: 1 }, rules: [concurrency(kind, 1, ["a", "b"])] }),
    invalid("tasks[0].rules[0].matcher.fields[1]"),
  );
  await expectRefusal(create({ rules: [capacity(kind, 5n)] }), invalid("tasks[0].rules[0].max_capacity"));
  await expectRefusal(create({ rules: [concurrency(kind, 0)] }), invalid("tasks[0].rules[0].max_concurrency"));
  await expectRefusal(
    create({ execution: { case: "join", value: {} }, rules: [concurrency(kind, 1)] }),
    invalid("tasks[0].rules"),
  );
  expect(await written()).toEqual(rows);
  const { tasks } = await server.client.tasks.createTasks({
    tasks: [{ name: "x", kind, metadata: { a: 1 }, rules: [concurrency(kind, 1, ["a"])] }],
  });
  const taskId = tasks[0]?.taskId ?? "";
  const update = (paths: string[], task: object) =>
    server.client.tasks.updateTask({ task: { taskId, ...task }, updateMask: { paths } });
  await expectRefusal(update(["metadata"], { metadata: { b: 1 } }), invalid("task.rules[0].matcher.fields[0]"));
  await expectRefusal(update(["rules"], { rules: [capacity(kind, 5n)] }), invalid("task.rules[0].max_capacity"));
  const { task } = await server.client.tasks.getTask({ taskId });
  expect(task?.rules).toMatchObject([{ limit: { case: "maxConcurrency", value: 1 } }]);
  expect(task?.metadata).toEqual({ a: 1 });
});

test("UpdateTask gives a task other rules, and takes them away", async () => {
  const kind = newKind();
  const ids = await create(["a", "b"].map((name) => ({ name, kind, rules: [concurrency(kind, 1)] })));
  expect((await claim(kind, 5)).map(({ task }) => task?.name)).toEqual(["a"]);
  await server.client.tasks.updateTask({ task: { taskId: ids[1] ?? "", rules: [] }, updateMask: { paths: ["rules"] } });
  expect((await claim(kind, 5)).map(({ task }) => task?.name)).toEqual(["b"]);
  await checkInvariants(server.setup.database.url);
});

test("UpdateBatchRules changes the limit of tasks that wait, says before what it would do, and leaves holders alone", async () => {
  const kind = newKind();
  const created = await server.client.tasks.createTasks({
    tasks: Array.from({ length: 6 }, (_, n) => ({ name: `t${n}`, kind, rules: [concurrency(kind, 1)] })),
  });
  const batchId = created.batch?.batchId ?? "";
  expect((await claim(kind, 10)).length).toBe(1);
  const change = { batchId, kind, rules: [concurrency(kind, 4)], reason: "more machines" };
  const planned = await server.client.batches.updateBatchRules({ ...change, validateOnly: true });
  expect(planned).toMatchObject({ updated: 6n, wouldStart: 3n, wouldWait: 2n });
  expect(await claim(kind, 10)).toEqual([]);
  const done = await server.client.batches.updateBatchRules({ ...change, requestId: `${kind}-1` });
  expect(done).toMatchObject({ updated: 6n, wouldStart: 3n, wouldWait: 2n });
  expect((await claim(kind, 10)).length).toBe(3);
  expect(await server.client.batches.updateBatchRules({ ...change, requestId: `${kind}-1` })).toMatchObject({
    updated: 6n,
  });
  await expectRefusal(server.client.batches.updateBatchRules({ ...change, etag: "old" }), {
    ...{ code: "Aborted", reason: "ETAG_MISMATCH" },
  });
  const refused = await expectRefusal(
    server.client.batches.updateBatchRules({ ...change, rules: [concurrency(kind, 4, ["tenant"])] }),
    { code: "InvalidArgument", reason: "INVALID_FIELD" },
  );
  expect(refused.fields).toEqual(["rules[0].matcher.fields[0]"]);
  // Once, however often the call is repeated, and not what was only looked at or refused.
  const history = await server.query<{ kind: string; reason: string; updated: number; rules: string }>(
    "select c.kind, c.reason, c.updated, c.rules from rule_change c join queue q on q.kind = c.kind where q.kind = $1",
    [kind],
  );
  expect(history).toMatchObject([{ kind, reason: "more machines", updated: 6 }]);
  expect(JSON.parse(history[0]?.rules ?? "")).toMatchObject([{ maxConcurrency: 4 }]);
  await server.client.batches.stopBatch({ batchId });
  await checkInvariants(server.setup.database.url);
});

test("UpdateBatchRules passes over joins, which do no work", async () => {
  const kind = newKind();
  const { ids, batchId } = await server.graph([
    { key: "a", name: "a", kind },
    {
      ...{ key: "join", name: "join", kind, execution: { case: "join", value: {} } },
      dependencies: [{ parent: { case: "key", value: "a" } }],
    },
  ]);
  const changed = await server.client.batches.updateBatchRules({ batchId, kind, rules: [concurrency(kind, 1)] });
  expect(changed.updated).toBe(1n);
  const { task } = await server.client.tasks.getTask({ taskId: ids.join ?? "" });
  expect(task?.rules).toEqual([]);
  await server.succeed(...(await claim(kind, 5)));
  expect(await server.status(ids.join ?? "")).toBe("SUCCESS");
});

test("ListRuleUsage tells of each key what is in use and who waits, the longest queue first", async () => {
  const kind = newKind();
  const task = (tenant: string): TaskInit => ({
    ...{ name: tenant, kind, metadata: { tenant }, rules: [concurrency(kind, 1, ["tenant"])] },
  });
  await create([task("a"), task("b"), task("b"), task("b"), task("a")]);
  await claim(kind, 10);
  const { usages } = await server.client.batches.listRuleUsage({ kind });
  expect(usages.map(({ key, inUse, limit, queuedCount }) => [key, inUse, limit, queuedCount])).toEqual([
    [JSON.stringify([kind, { tenant: "b" }]), 1n, 1n, 2n],
    [JSON.stringify([kind, { tenant: "a" }]), 1n, 1n, 1n],
  ]);
  expect(usages[0]?.oldestQueueTime).toBeDefined();
  const page = await server.client.batches.listRuleUsage({ kind, pageSize: 1 });
  expect(page.usages.length).toBe(1);
  const rest = await server.client.batches.listRuleUsage({ kind, pageSize: 1, pageToken: page.nextPageToken });
  expect([rest.usages[0]?.key, rest.nextPageToken]).toEqual([JSON.stringify([kind, { tenant: "a" }]), ""]);
});

test("ExplainTask names what keeps a task from running, whatever it is", async () => {
  const kind = newKind();
  const later = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3600) };
  const { ids } = await server.graph([
    { key: "holder", name: "holder", kind, rules: [concurrency(kind, 1)] },
    { key: "blocked", name: "blocked", kind, rules: [concurrency(kind, 1)] },
    { key: "behind", name: "behind", kind, rules: [concurrency(kind, 1)] },
    { key: "child", name: "child", kind, dependencies: [{ parent: { case: "key", value: "holder" } }] },
    { key: "delayed", name: "delayed", kind: `${kind}-later`, startTime: later },
    { key: "nobody", name: "nobody", kind: `${kind}-nobody` },
  ]);
  const explain = async (key: string) =>
    (await server.client.tasks.explainTask({ taskId: ids[key] ?? "" })).blockers.map(({ blocker }) => blocker);
  await claim(kind, 10);
  expect(await explain("holder")).toEqual([]);
  expect(await explain("behind")).toMatchObject([
    {
      case: "rule",
      value: {
        ...{ key: JSON.stringify([kind, {}]), inUse: 1n, limit: 1n, queuePosition: 2n },
        holders: [{ taskId: ids.holder, amount: 1n }],
      },
    },
  ]);
  expect(await explain("child")).toMatchObject([
    {
      case: "dependencies",
      value: { unmetCount: 1n, totalCount: 1n, parents: [{ taskId: ids.holder, key: "holder" }] },
    },
  ]);
  expect(await explain("delayed")).toMatchObject([{ case: "startTime", value: later }]);
  expect(await explain("nobody")).toMatchObject([
    { case: "noWorker", value: { kind: `${kind}-nobody`, kindCount: 0n } },
  ]);
  await server.client.tasks.pauseTasks({ taskIds: [ids.blocked ?? ""] });
  expect((await explain("blocked"))[0]).toMatchObject({ case: "paused", value: { task: true, batch: false } });
  await expectRefusal(server.client.tasks.explainTask({ taskId: "01900000-0000-7000-8000-000000000000" }), {
    ...{ code: "NotFound", reason: "TASK_NOT_FOUND" },
  });
});

test("what is blocked does not hold up what is free, however much it is", async () => {
  const kind = newKind();
  const rules = [concurrency(kind, 1)];
  await create(Array.from({ length: 3_000 }, (_, n) => ({ name: `b${n}`, kind, priority: 100, rules })));
  expect((await claim(kind, 1)).length).toBe(1);
  await create([{ name: "free", kind }]);
  const [free] = await eventually(async () => {
    const found = await claim(kind, 5);
    return found.length > 0 ? found : undefined;
  }, "the free task");
  expect(free?.task?.name).toBe("free");
  const ready = await server.query("select from ready r join queue q on q.id = r.queue where q.kind = $1", [kind]);
  expect(ready.length).toBeLessThanOrEqual(1);
});

import { fromJson, toJson } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Event, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { dependsOn, eventually, newKind, type SharedServer, sharedServer } from "./shared-server.ts";

const server = sharedServer();

/** The moves of a task as the feed tells them: the commit, from and to. */
async function movesOf(taskId: string, count: number): Promise<{ commit: string; move: string }[]> {
  const commit = ({ eventId }: Event): string => eventId.split("-")[0] ?? "";
  const name = (status: number): string => TaskStatus[status] ?? "";
  return (await server.events(count, { taskIds: [taskId] })).map((event) => {
    const { payload } = event;
    if (payload.case === "taskCreated") return { commit: commit(event), move: `created ${name(payload.value.status)}` };
    if (payload.case !== "taskStatusChanged") return { commit: commit(event), move: payload.case ?? "" };
    return { commit: commit(event), move: `${name(payload.value.from)} -> ${name(payload.value.to)}` };
  });
}

/** Begins a claim that waits, and resolves when it is in line: its first look has found nothing. */
async function waitingClaim(kind: string, options: Parameters<SharedServer["claim"]>[1] = {}) {
  const before = await claimsWaiting();
  const answer = server.claim(kind, { waitMs: 30_000, ...options });
  await eventually(async () => (await claimsWaiting()) > before || undefined, "the claim to wait");
  // One more look by somebody else of the same kind is answered after the first look of who came before.
  expect(await server.claim(kind, { workerId: "bystander" })).toEqual([]);
  return { answer };
}

async function claimsWaiting(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^millpond_claims_waiting (\d+)/m.exec(text)?.[1]);
}

const readyRows = async (): Promise<number> => Number((await server.query("select from ready")).length);

test("who waits is handed a child in the very commit that ends its parent", async () => {
  const [kind, childKind] = [newKind(), newKind()];
  const { ids } = await server.graph([
    { key: "parent", name: "parent", kind },
    { key: "child", name: "child", kind: childKind, dependencies: dependsOn("parent") },
  ]);
  const { answer } = await waitingClaim(childKind, { workerId: "patient" });
  await server.succeed(await server.claimOne(kind));
  const [assignment] = await answer;
  expect(assignment).toMatchObject({ attempt: 1, parents: { parent: { status: TaskStatus.SUCCESS } } });
  expect(assignment?.task).toMatchObject({ taskId: ids.child, status: TaskStatus.RUNNING, workerId: "patient" });
  const [, pending, running] = await movesOf(ids.child ?? "", 3);
  expect([pending?.move, running?.move]).toEqual(["WAITING -> PENDING", "PENDING -> RUNNING"]);
  expect(running?.commit).toBe(pending?.commit);
  const [, , ended] = await movesOf(ids.parent ?? "", 3);
  expect(running?.commit).toBe(ended?.commit);
  if (assignment !== undefined) await server.succeed(assignment);
});

test.each([
  { title: "with all that was given, and what its parents left", input: 100, parents: 3 },
  { title: "with more input than the commit tells", input: 100_000, parents: 1 },
  { title: "with more parents than the commit tells of", input: 0, parents: 17 },
  { title: "with larger outputs than the commit tells", input: 0, parents: 16, left: 100_000 },
])("a child is handed over as a read tells of it: $title", async ({ input, parents, left: length = 1 }) => {
  const [kind, childKind] = [newKind(), newKind()];
  const keys = Array.from({ length: parents }, (_, n) => `parent ${n} Ä`);
  const { ids } = await server.graph([
    ...keys.map((key) => ({ key, name: key, kind })),
    {
      ...{ key: "child", name: 'a "child" \\ 子', kind: childKind, priority: -7, expectedCount: 2n ** 62n },
      ...{ metadata: { text: "ü\u2028", none: null, deep: [1.5, { yes: true }] }, startTime: timestampFromMs(1_000) },
      ...{ input: fromJson(ValueSchema, { large: "x".repeat(input), n: [-0.25, null] }), critical: true },
      ...{ inactivityTimeout: durationFromMs(90_000), totalTimeout: durationFromMs(31_622_400_000) },
      dependencies: keys.map((key) => dependsOn(key)[0] as never),
    },
  ]);
  const { answer } = await waitingClaim(childKind, { workerId: "patient" });
  const claimed = await server.claim(kind, { max: parents });
  const left = (n: number) => (n === 0 ? null : { n, text: "é".repeat(length) });
  for (const [n, { task, attempt }] of claimed.entries()) {
    const report = { case: "success" as const, value: { output: fromJson(ValueSchema, left(n)) } };
    await server.client.tasks.reportTasks({ reports: [{ taskId: task?.taskId ?? "", attempt, report }] });
  }
  const [assignment] = await answer;
  const { task } = await server.client.tasks.getTask({ taskId: ids.child ?? "" });
  expect(task).toMatchObject({ status: TaskStatus.RUNNING, attempt: 1, expectedCount: 2n ** 62n, priority: -7 });
  expect(assignment?.task).toEqual(task);
  expect(assignment?.leaseExpireTime).toEqual(task?.leaseExpireTime);
  const outputs = Object.fromEntries(
    Object.entries(assignment?.parents ?? {}).map(([key, { taskId, status, output }]) => [
      key,
      { taskId, status, output: output && toJson(ValueSchema, output) },
    ]),
  );
  expect(outputs).toEqual(
    Object.fromEntries(
      claimed.map(({ task: parent }, n) => [
        parent?.key,
        {
          ...{ taskId: parent?.taskId, status: TaskStatus.SUCCESS },
          output: left(n),
        },
      ]),
    ),
  );
  if (assignment !== undefined) await server.succeed(assignment);
});

test("who waits is handed a new task in the commit that creates it, and the answer says that it runs", async () => {
  const kind = newKind();
  await server.graph([{ key: "known", name: "known", kind }]);
  await server.succeed(await server.claimOne(kind));
  const { answer } = await waitingClaim(kind, { workerId: "patient" });
  const created = await server.client.tasks.createTasks({ tasks: [{ name: "new", kind }] });
  expect(created.tasks[0]?.status).toBe(TaskStatus.RUNNING);
  expect(Object.fromEntries(Object.entries(created.batch?.stats?.byStatus ?? {}))).toMatchObject({ RUNNING: 1n });
  const [assignment] = await answer;
  expect(assignment?.task).toMatchObject({ taskId: created.tasks[0]?.taskId, workerId: "patient", attempt: 1 });
  expect(assignment?.task?.claimTime).toEqual(created.batch?.createTime);
  const moves = await movesOf(created.tasks[0]?.taskId ?? "", 2);
  expect(moves.map(({ move }) => move)).toEqual(["created PENDING", "PENDING -> RUNNING"]);
  expect(new Set(moves.map(({ commit }) => commit)).size).toBe(1);
  expect(await readyRows()).toBe(0);
  if (assignment !== undefined) await server.succeed(assignment);
});

test("places go to the most urgent; what finds none is queued, and claimed by whoever comes next", async () => {
  const [kind, childKind] = [newKind(), newKind()];
  const child = (key: string, priority: number) => ({
    ...{ key, name: key, kind: childKind, priority, dependencies: dependsOn("parent") },
  });
  await server.graph([
    { key: "parent", name: "parent", kind },
    ...[child("low", -1), child("high", 5), child("middle", 0), child("highest", 9)],
  ]);
  const first = await waitingClaim(childKind, { workerId: "one", max: 1 });
  const second = await waitingClaim(childKind, { workerId: "two", max: 2 });
  await server.succeed(await server.claimOne(kind));
  const keys = async (of: typeof first) => (await of.answer).map(({ task }) => task?.key);
  expect([await keys(first), await keys(second)]).toEqual([["highest"], ["high", "middle"]]);
  expect((await server.claim(childKind, { max: 9 })).map(({ task }) => task?.key)).toEqual(["low"]);
});

test("nothing is handed over while a batch is held, nor before its start time, nor without the required labels", async () => {
  const [kind, childKind] = [newKind(), newKind()];
  const held = await server.graph([
    { key: "parent", name: "parent", kind },
    { key: "child", name: "child", kind: childKind, dependencies: dependsOn("parent") },
  ]);
  const parent = await server.claimOne(kind);
  const { answer } = await waitingClaim(childKind);
  await server.client.batches.pauseBatch({ batchId: held.batchId });
  await server.succeed(parent);
  const { ids: later } = await server.graph([
    {
      key: "later",
      name: "later",
      kind: childKind,
      startTime: { seconds: BigInt(Math.ceil(Date.now() / 1000) + 600) },
    },
    {
      key: "gpu",
      name: "gpu",
      kind: childKind,
      execution: { case: "worker", value: { requiredLabels: { gpu: "a" } } },
    },
  ]);
  expect(await server.status(held.ids.child ?? "")).toBe("PENDING");
  expect(await server.status(later.later ?? "")).toBe("PENDING");
  expect(await server.status(later.gpu ?? "")).toBe("PENDING");
  await server.client.batches.resumeBatch({ batchId: held.batchId });
  expect((await answer).map(({ task }) => task?.taskId)).toEqual([held.ids.child]);
});

test("a worker of several kinds gets no more than it asked for, and one that has gone gets nothing", async () => {
  const [kind, one, two] = [newKind(), newKind(), newKind()];
  const child = (key: string, of: string) => ({ key, name: key, kind: of, dependencies: dependsOn("parent") });
  await server.graph([{ key: "parent", name: "parent", kind }, ...[child("a", one), child("b", two), child("c", one)]]);
  const gone = new AbortController();
  const abandoned = server.client.workers
    .claimTasks({ workerId: "gone", kinds: [one], waitTimeout: { seconds: 30n } }, { signal: gone.signal })
    .catch(() => undefined);
  await eventually(async () => (await claimsWaiting()) > 0 || undefined, "the claim to wait");
  gone.abort();
  await abandoned;
  await eventually(async () => (await claimsWaiting()) === 0 || undefined, "the claim to be gone");
  const both = server.client.workers.claimTasks({
    ...{ workerId: "both", kinds: [one, two], maxTasks: 2, waitTimeout: { seconds: 30n } },
  });
  await eventually(async () => (await claimsWaiting()) > 0 || undefined, "the claim to wait");
  await server.succeed(await server.claimOne(kind));
  expect((await both).assignments).toHaveLength(2);
  const left = await Promise.all([one, two].map((each) => server.claim(each, { max: 9 })));
  expect(left.flat()).toHaveLength(1);
});

test("the metrics tell what was handed over in a commit, and what came from a queue", async () => {
  const handedOut = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const found = text.matchAll(/^millpond_tasks_handed_out_total\{from="(\w+)"\} (\d+)/gm);
    return Object.fromEntries([...found].map(([, from = "", count]) => [from, Number(count)]));
  };
  const before = await handedOut();
  const kind = newKind();
  await server.graph([{ key: "queued", name: "queued", kind }]);
  await server.succeed(await server.claimOne(kind));
  const { answer } = await waitingClaim(kind);
  await server.graph([{ key: "handed over", name: "handed over", kind }]);
  await server.succeed(...(await answer));
  const after = await handedOut();
  const grown = ["commit", "queue"].map((from) => (after[from] ?? 0) - (before[from] ?? 0));
  expect(grown).toEqual([1, 1]);
});

test("the tables are consistent after all of it", async () => {
  await checkInvariants(server.setup.database.url);
});

import { type Assignment, type Event, TaskStatus } from "@millpond/sdk";
import { afterEach, expect, test } from "vitest";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { eventually, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();
let batches: string[] = [];

type Rule = NonNullable<TaskInit["rules"]>[number];
const atMost = (kind: string, value: number, fields: string[] = []): Rule => ({
  ...{ matcher: { kind, fields }, limit: { case: "maxConcurrency", value } },
});

/** Creates tasks in a new batch; it is stopped when the test has ended, so that nothing stays blocked. */
async function create(tasks: readonly TaskInit[], { paused = false, requestId = "" } = {}) {
  const target = { case: "newBatch", value: { paused } } as const;
  const created = await server.client.tasks.createTasks({ target, tasks: [...tasks], requestId });
  batches.push(created.batch?.batchId ?? "");
  return created;
}

const statusesOf = (created: Awaited<ReturnType<typeof create>>): string[] =>
  created.tasks.map(({ status }) => TaskStatus[status]);

afterEach(async () => {
  for (const batchId of new Set(batches)) await server.client.batches.stopBatch({ batchId });
  batches = [];
  expect(await server.query("select from blocked")).toEqual([]);
  await checkInvariants(server.setup.database.url);
});

async function claimsWaiting(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^millpond_claims_waiting (\d+)/m.exec(text)?.[1]);
}

/** A new kind whose queue exists. */
async function knownKind(): Promise<string> {
  const kind = newKind();
  await server.graph([{ key: "known", name: "known", kind }]);
  await server.succeed(await server.claimOne(kind));
  return kind;
}

/** Begins a claim, and resolves when it is in line: its first look has found nothing. */
async function waitingClaim(kind: string, max: number, options: Parameters<typeof server.claim>[1] = {}) {
  const before = await claimsWaiting();
  const answer = server.claim(kind, { waitMs: 50_000, max, workerId: "patient", ...options });
  await eventually(async () => (await claimsWaiting()) > before || undefined, "the claim to wait");
  // Of the same kind, another one is answered after the first look of who came before.
  expect(await server.claim(kind, { workerId: "bystander" })).toEqual([]);
  return { answer };
}

/** What is in use of the only key of a kind; of a key that nobody holds, nothing is told. */
async function inUse(kind: string): Promise<bigint> {
  return (await server.client.batches.listRuleUsage({ kind })).usages[0]?.inUse ?? 0n;
}

/** How often tasks were handed out, and from where. */
async function handedOut(from: "commit" | "queue"): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^millpond_tasks_handed_out_total\\{from="${from}"\\} (\\d+)`, "m").exec(text)?.[1] ?? 0);
}

const names = (assignments: readonly Assignment[]) => assignments.map(({ task }) => task?.name).toSorted();

/** Each change of a status, with the number of the commit. */
async function movesOf(taskId: string, count: number): Promise<{ commit: string | undefined; move: string }[]> {
  const move = ({ payload }: Event): string => {
    if (payload.case === "taskCreated") return `created ${TaskStatus[payload.value.status]}`;
    if (payload.case !== "taskStatusChanged") return payload.case ?? "";
    const { from, to, attempt, workerId } = payload.value;
    return `${TaskStatus[from]} -> ${TaskStatus[to]} ${attempt} ${workerId}`;
  };
  return (await server.events(count, { taskIds: [taskId] })).map((event) => ({
    ...{ commit: event.eventId.split("-")[0], move: move(event) },
  }));
}

test("who waits is handed new tasks with rules in the commit that creates them, and they hold its keys", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 5);
  const rules = [atMost(`${kind}-all`, 9), atMost(kind, 3, ["tenant"])];
  const before = await handedOut("commit");
  const created = await create(["a", "b", "a"].map((tenant) => ({ name: tenant, kind, metadata: { tenant }, rules })));
  expect(statusesOf(created)).toEqual(["RUNNING", "RUNNING", "RUNNING"]);
  expect(created.batch?.stats?.byStatus).toMatchObject({ RUNNING: 3n });
  const claimed = await answer;
  expect(names(claimed)).toEqual(["a", "a", "b"]);
  expect((await handedOut("commit")) - before).toBe(3);
  for (const { task } of claimed) expect(task).toEqual(await server.task(task?.taskId ?? ""));
  const { usages } = await server.client.batches.listRuleUsage({ kind });
  expect(usages.map(({ key, inUse }) => [key, inUse]).toSorted()).toEqual([
    [JSON.stringify([kind, { tenant: "a" }]), 2n],
    [JSON.stringify([kind, { tenant: "b" }]), 1n],
  ]);
  const moves = await movesOf(claimed[0]?.task?.taskId ?? "", 2);
  expect(moves.map(({ move }) => move)).toEqual(["created PENDING", "PENDING -> RUNNING 1 patient"]);
  expect(moves[0]?.commit).toBe(moves[1]?.commit);
  expect(await inUse(`${kind}-all`)).toBe(3n);
  await server.succeed(...claimed.slice(0, 2));
  expect(await inUse(`${kind}-all`)).toBe(1n);
  await server.fail(claimed[2] as Assignment);
  expect(await inUse(`${kind}-all`)).toBe(0n);
});

test("what waits for a task that runs since its creation is told so, and is next", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 1);
  const first = await create([{ name: "first", kind, rules: [atMost(kind, 1)] }]);
  expect(statusesOf(first)).toEqual(["RUNNING"]);
  const second = await create([{ name: "second", kind, rules: [atMost(kind, 1)] }]);
  expect(statusesOf(second)).toEqual(["PENDING"]);
  const { blockers } = await server.client.tasks.explainTask({ taskId: second.tasks[0]?.taskId ?? "" });
  expect(blockers.map(({ blocker }) => blocker)).toMatchObject([
    { case: "rule", value: { inUse: 1n, holders: [{ taskId: first.tasks[0]?.taskId, amount: 1n }] } },
  ]);
  expect(await server.claim(kind)).toEqual([]);
  await server.succeed(...(await answer));
  expect(names(await server.claim(kind))).toEqual(["second"]);
});

test("a lease that is lost gives back what its task has held since its creation", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 1, { lease: { seconds: 1n } });
  const created = await create([{ name: "t", kind, rules: [atMost(kind, 1)] }]);
  expect(statusesOf(created)).toEqual(["RUNNING"]);
  await answer;
  const again = await server.claim(kind, { waitMs: 50_000 });
  expect(again).toMatchObject([{ attempt: 2, task: { taskId: created.tasks[0]?.taskId } }]);
  expect(await inUse(kind)).toBe(1n);
  await server.succeed(...again);
  expect(await inUse(kind)).toBe(0n);
});

test("what a commit starts too late for its worker is given back with what it holds", async () => {
  const kind = await knownKind();
  const tasks = (name: string) => [{ name, kind, rules: [atMost(kind, 5)] }];
  await create(tasks("first"));
  await server.succeed(await server.claimOne(kind));
  const { answer } = await waitingClaim(kind, 1);
  await using other = await openTransaction(server.setup.database.url);
  await other.query("select from rule_usage for update");
  const creating = create(tasks("late"));
  await other.waitForBlocked(1);
  // Its worker is kept for it no longer: it takes what another commit has queued meanwhile.
  await create([{ name: "plain", kind }]);
  expect(names(await answer)).toEqual(["plain"]);
  await other.query("commit");
  expect(statusesOf(await creating)).toEqual(["RUNNING"]);
  const again = await server.claim(kind, { waitMs: 50_000 });
  expect([names(again), again[0]?.attempt, await inUse(kind)]).toEqual([["late"], 2, 1n]);
  await server.succeed(...again);
  expect(await inUse(kind)).toBe(0n);
});

test("of a batch that is created held nothing starts and holds a key before it is let go", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 1);
  const tasks = [{ name: "t", kind, rules: [atMost(kind, 1)] }];
  const created = await create(tasks, { paused: true });
  expect(statusesOf(created)).toEqual(["PENDING"]);
  expect(await inUse(kind)).toBe(0n);
  await server.client.batches.resumeBatch({ batchId: created.batch?.batchId ?? "" });
  await server.succeed(...(await answer));
  expect(await inUse(kind)).toBe(0n);
});

test("a batch is held while a task of it runs since its creation, and the next one waits for both", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 1);
  const created = await create(["a", "b"].map((name) => ({ name, kind, rules: [atMost(kind, 1)] })));
  expect(statusesOf(created)).toEqual(["RUNNING", "PENDING"]);
  const batchId = created.batch?.batchId ?? "";
  await server.client.batches.pauseBatch({ batchId });
  await server.succeed(...(await answer));
  expect([await server.claim(kind), await inUse(kind)]).toEqual([[], 0n]);
  await server.client.batches.resumeBatch({ batchId });
  expect(names(await server.claim(kind, { waitMs: 50_000 }))).toEqual(["b"]);
});

test("a call that is repeated is told that its tasks run, and takes nothing of their keys again", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 2);
  const tasks = [{ name: "t", kind, rules: [atMost(kind, 5)] }];
  const created = await create(tasks, { requestId: `${kind}-once` });
  expect(statusesOf(created)).toEqual(["RUNNING"]);
  await answer;
  const next = await waitingClaim(kind, 2);
  const [again, other] = await Promise.all([
    create(tasks, { requestId: `${kind}-once` }),
    create(tasks, { requestId: `${kind}-other` }),
  ]);
  expect([again.tasks, again.batch]).toEqual([created.tasks, created.batch]);
  expect(statusesOf(other)).toEqual(["RUNNING"]);
  expect(await inUse(kind)).toBe(2n);
  expect((await next.answer).map(({ task }) => task?.taskId)).toEqual([other.tasks[0]?.taskId]);
});

test("the most urgent of a graph take the places, with rules or without", async () => {
  const kind = await knownKind();
  const { answer } = await waitingClaim(kind, 2);
  const rules = [atMost(kind, 5)];
  const created = await create([
    { name: "low", kind, priority: -1, rules },
    { name: "middle", kind },
    { name: "high", kind, priority: 2, rules },
    { name: "later", kind, priority: 5, rules, startTime: { seconds: BigInt(Math.floor(Date.now() / 1000) + 3600) } },
  ]);
  expect(statusesOf(created)).toEqual(["PENDING", "RUNNING", "RUNNING", "PENDING"]);
  expect(names(await answer)).toEqual(["high", "middle"]);
  expect(await inUse(kind)).toBe(1n);
});

test.each([
  { title: "capacity", limit: { case: "maxCapacity", value: 100n } as const },
  { title: "a rate", limit: { case: "rate", value: { count: 100, window: { seconds: 60n } } } as const },
])(
  "tasks with a rule of $title are claimed, and do not keep others of their group from their places",
  async ({ limit }) => {
    const kind = newKind();
    const { answer } = await waitingClaim(kind, 1);
    const rule = { matcher: { kind: `${kind}-rule` }, limit };
    const created = await create([
      { name: "looked at", kind, priority: 1, expectedCount: 1n, rules: [rule] },
      { name: "counted", kind, rules: [atMost(kind, 5)] },
    ]);
    expect(statusesOf(created)).toEqual(["PENDING", "RUNNING"]);
    expect(names(await answer)).toEqual(["counted"]);
    expect(names(await server.claim(kind))).toEqual(["looked at"]);
  },
);

test("while something is blocked, tasks with rules are claimed, and those without take places", async () => {
  const [kind, full] = [await knownKind(), newKind()];
  await create([1, 2].map((n) => ({ name: `${n}`, kind: full, rules: [atMost(full, 1)] })));
  const { answer } = await waitingClaim(kind, 2);
  const created = await create([
    { name: "ruled", kind, rules: [atMost(kind, 5)] },
    { name: "plain", kind },
  ]);
  expect(statusesOf(created)).toEqual(["PENDING", "RUNNING"]);
  const first = await answer;
  const rest = first.length === 2 ? [] : await server.claim(kind);
  expect(names([...first, ...rest])).toEqual(["plain", "ruled"]);
  expect(await inUse(kind)).toBe(1n);
});

test("of many that are created at once no more start than a rule lets in, and all of them run in the end", async () => {
  const kind = await knownKind();
  const tasks = (of: string) =>
    Array.from({ length: 10 }, (_, n) => ({ name: `${of}${n}`, kind, rules: [atMost(kind, 3)] }));
  const waiting = [await waitingClaim(kind, 2, { workerId: "one" }), await waitingClaim(kind, 8, { workerId: "two" })];
  const created = await Promise.all([create(tasks("a")), create(tasks("b"))]);
  const ended: string[] = [];
  const end = async (assignments: readonly Assignment[]): Promise<void> => {
    if (assignments.length > 0) await server.succeed(...assignments);
    ended.push(...assignments.map(({ task }) => task?.name ?? ""));
  };
  await Promise.all(waiting.map(async ({ answer }) => end(await answer)));
  while (ended.length < 20) await end(await server.claim(kind, { max: 20, waitMs: 5_000 }));
  expect(new Set(ended).size).toBe(20);
  const batchIds = created.map(({ batch }) => batch?.batchId ?? "");
  const events = (await Promise.all(batchIds.map((id) => server.events(32, { batchIds: [id] })))).flat();
  const order = events.map(({ eventId }) => eventId.split("-").map(Number));
  const changes = events
    .map(({ payload }, n) => ({ payload, at: order[n] as number[] }))
    .sort((x, y) => (x.at[0] ?? 0) - (y.at[0] ?? 0) || (x.at[1] ?? 0) - (y.at[1] ?? 0));
  let [running, most] = [0, 0];
  for (const { payload } of changes) {
    if (payload.case !== "taskStatusChanged") continue;
    running += payload.value.to === TaskStatus.RUNNING ? 1 : payload.value.from === TaskStatus.RUNNING ? -1 : 0;
    most = Math.max(most, running);
  }
  expect([most, running]).toEqual([3, 0]);
});

import type { Assignment } from "@millpond/sdk";
import { beforeAll, expect, test } from "vitest";
import { createIdCodec, type IdCodec } from "../../src/domain/ids.ts";
import { type OpenTransaction, openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { dependsOn, eventually, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();
let codec: IdCodec;

beforeAll(async () => {
  const [row] = await server.query<{ uuid_salt: string }>("select uuid_salt from instance");
  codec = createIdCodec(BigInt(row?.uuid_salt ?? 0));
});

const idOf = (attempt: Assignment): string => attempt.task?.taskId ?? "";

/** A transaction of somebody else that holds the locks of tasks. */
async function holding(...attempts: readonly Assignment[]): Promise<OpenTransaction> {
  const foreign = await openTransaction(server.setup.database.url);
  for (const attempt of attempts)
    await foreign.query(`select from task_state where id = ${codec.decode(idOf(attempt))} for update`);
  return foreign;
}

async function claimsWaiting(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^millpond_claims_waiting (\d+)/m.exec(text)?.[1]);
}

/** Begins a claim of a kind whose queue exists, and resolves when it is in line: its first look has found nothing. */
async function waitingClaim(kind: string): Promise<{ answer: Promise<Assignment[]> }> {
  await server.graph([{ key: "known", name: "known", kind }]);
  await server.succeed(await server.claimOne(kind));
  const before = await claimsWaiting();
  const answer = server.claim(kind, { waitMs: 50_000, workerId: "patient" });
  await eventually(async () => (await claimsWaiting()) > before || undefined, "the claim to wait");
  expect(await server.claim(kind, { workerId: "bystander" })).toEqual([]);
  return { answer };
}

/** Tasks of a new kind that run, in the order of their keys. */
async function running(count: number): Promise<Assignment[]> {
  const kind = newKind();
  await server.graph(Array.from({ length: count }, (_, n) => ({ key: `${n}`, name: "t", kind, priority: -n })));
  const claimed = await server.claim(kind, { max: count });
  return claimed.sort((a, b) => Number(a.task?.key) - Number(b.task?.key));
}

test("a worker that waits for another kind is handed its task while a report waits for a lock", async () => {
  const kind = newKind();
  const [slow] = (await running(1)) as [Assignment];
  await using foreign = await holding(slow);
  const { answer } = await waitingClaim(kind);
  const report = server.succeed(slow);
  await foreign.waitForBlocked(1);
  const { ids } = await server.graph([{ key: "x", name: "x", kind }]);
  expect((await answer).map(idOf)).toEqual([ids.x]);
  expect(await server.status(idOf(slow))).toBe("RUNNING");
  await foreign.query("rollback");
  await report;
});

test("reports of other tasks are taken while two wait for locks", async () => {
  const [slow, slower, ...others] = (await running(6)) as [Assignment, Assignment, ...Assignment[]];
  await using foreign = await holding(slow, slower);
  const first = server.succeed(slow);
  await foreign.waitForBlocked(1);
  const second = server.succeed(slower);
  await foreign.waitForBlocked(2);
  for (const other of others) await server.succeed(other);
  expect(await server.status(idOf(slow))).toBe("RUNNING");
  await foreign.query("rollback");
  await Promise.all([first, second]);
  expect(await server.status(idOf(slow))).toBe("SUCCESS");
});

test("a child in a batch that is created held does not start when its parent is reported meanwhile", async () => {
  const kind = newKind();
  const [parent, other] = (await running(2)) as [Assignment, Assignment];
  await using foreign = await holding(other);
  const { answer } = await waitingClaim(kind);
  const child = (name: string, of: Assignment, ofKind: string) => ({
    ...{ name, kind: ofKind, dependencies: [{ parent: { case: "taskId" as const, value: idOf(of) } }] },
  });
  const create = server.client.tasks.createTasks({
    target: { case: "newBatch", value: { name: "held", paused: true } },
    // The second parent keeps the transaction open, which has locked the first.
    tasks: [child("first", parent, kind), child("second", other, newKind())],
  });
  await foreign.waitForBlocked(1);
  const report = server.succeed(parent);
  await foreign.waitForBlocked(2);
  await foreign.query("rollback");
  const { batch, tasks } = await create;
  await report;
  await server.succeed(other);
  expect(await server.status(tasks[0]?.taskId ?? "")).toBe("PENDING");
  await server.client.batches.resumeBatch({ batchId: batch?.batchId ?? "" });
  const [assignment] = (await answer) as [Assignment];
  expect(assignment).toMatchObject({ attempt: 1, task: { taskId: tasks[0]?.taskId } });
  // It was not handed out and given back either.
  const events = await server.events(3, { taskIds: [idOf(assignment)] });
  const moves = events.map(({ eventId, payload }) => ({
    commit: eventId.split("-")[0],
    to: payload.case === "taskStatusChanged" ? payload.value.to : undefined,
  }));
  expect(moves.map(({ to }) => to)).toEqual([undefined, 2, 4]);
  expect(moves[2]?.commit).not.toBe(moves[1]?.commit);
});

test("a claim is not held up by PauseBatch of another batch while a report waits for a lock", async () => {
  const [kind, pausedKind] = [newKind(), newKind()];
  const [slow] = (await running(1)) as [Assignment];
  const { batchId } = await server.graph([{ key: "p", name: "p", kind: pausedKind }]);
  await server.graph([{ key: "y", name: "y", kind }]);
  const patientKind = newKind();
  const { answer } = await waitingClaim(patientKind);
  await using foreign = await holding(slow);
  const report = server.succeed(slow);
  await foreign.waitForBlocked(1);
  await server.client.batches.pauseBatch({ batchId });
  expect((await server.claim(kind)).map(({ task }) => task?.key)).toEqual(["y"]);
  expect(await server.claim(pausedKind)).toEqual([]);
  expect(await server.status(idOf(slow))).toBe("RUNNING");
  await foreign.query("rollback");
  await report;
  await server.client.batches.resumeBatch({ batchId });
  await server.graph([{ key: "z", name: "z", kind: patientKind }]);
  expect((await answer).map(({ task }) => task?.key)).toEqual(["z"]);
});

test("a claim is not held up by PauseBatch of another batch while a report waits for the lock of a child", async () => {
  const [kind, pausedKind, patientKind, childKind] = [newKind(), newKind(), newKind(), newKind()];
  const [parent] = (await running(1)) as [Assignment];
  const { tasks } = await server.client.tasks.createTasks({
    tasks: [{ name: "child", kind: childKind, dependencies: [{ parent: { case: "taskId", value: idOf(parent) } }] }],
  });
  const { batchId } = await server.graph([{ key: "p", name: "p", kind: pausedKind }]);
  await server.graph([{ key: "y", name: "y", kind }]);
  const { answer } = await waitingClaim(patientKind);
  await using foreign = await openTransaction(server.setup.database.url);
  await foreign.query(`select from task_state where id = ${codec.decode(tasks[0]?.taskId ?? "")} for update`);
  const report = server.succeed(parent);
  await foreign.waitForBlocked(1);
  let isPaused = false;
  const pause = server.client.batches.pauseBatch({ batchId }).finally(() => {
    isPaused = true;
  });
  // It may wait for the report, which may start tasks; claims may not wait for it.
  await foreign.waitForBlocked(2, () => isPaused);
  expect((await server.claim(kind)).map(({ task }) => task?.key)).toEqual(["y"]);
  await foreign.query("rollback");
  await Promise.all([report, pause]);
  expect(await server.claim(pausedKind)).toEqual([]);
  await server.client.batches.resumeBatch({ batchId });
  await server.graph([{ key: "z", name: "z", kind: patientKind }]);
  expect((await answer).map(({ task }) => task?.key)).toEqual(["z"]);
});

test("a worker that leaves while a report that would start its task waits costs the task no attempt", async () => {
  const [kind, parentKind] = [newKind(), newKind()];
  await server.graph([{ key: "known", name: "known", kind }]);
  await server.succeed(await server.claimOne(kind));
  const { ids } = await server.graph([
    { key: "parent", name: "parent", kind: parentKind },
    { key: "child", name: "child", kind, dependencies: dependsOn("parent") },
  ]);
  const parent = await server.claimOne(parentKind);
  await using foreign = await holding(parent);
  const before = await claimsWaiting();
  const gone = new AbortController();
  const leaving = server.client.workers
    .claimTasks({ workerId: "gone", kinds: [kind], waitTimeout: { seconds: 50n } }, { signal: gone.signal })
    .catch(() => undefined);
  await eventually(async () => (await claimsWaiting()) > before || undefined, "the claim to wait");
  expect(await server.claim(kind, { workerId: "bystander" })).toEqual([]);
  const report = server.succeed(parent);
  await foreign.waitForBlocked(1);
  gone.abort();
  await leaving;
  await eventually(async () => (await claimsWaiting()) === before || undefined, "the server to know that it has left");
  await foreign.query("rollback");
  await report;
  const assignment = await eventually(async () => (await server.claim(kind))[0], "the child to be given back");
  expect(idOf(assignment)).toBe(ids.child);
  const row = `select attempt - released as used from task_state where id = ${codec.decode(idOf(assignment))}`;
  expect(await server.query(row)).toEqual([{ used: 1 }]);
  await server.succeed(assignment);
});

test("the tables are consistent after all of it", async () => {
  await checkInvariants(server.setup.database.url);
});

import pg from "pg";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { changeTasks, claimTasks, releaseTasks, reportTasks } from "../../src/store/attempts.ts";
import { tasksAhead } from "../../src/store/blockers.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { Database } from "../../src/store/database.ts";
import { Flows } from "../../src/store/flows.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports, graphRows } from "./graph-rows.ts";
import { fan, graphWith } from "./plan-tables.ts";

const place = { worker: 1, leaseMs: 60_000 };
const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
const callClaim = (max: number) => `select o_ids from mp_claim_tasks('{1}', ${max}, '{1}', '{60000}', null, false)`;

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  db = new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await checkInvariants(database.url);
  await db.close();
  await admin.end();
  await database.drop();
});

async function create(...graphs: ReturnType<typeof graphRows>[]): Promise<bigint[]> {
  expect(await createGraphs(db, graphs, () => undefined)).toMatchObject({ case: "created" });
  return graphs.flatMap(({ ids }) => ids);
}

async function claim(max: number, queues = [1]): Promise<bigint[]> {
  return (await claimTasks(db, { queues, places: Array(max).fill(place) })).tasks.map(({ id }) => id);
}

const cancel = (ids: bigint[]) => changeTasks(db, request, { case: "cancel", ids, reason: "" });

/** The rows of ready_run, as the places of their first tasks among some ids, and how many tasks they have. */
async function runs(ids: readonly bigint[]): Promise<[number, number][]> {
  const { rows } = await admin.query<{ id: bigint; tasks: number }>(
    "select id, tasks from ready_run order by queue, rank, id",
  );
  return rows.map(({ id, tasks }) => [ids.indexOf(BigInt(id)), tasks]);
}

/** The tasks that stand in ready one by one, as places among some ids. */
async function singles(ids: readonly bigint[]): Promise<number[]> {
  const { rows } = await admin.query<{ id: bigint }>("select id from ready order by queue, rank, flow, id");
  return rows.map(({ id }) => ids.indexOf(BigInt(id)));
}

test("tasks of consecutive ids stand in one row, of which claims take as many as they want", async () => {
  const ids = await create(graphRows({ size: 10 }));
  expect([await runs(ids), await singles(ids)]).toEqual([[[0, 10]], []]);
  const places = Array(3).fill(place);
  const first = await claimTasks(db, { queues: [1], places });
  expect([first.more, first.tasks.map(({ id }) => id)]).toEqual([true, ids.slice(0, 3)]);
  expect(await runs(ids)).toEqual([[3, 7]]);
  const rest = await claimTasks(db, { queues: [1], places: Array(7).fill(place) });
  expect([rest.more, rest.tasks.map(({ id }) => id)]).toEqual([false, ids.slice(3)]);
  expect([await runs(ids), await claim(5)]).toEqual([[], []]);
});

test("a row has at most a hundred tasks; of several graphs that are written together, ids that follow each other stand together", async () => {
  const ids = await create(graphRows({ size: 230 }));
  expect(await runs(ids)).toEqual([
    [0, 100],
    [100, 100],
    [200, 30],
  ]);
  expect(await claim(150)).toEqual(ids.slice(0, 150));
  expect(await claim(50)).toEqual(ids.slice(150, 200));
  // A batch's id is between them.
  const more = await create(graphRows({ size: 2 }), graphRows({ size: 1 }), graphRows({ size: 3 }));
  const all = [...ids, ...more];
  expect([await runs(all), await singles(all)]).toEqual([
    [
      [200, 30],
      [230, 2],
      [233, 3],
    ],
    [232],
  ]);
  expect(await claim(1_000)).toEqual(all.slice(200));
});

test("tasks with a start time, or under another priority or queue, do not stand in one row with others, and all come in order", async () => {
  const priorities = [0, 0, 7, 7, 7, 0, 0, -3];
  const ids = await create(graphWith({ size: 8 }, (_, n) => ({ priority: priorities[n] as number })));
  expect(await runs(ids)).toEqual([
    [2, 3],
    [0, 2],
    [5, 2],
  ]);
  const early = new Date(Date.now() - 60_000).toISOString();
  const timed = await create(graphRows({ size: 3, startTime: early }));
  const other = await create(graphWith({ size: 4 }, (_, n) => ({ queue: 2, priority: n < 2 ? 7 : 0 })));
  expect(await singles(timed)).toEqual(expect.arrayContaining([0, 1, 2]));
  const all = [...ids, ...timed, ...other];
  // Of both queues: 7 of the first and of the second, then 0 of the first, those with a start time, and 0 of the second.
  const order = [2, 3, 4, 11, 12, 0, 1, 5, 6, 8, 9, 10, 13, 14, 7];
  const taken: bigint[] = [];
  for (const max of [2, 5, 1, 3, 10]) taken.push(...(await claim(max, [1, 2])));
  expect(taken.map((id) => all.indexOf(id))).toEqual(order);
});

test("what was there before, one by one, comes before a row that came later", async () => {
  const [alone] = await create(graphRows({ size: 1 }));
  const ids = await create(graphRows({ size: 5 }));
  const [late] = await create(graphRows({ size: 1 }));
  expect(await claim(3)).toEqual([alone, ids[0], ids[1]]);
  expect(await claim(10)).toEqual([...ids.slice(2), late]);
});

test("what becomes ready together stands in one row", async () => {
  const ids = await create(fan(50));
  const [first] = (await claimTasks(db, { queues: [1], places: [place] })).tasks;
  await reportTasks(db, endReports([{ id: first?.id as bigint, attempt: 1 }], 3));
  expect([await runs(ids), await singles(ids)]).toEqual([[[1, 49]], []]);
  expect(await claim(60)).toEqual(ids.slice(1));
});

test("a task that is canceled, held or edited leaves its row, and the others of it start in order", async () => {
  const ids = await create(graphRows({ size: 10 }), graphRows({ size: 4 }));
  expect(await cancel([ids[4] as bigint])).toMatchObject({ taken: new Set([ids[4]]) });
  await cancel([0, 2, 6, 9].map((n) => ids[n] as bigint));
  const left = [
    [1, 1],
    [3, 1],
    [5, 1],
    [7, 2],
    [10, 4],
  ];
  expect([await runs(ids), await singles(ids)]).toEqual([left, []]);
  await changeTasks(db, request, { case: "pause", ids: [ids[11] as bigint], reason: "" });
  expect(await claim(7)).toEqual([1, 3, 5, 7, 8, 10, 12].map((n) => ids[n]));
  await changeTasks(db, request, { case: "resume", ids: [ids[11] as bigint], reason: "" });
  expect(await claim(11)).toEqual([ids[11], ids[13]]);
});

test("who cancels a task of a row that a claim is about to take waits, and cancels what the claim leaves of it", async () => {
  const ids = await create(graphRows({ size: 10 }));
  await using other = await openTransaction(database.url);
  await other.query(callClaim(3));
  const canceled = cancel([ids[1] as bigint, ids[6] as bigint, ids[9] as bigint]);
  await other.waitForBlocked(1);
  await other.query("commit");
  // The first is RUNNING by now; it is canceled, too.
  expect(await canceled).toMatchObject({ taken: new Set([ids[1], ids[6], ids[9]]) });
  expect(await claim(20)).toEqual([ids[3], ids[4], ids[5], ids[7], ids[8]]);
});

test("what somebody else holds is left behind by a claim, and stands in the queue for itself", async () => {
  const ids = await create(graphRows({ size: 6 }));
  await using holder = await openTransaction(database.url);
  await holder.query(`select from task_state where id in (${ids[1]}, ${ids[2]}) for update`);
  await using claimer = await openTransaction(database.url);
  await claimer.query(callClaim(4));
  const holding = holder.query(`select mp_pause_tasks(1, null, '', '{${ids[1]}}')`);
  await holder.waitForBlocked(1);
  await claimer.query("commit");
  await holding;
  await holder.query("commit");
  expect([await runs(ids), await singles(ids)]).toEqual([[[4, 2]], [2]]);
  expect(await claim(10)).toEqual([ids[2], ids[4], ids[5]]);
});

test("a claim that finds what others are about to take passes it over, and servers are told of what these leave", async () => {
  const told: string[] = [];
  admin.on("notification", ({ payload = "" }) => told.push(payload));
  await admin.query("listen millpond");
  const ids = await create(graphRows({ size: 4 }), graphRows({ size: 3 }));
  await using other = await openTransaction(database.url);
  await other.query(`select mp_cancel_tasks(1, null, '', '{${ids[0]}}', '')`);
  expect(await claim(2)).toEqual(ids.slice(4, 6));
  expect(await claim(2)).toEqual([ids[6]]);
  expect([await claim(2), told]).toEqual([[], []]);
  await other.query("commit");
  await vi.waitFor(() => expect(told).toEqual(["rules 1"]), { timeout: 10_000 });
  expect(await claim(5)).toEqual(ids.slice(1, 4));
});

test("a claim goes past what others hold, one by one or in a row, to the rows behind", async () => {
  const [alone] = await create(graphRows({ size: 1 }));
  const ids = await create(graphRows({ size: 2 }), graphRows({ size: 3 }), graphRows({ size: 4 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id in (${alone}, ${ids.slice(0, 5).join()}) for update`);
  expect(await claim(1)).toEqual([ids[5]]);
  expect(await claim(2)).toEqual(ids.slice(6, 8));
  expect(await claim(9, [1, 2])).toEqual([ids[8]]);
  expect(await claim(9)).toEqual([]);
  await other.query("rollback");
  expect(await claim(9)).toEqual([alone, ...ids.slice(0, 5)]);
});

test("tasks of a row that are given back, retried or of a held batch stand for themselves", async () => {
  const ids = await create(graphRows({ size: 6 }));
  const taken = await claimTasks(db, { queues: [1], places: Array(3).fill(place) });
  await releaseTasks(db, taken.tasks);
  expect([await runs(ids), await singles(ids)]).toEqual([[[3, 3]], [0, 1, 2]]);
  const { rows } = await admin.query<{ batch: bigint }>("select batch_id batch from batch_state");
  const hold = (isHeld: boolean) => admin.query(`select mp_hold_batch(1, null, '', ${rows[0]?.batch}, ${isHeld})`);
  await hold(true);
  expect([await claim(2), await runs(ids), await singles(ids)]).toEqual([[], [], []]);
  await hold(false);
  expect(await claim(10)).toEqual(ids);
});

test("in a queue in which tasks take turns there are no rows of several, and those of before take theirs", async () => {
  const before = await create(graphRows({ size: 6 }));
  const [flow = null] = await new Flows(db).intern(1, [{ fairnessKey: "a", fairnessWeight: 1 }], [1]);
  const keyed = await create(graphWith({ size: 3 }, () => ({ flow })));
  const plain = await create(graphRows({ size: 2 }));
  const all = [...before, ...keyed, ...plain];
  expect([await runs(all), await singles(all)]).toEqual([[[0, 6]], expect.arrayContaining([6, 7, 8, 9, 10])]);
  expect((await claim(4)).map((id) => all.indexOf(id))).toEqual([0, 6, 1, 7]);
  expect((await claim(20)).map((id) => all.indexOf(id)).toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5, 8, 9, 10]);
});

test("who asks how many tasks come before one is told of those in rows, too", async () => {
  const ids = await create(graphWith({ size: 12 }, (_, n) => ({ priority: n < 4 ? 5 : 0 })));
  const single = await create(graphRows({ size: 1 }));
  const ahead = (id: bigint | undefined, priority: number) =>
    tasksAhead((statement, values) => db.read(statement, values), { queue: 1, priority, id: id as bigint }, 1_000);
  expect([await ahead(ids[2], 5), await ahead(ids[9], 0), await ahead(single[0], 0)]).toEqual([2n, 9n, 12n]);
  await claim(6);
  expect([await ahead(ids[9], 0), await ahead(single[0], 0)]).toEqual([3n, 6n]);
});

test("of several queues, what is urgent comes first, then what was there first, however few tasks stand in a row", async () => {
  const urgent = await create(...Array.from({ length: 20 }, () => graphWith({ size: 2 }, () => ({ priority: 5 }))));
  const other = await create(graphWith({ size: 30 }, () => ({ queue: 2 })));
  const ids = await create(...Array.from({ length: 20 }, () => graphRows({ size: 2 })));
  const all = [...urgent, ...other, ...ids];
  const taken: bigint[] = [];
  for (const max of [7, 1, 25, 70, 10]) {
    const part = await claim(max, [1, 2]);
    expect(part).toHaveLength(Math.min(max, all.length - taken.length));
    taken.push(...part);
  }
  expect(taken).toEqual(all);
});

test("one task that stands by itself before rows does not keep them from being claimed by the row", async () => {
  const [alone] = await create(graphRows({ size: 1 }));
  const ids = await create(graphRows({ size: 400 }));
  expect(await claim(150)).toEqual([alone, ...ids.slice(0, 149)]);
  expect(await singles(ids)).toEqual([]);
  expect(await claim(151)).toEqual(ids.slice(149, 300));
});

test("claims at the same time take what is behind each other's rows", async () => {
  const ids = await create(...Array.from({ length: 10 }, () => graphRows({ size: 100 })));
  await using other = await openTransaction(database.url);
  await other.query(callClaim(120));
  expect(await claim(50)).toEqual(ids.slice(200, 250));
  expect(await claim(500)).toEqual(ids.slice(250, 750));
  await other.query("rollback");
  expect(await claim(1_000)).toEqual([...ids.slice(0, 200), ...ids.slice(750)]);
});

test("a claim that leaves behind what somebody holds says that there may be more: it was out of sight meanwhile", async () => {
  const ids = await create(graphRows({ size: 3 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = ${ids[1]} for update`);
  const claimed = await claimTasks(db, { queues: [1], places: Array(10).fill(place) });
  expect([claimed.tasks.length, claimed.more]).toEqual([2, true]);
  expect((await claimTasks(db, { queues: [1], places: [place] })).more).toBe(false);
});

test("what stands behind very many tasks that somebody is about to cancel is claimed meanwhile", async () => {
  const held = await create(graphRows({ size: 2_500 }));
  const ids = await create(graphRows({ size: 5 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = any ('{${held.join()}}') for update`);
  expect(await claim(50)).toEqual(ids);
  expect(await claim(1)).toEqual([]);
  expect((await singles(held)).length).toBeLessThan(1_000);
  await other.query("rollback");
  expect(await claim(2_000)).toEqual(held.slice(0, 2_000));
  expect(await claim(2_000)).toEqual(held.slice(2_000));
});

test("a worker with one slot finds what is free in a row of which others hold the first tasks", async () => {
  const ids = await create(graphRows({ size: 60 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = any ('{${ids.slice(0, 40).join()}}') for update`);
  expect(await claim(1)).toEqual([ids[40]]);
  expect(await claim(30)).toEqual(ids.slice(41));
  await other.query("rollback");
  expect(await claim(100)).toEqual(ids.slice(0, 40));
});

test("a claim of several queues that meets what others hold says that there may be more", async () => {
  const [alone] = await create(graphRows({ size: 1 }));
  const ids = await create(graphRows({ size: 50 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = any ('{${ids.slice(0, 6).join()}}') for update`);
  const claimed = await claimTasks(db, { queues: [1, 2], places: Array(10).fill(place) });
  expect([claimed.more, claimed.tasks.map(({ id }) => id)]).toEqual([true, [alone, ...ids.slice(6, 9)]]);
  const taken = await claim(100, [1, 2]);
  taken.push(...(await claim(100, [1, 2])));
  expect(taken).toEqual(ids.slice(9));
});

test("where tasks take turns, more urgent ones that others hold do not hide rows of before", async () => {
  const before = await create(graphRows({ size: 6 }));
  await new Flows(db).intern(1, [{ fairnessKey: "a", fairnessWeight: 1 }], [1]);
  const urgent = await create(graphWith({ size: 70 }, () => ({ priority: 1 })));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = any ('{${urgent.join()}}') for update`);
  expect(await claim(1)).toEqual([before[0]]);
  expect(await claim(10)).toEqual(before.slice(1));
});

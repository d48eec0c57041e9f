import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { holdBatch } from "../../src/store/batches.ts";
import { createGraph, type NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
const place = { worker: 1, leaseMs: 60_000 };

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

const rule = (type: number, bound: number, kind = "k"): Rule => ({
  ...{ name: "", kind, fields: [], type, bound: BigInt(bound), windowMs: type === RuleType.RATE ? 60_000 : 0 },
});
const atMost = (bound: number, kind = "k") => rule(RuleType.CONCURRENCY, bound, kind);

/** Creates a batch of tasks under rules. */
async function create(
  size: number,
  rules: readonly Rule[],
  what: Partial<NewTaskRow> = {},
  parents?: (place: number) => number[],
) {
  const [lane = null] = await new Lanes(db).intern(1, [{ queue: what.queue ?? 1, flow: null, rules, metadata: null }]);
  const graph = graphWith({ size, ...(parents && { parents }) }, () => ({ lane, ...what }));
  await createGraph(db, graph);
  return { ...graph, lane };
}

const claim = async (max: number) =>
  (await claimTasks(db, { queues: [1, 2], places: Array(max).fill(place) })).tasks.map(({ id, attempt }) => ({
    ...{ id, attempt },
  }));

/** Reports successes of tasks with so many places; answers which tasks were started, in the order of their places. */
async function report(tasks: readonly { id: bigint; attempt: number }[], places: number, queues: number[] = [1]) {
  const { started } = await reportTasks(
    db,
    endReports(
      tasks.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      3,
    ),
    [{ queues, places: Array(places).fill(place) }],
  );
  return started.toSorted((a, b) => a.place - b.place).map(({ id }) => id);
}

const count = async (what: string): Promise<number> =>
  Number((await admin.query<{ n: string }>(`select count(*) n from ${what}`)).rows[0]?.n);
const inUse = async (): Promise<number[]> =>
  (await admin.query<{ in_use: string }>("select in_use from rule_usage order by key_id")).rows.map(({ in_use }) =>
    Number(in_use),
  );

test("who waits for a slot starts in the commit that frees it, as after a claim", async () => {
  const { ids, batchId, lane } = await create(3, [atMost(1)]);
  expect(await report(await claim(1), 5)).toEqual([ids[1]]);
  const { rows } = await admin.query("select status, attempt, worker, held_lane from task_state where id = $1", [
    ids[1],
  ]);
  expect(rows).toEqual([{ status: 4, attempt: 1, worker: 1, held_lane: String(lane) }]);
  expect([await inUse(), await count("ready"), await count("blocked")]).toEqual([[1], 0, 1]);
  const state = await admin.query("select pending, running, success from batch_state where batch_id = $1", [batchId]);
  expect(state.rows).toEqual([{ pending: 1, running: 1, success: 1 }]);
  const events = await admin.query(
    "select task_id, from_status, to_status, attempt, worker from event_change where seq = (select max(seq) from event_tx) order by index",
  );
  expect(events.rows).toEqual([
    { task_id: String(ids[0]), from_status: 4, to_status: 6, attempt: 1, worker: 1 },
    { task_id: String(ids[1]), from_status: 2, to_status: 4, attempt: 1, worker: 1 },
  ]);
  expect(await count(`timer where ${ids[1]} = any (task_ids) and due < now() + interval '2 minutes'`)).toBe(1);
  expect(await count(`hold where ${ids[1]} = any (task_ids)`)).toBe(1);
});

test("as many start as there are places, the most urgent first; the servers are told of the others", async () => {
  const [low, high] = [await create(5, [atMost(3)]), await create(1, [atMost(3)], { priority: 9 })];
  const heard: (string | undefined)[] = [];
  admin.on("notification", ({ payload }) => heard.push(payload));
  const holders = await claim(4);
  await admin.query("listen millpond");
  expect(await report(holders, 2)).toEqual([low.ids[2], low.ids[3]]);
  expect([holders.some(({ id }) => id === high.ids[0]), await count("ready"), await count("blocked")]).toEqual([
    true,
    1,
    0,
  ]);
  expect(heard).toEqual(["rules 1"]);
});

test("servers are not told of queues whose tasks have all started", async () => {
  await create(3, [atMost(1)]);
  const holders = await claim(1);
  const heard: (string | undefined)[] = [];
  admin.on("notification", ({ payload }) => heard.push(payload));
  await admin.query("listen millpond");
  expect((await report(holders, 1)).length).toBe(1);
  await admin.query("notify millpond, 'end'");
  expect(heard).toEqual(["end"]);
});

test("what comes before it in the queue is not overtaken", async () => {
  const { ids } = await create(2, [atMost(1)], { priority: 1 });
  const holders = await claim(1);
  const urgent = await create(1, [], { priority: 2 });
  const less = await create(1, []);
  expect(await report(holders, 5)).toEqual(urgent.ids);
  const [first, second] = (await claim(3)).map(({ id }) => id);
  expect([first, second]).toEqual([ids[1], less.ids[0]]);
});

test("what comes after it in the queue does not keep it from starting", async () => {
  const { ids } = await create(2, [atMost(1)], { priority: 1 });
  const holders = await claim(1);
  await create(1, []);
  expect(await report(holders, 5)).toEqual([ids[1]]);
});

test("tasks of other batches start as well", async () => {
  const [first, second] = [await create(1, [atMost(1)]), await create(1, [atMost(1)])];
  const holders = await claim(1);
  expect(holders.map(({ id }) => id)).toEqual(first.ids);
  expect(await report(holders, 1)).toEqual(second.ids);
});

test("a task or a batch that somebody holds is not waited for", async () => {
  const [first, second] = [await create(1, [atMost(1)]), await create(1, [atMost(1)])];
  const holders = await claim(1);
  expect(holders.map(({ id }) => id)).toEqual(first.ids);
  await using other = await openTransaction(database.url);
  await other.query(`select from batch_state where batch_id = ${second.batchId} for update`);
  expect(await report(holders, 1)).toEqual([]);
  await other.query("commit");
  expect([await count("ready"), await inUse()]).toEqual([1, [0]]);
  const [next] = await claim(1);
  const third = await create(1, [atMost(1)]);
  await other.query(`begin; select from task_state where id = ${third.ids[0]} for update`);
  expect(await report(next === undefined ? [] : [next], 1)).toEqual([]);
  await other.query("rollback");
  expect((await claim(1)).map(({ id }) => id)).toEqual(third.ids);
});

test("what comes after a task that somebody holds is left, and told of", async () => {
  const { ids } = await create(5, [atMost(3)]);
  const holders = await claim(3);
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = ${ids[3]} for update`);
  const heard: (string | undefined)[] = [];
  admin.on("notification", ({ payload }) => heard.push(payload));
  await admin.query("listen millpond");
  expect(await report(holders, 5)).toEqual([]);
  await other.query("commit");
  await admin.query("notify millpond, 'end'");
  expect(heard).toEqual(["rules 1", "end"]);
  expect((await claim(5)).map(({ id }) => id)).toEqual(ids.slice(3));
});

test("a key that somebody holds is not waited for, and its tasks do not start", async () => {
  const all = atMost(1, "all");
  const first = await create(1, [all, atMost(5, "one")]);
  const second = await create(1, [all, atMost(5, "two")]);
  const holders = await claim(2);
  expect(holders.map(({ id }) => id)).toEqual(first.ids);
  await using other = await openTransaction(database.url);
  await other.query(
    "select from rule_usage where key_id = (select id from rule_key where key like '%two%') for update",
  );
  expect(await report(holders, 5)).toEqual([]);
  await other.query("commit");
  expect((await claim(5)).map(({ id }) => id)).toEqual(second.ids);
});

test("what a rule stops also stops what comes after it in its pool, and in no other", async () => {
  const shared = atMost(2, "all");
  await create(2, [shared]);
  const holders = await claim(2);
  const stops = await create(1, [shared, rule(RuleType.RATE, 9, "rate")], { priority: 5 });
  const after = await create(1, [shared]);
  await create(1, [atMost(1, "other")], { queue: 2 });
  holders.push(...(await claim(1)));
  const beside = await create(1, [atMost(1, "other")], { queue: 2 });
  const sorted = holders.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const { started } = await reportTasks(db, endReports(sorted, 3), [
    { queues: [1], places: [place, place] },
    { queues: [2], places: [place] },
  ]);
  expect(started.map(({ id }) => id)).toEqual(beside.ids);
  expect((await claim(5)).map(({ id }) => id)).toEqual([...stops.ids, ...after.ids]);
});

test("the last that was offered of a lane with more is left to claims, which offer more", async () => {
  await create(2, [atMost(1)]);
  const holders = await claim(1);
  const { ids, lane } = await create(3, [atMost(9, "wide")], { priority: 1 });
  await admin.query(
    `with gone as (delete from ready where lane = ${lane} and id > ${ids[0]} returning lane, rank, id)
     insert into blocked select lane, rank, id, batch_id, now() from gone join task_state using (lane, id)`,
  );
  expect(await report(holders, 5)).toEqual([]);
  expect((await claim(1)).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(await count(`ready where lane = ${lane}`)).toBe(2);
});

test("servers are told of what it has held for a moment, and left", async () => {
  await create(4, [atMost(2)], { queue: 2 });
  const holders = await claim(2);
  await create(1, [rule(RuleType.RATE, 9, "rate")]);
  const heard: (string | undefined)[] = [];
  admin.on("notification", ({ payload }) => heard.push(payload));
  await admin.query("listen millpond");
  const { started } = await reportTasks(db, endReports(holders, 3), [
    { queues: [1], places: [place] },
    { queues: [2], places: [place, place] },
  ]);
  await admin.query("notify millpond, 'end'");
  expect([started.length, heard]).toEqual([2, ["rules 1", "end"]]);
});

test("nothing starts where not all that there is room for could be offered: claims offer the rest", async () => {
  const all = atMost(40, "all");
  await create(40, [all]);
  const holders = await claim(40);
  await create(39, [all, atMost(100, "tenant")]);
  for (let n = 0; n < 19; n += 1) await create(1, [all, atMost(100, `tenant ${n}`)]);
  expect((await claim(64)).length).toBe(0);
  expect(await report(holders, 64)).toEqual([]);
  for (let n = 0; n < 3; n += 1) await claim(64);
  expect(await inUse()).toContain(40);
});

test("a slot that several lanes share passes from one to the next, however many they are", async () => {
  const all = atMost(1, "all");
  const lanes = 14;
  const waiting: bigint[] = [];
  for (let n = 0; n < lanes; n += 1) waiting.push(...(await create(1, [all, atMost(1, `tenant ${n}`)])).ids);
  let running = await claim(lanes);
  const order = running.map(({ id }) => id);
  while (running.length > 0) {
    running = (await report(running, 3)).map((id) => ({ id, attempt: 1 }));
    order.push(...running.map(({ id }) => id));
  }
  expect(order).toEqual(waiting);
});

test("a rule of two queues lets in no more than it has room for", async () => {
  await create(2, [atMost(1)]);
  await create(2, [atMost(1)], { queue: 2 });
  expect((await report(await claim(4), 5, [1, 2])).length).toBe(1);
  expect(await inUse()).toEqual([1]);
});

test("one pool takes no more from several queues than it has places", async () => {
  await create(4, [atMost(2, "one")]);
  await create(4, [atMost(2, "two")], { queue: 2 });
  expect((await report(await claim(4), 2, [1, 2])).length).toBe(2);
});

test("what is left in the queue from before starts in its turn, with rules or without", async () => {
  const { ids } = await create(3, [atMost(1)]);
  const holders = await claim(1);
  const free = await create(1, [], { priority: 3 });
  const other = await create(1, [atMost(1, "other")], { priority: 2 });
  await create(1, [atMost(1, "more")], { priority: -1 });
  // At most as many as have been offered.
  expect(await report(holders, 5)).toEqual(free.ids);
  expect((await claim(5)).map(({ id }) => id)).toContain(other.ids[0]);
  expect(await count(`task_state where status = 4 and id = ${ids[1]}`)).toBe(1);
});

test("what waits longer or is more urgent in a lane comes before the child that has become ready", async () => {
  const { ids } = await create(4, [atMost(1)], {}, (n) => (n === 0 ? [] : [n - 1]));
  const holders = await claim(1);
  const urgent = await create(2, [atMost(1)], { priority: 9 });
  const started = await report(holders, 1);
  expect(started).toEqual(urgent.ids.slice(0, 1));
  expect(await report([{ id: started[0] as bigint, attempt: 1 }], 0)).toEqual([]);
  expect((await claim(3)).map(({ id }) => id)).toEqual(urgent.ids.slice(1));
  expect(await count(`blocked where id = ${ids[1]}`)).toBe(1);
});

test("a child that is more urgent than what its lane holds back is offered in its place", async () => {
  const [lane = null] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [atMost(1)], metadata: null }]);
  const parents = (n: number) => (n === 0 ? [] : [0]);
  const graph = graphWith({ size: 2, parents }, (_, n) => ({ lane, priority: 2 * n }));
  await createGraph(db, graph);
  const holders = await claim(1);
  await create(1, [atMost(1)], { priority: 1 });
  expect(await report(holders, 0)).toEqual([]);
  expect([await count("ready"), await count("blocked")]).toEqual([1, 1]);
  expect((await claim(2)).map(({ id }) => id)).toEqual(graph.ids.slice(1));
});

test.each([
  ["capacity", RuleType.CAPACITY],
  ["rate", RuleType.RATE],
])("under a rule of %s claims decide", async (_, type) => {
  await create(3, [atMost(1), rule(type, 100, "more")], { expectedCount: 1n });
  expect(await report(await claim(1), 1)).toEqual([]);
  expect([await count("ready"), (await claim(2)).length]).toEqual([1, 1]);
});

test("nothing starts while a batch is held, or PauseBatch may be about to hold one", async () => {
  await create(4, [atMost(1)]);
  const held = await create(1, []);
  await holdBatch(db, request, { batchId: held.batchId, hold: true });
  expect(await report(await claim(1), 1)).toEqual([]);
  await holdBatch(db, request, { batchId: held.batchId, hold: false });
  const holders = (await claim(2)).filter(({ id }) => id !== held.ids[0]);
  await using other = await openTransaction(database.url);
  await other.query("select pg_advisory_xact_lock(7710, 3)");
  expect(await report(holders, 1)).toEqual([]);
  await other.query("commit");
  expect((await report(await claim(1), 1)).length).toBe(1);
});

test("tasks of a queue in which they take turns are left to the claims", async () => {
  await create(3, [atMost(1)]);
  const holders = await claim(1);
  await admin.query("insert into fair_queue values (1)");
  expect(await report(holders, 1)).toEqual([]);
  await admin.query("delete from fair_queue");
});

test("without a place in its queue nothing starts", async () => {
  await create(3, [atMost(1)]);
  expect(await report(await claim(1), 5, [2])).toEqual([]);
  expect(await report(await claim(1), 0)).toEqual([]);
});

test("a child under rules starts in the commit that ends its parent", async () => {
  const { ids } = await create(3, [atMost(1), atMost(5, "wide")], {}, (n) => (n === 0 ? [] : [n - 1]));
  const holders = await claim(1);
  expect(await report(holders, 1)).toEqual([ids[1]]);
  expect(await inUse()).toEqual([1, 1]);
});

test("places that children without rules take are not taken twice", async () => {
  const lanes = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [atMost(1)], metadata: null }]);
  const graph = graphWith({ size: 3, parents: (n) => (n === 1 ? [0] : []) }, (_, n) => ({
    lane: n === 1 ? null : (lanes[0] ?? null),
  }));
  await createGraph(db, graph);
  const holders = await claim(1);
  expect(await report(holders, 1)).toEqual([graph.ids[1]]);
  expect((await claim(5)).map(({ id }) => id)).toEqual([graph.ids[2]]);
});

test("places of several pools are taken each by its own queues", async () => {
  const [one, two] = [
    await create(4, [atMost(2, "one")]),
    await create(4, [atMost(2, "two")], { queue: 2, priority: 1 }),
  ];
  const holders = await claim(4);
  const { started } = await reportTasks(
    db,
    endReports(
      holders.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      3,
    ),
    [
      { queues: [1], places: [place] },
      { queues: [2], places: [place, place] },
    ],
  );
  expect(started.toSorted((a, b) => a.place - b.place).map(({ id, place: at }) => [id, at])).toEqual([
    [one.ids[2], 0],
    [two.ids[2], 1],
    [two.ids[3], 2],
  ]);
  expect([await inUse(), await count("ready")]).toEqual([[1, 2], 1]);
});

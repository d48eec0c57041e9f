import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { changeTasks, claimTasks, fireTimers, reportTasks } from "../../src/store/attempts.ts";
import { holdBatch, stopBatch } from "../../src/store/batches.ts";
import { createGraph, type NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { fireAlarms, sweepHolds } from "../../src/store/rule-alarms.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectNoDeadlocks } from "../support/deadlocks.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
const int64Max = 2n ** 63n - 1n;

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

const openDatabase = () =>
  new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  db = openDatabase();
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

const rule = (type: number, bound: bigint, windowMs = 0): Rule => ({
  ...{ name: "", kind: "k", fields: [], type, bound, windowMs },
});
const atMost = (bound: number) => rule(RuleType.CONCURRENCY, BigInt(bound));

/** Creates a batch of tasks under rules. */
async function create(size: number, rules: readonly Rule[], what: Partial<NewTaskRow> = {}) {
  const [lane = null] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules, metadata: null }]);
  const graph = graphWith({ size }, () => ({ lane, ...what }));
  await createGraph(db, graph);
  return { ...graph, lane };
}

const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });
const fire = () => fireTimers(db, { rowsMax: 500, tasksMax: 1000 });
const count = async (table: string): Promise<number> =>
  Number((await admin.query<{ n: string }>(`select count(*) n from ${table}`)).rows[0]?.n);
const past = "1970-01-01 00:00:01+00";

/** Lets start times that are still to come be over. */
async function startTimesPass(): Promise<void> {
  await admin.query("update task_state set start_time = $1 where start_time is not null", [past]);
  await admin.query("update timer set due = $1", [past]);
}

test("a start counts for a rate from when it is made, however long the claim waited for others", async () => {
  await create(1, [rule(RuleType.RATE, 1n, 60_000)]);
  await using other = await openTransaction(database.url);
  await other.query("select from rule_usage for update");
  const claiming = claim(1);
  await other.waitForBlocked(1);
  const { rows } = await admin.query<{ now: Date }>("select clock_timestamp() now");
  await other.query("commit");
  expect((await claiming).tasks.length).toBe(1);
  const starts = await admin.query<{ start_time: Date; claim_time: Date }>(
    "select s.start_time, h.claim_time from rate_start s, task_state h",
  );
  expect(starts.rows[0]?.start_time.getTime()).toBeGreaterThanOrEqual(rows[0]?.now.getTime() ?? 0);
  expect(starts.rows[0]?.start_time).toEqual(starts.rows[0]?.claim_time);
});

test("whoever makes the last start of a window has what waits for it looked at when the window opens", async () => {
  await create(5, [rule(RuleType.RATE, 2n, 60_000)]);
  expect((await claim(2)).tasks.length).toBe(2);
  expect(await count("blocked")).toBe(3);
  expect(await count("rule_alarm")).toBe(1);
});

test("an alarm that fires while a claim blocks a task, which has found it set, is not lost to that task", async () => {
  await create(2, [rule(RuleType.RATE, 1n, 60_000)]);
  await claim(1);
  await admin.query("insert into ready select 1, 0, id, lane from blocked; delete from blocked");
  await using other = await openTransaction(database.url);
  await other.query("select mp_claim('{1}', 1, '{1}', '{60000}')");
  await admin.query("update rate_start set start_time = start_time - interval '1 hour'");
  await admin.query("update rule_alarm set due = $1", [past]);
  const firing = fireAlarms(db);
  await other.waitForBlocked(1);
  await other.query("commit");
  await firing;
  expect([await count("ready"), await count("blocked"), await count("rule_alarm")]).toEqual([1, 0, 0]);
});

test("a claim that sets an alarm of a key that it has not locked waits for nobody afterwards", async () => {
  const [full, rate] = [atMost(1), rule(RuleType.RATE, 1n, 60_000)];
  const { lane } = await create(2, [full, rate]);
  await claim(1);
  await create(1, [full], { priority: 2 });
  await create(1, [full, rate], { priority: 1 });
  // What is offered of two lanes of one key, and what waits on; nobody has set the alarm.
  await admin.query(
    "insert into ready (queue, rank, id, lane) select 1, rank, id, lane from blocked where rank < 0; delete from blocked where rank < 0; delete from rule_alarm",
  );
  // Few lanes that take turns are offered all, full or not.
  await admin.query("update lane set flow = 1");
  await using other = await openTransaction(database.url);
  await other.query(`
    select from rule_usage where key_id = (select id from rule_key where type = 3) for update;
    select from lane where id = ${lane} for no key update`);
  const claiming = claim(1);
  await other.waitForBlocked(1);
  // The rest of what mp_offer does: it sets the same alarm.
  await other.query(`select mp_offer('{${lane}}', '{}', now()); commit`);
  expect((await claiming).tasks).toEqual([]);
  expect([await count("blocked"), await count("rule_alarm")]).toEqual([3, 1]);
  await db.close();
  db = openDatabase();
  await expectNoDeadlocks(database.url);
});

test("a task that two timers let start is in one place, also when a claim blocks it between them", async () => {
  const { ids } = await create(2, [atMost(1)], { startTime: "2100-01-01 00:00:00+00" });
  await changeTasks(db, request, { case: "pause", ids, reason: "" });
  await changeTasks(db, request, { case: "resume", ids, reason: "" });
  await startTimesPass();
  await admin.query("update timer set due = '2100-01-01' where id = (select max(id) from timer)");
  await fire();
  await admin.query("update timer set due = $1", [past]);
  await using other = await openTransaction(database.url);
  await other.query("insert into ready select 1, 0, id, lane from blocked on conflict do nothing; delete from blocked");
  await other.query("select mp_claim('{1}', 2, '{1}', '{60000}', null, true)");
  const firing = fire();
  await other.waitForBlocked(1);
  await other.query("commit");
  await firing;
  expect([await count("ready"), await count("blocked")]).toEqual([0, 1]);
  await checkInvariants(database.url);
});

test("of many tasks whose start time comes, or whose batch is let go, those are offered that there is room for", async () => {
  const { batchId } = await create(500, [atMost(3)], { startTime: "2100-01-01 00:00:00+00" });
  await startTimesPass();
  await fire();
  expect([await count("ready"), await count("blocked")]).toEqual([3, 497]);
  await holdBatch(db, request, { batchId, hold: true });
  for (let n = 0; n < 5; n += 1) await claim(3);
  expect(await count("parked")).toBeGreaterThanOrEqual(15);
  await holdBatch(db, request, { batchId, hold: false });
  expect([await count("ready"), await count("blocked"), await count("parked")]).toEqual([3, 497, 0]);
  await checkInvariants(database.url);
});

test("what rules hold back of a held batch stands in nobody's way: it is set aside at once", async () => {
  const held = await create(3000, [atMost(1)], { priority: 100 });
  const other = await create(1, [atMost(1)]);
  await holdBatch(db, request, { batchId: held.batchId, hold: true });
  const taken: bigint[] = [];
  for (let n = 0; n < 3; n += 1) taken.push(...(await claim(1)).tasks.map(({ id }) => id));
  expect(taken).toEqual(other.ids);
  expect([await count("ready"), await count("blocked"), await count("parked")]).toEqual([0, 0, 3000]);
  await checkInvariants(database.url);
  await holdBatch(db, request, { batchId: held.batchId, hold: false });
  expect([await count("ready"), await count("blocked"), await count("parked")]).toEqual([0, 3000, 0]);
});

test("a task is canceled wherever somebody has moved it meanwhile", async () => {
  const held = await create(2, [atMost(1)]);
  await holdBatch(db, request, { batchId: held.batchId, hold: true });
  await using other = await openTransaction(database.url);
  await other.query("select mp_set_aside(array(select lane from blocked))");
  const canceling = changeTasks(db, request, { case: "cancel", ids: held.ids, reason: "" });
  await other.waitForBlocked(1);
  await other.query("commit");
  await canceling;
  expect([await count("ready"), await count("blocked"), await count("parked")]).toEqual([0, 0, 0]);
  await checkInvariants(database.url);
});

test("tasks of many lanes that wait for one key are turned down together, not claim by claim", async () => {
  const all = { ...atMost(1), fields: ["all"] };
  const users = Array.from({ length: 300 }, (_, user) => JSON.stringify({ all: 1, user }));
  const lanes = await new Lanes(db).intern(
    1,
    users.map((metadata) => ({ queue: 1, flow: null, rules: [all, { ...atMost(1), fields: ["user"] }], metadata })),
  );
  await createGraph(
    db,
    graphWith({ size: 300 }, (_, n) => ({ lane: lanes[n] as bigint, priority: 100 })),
  );
  expect((await claim(1)).tasks.length).toBe(1);
  const { ids } = await create(1, []);
  const taken: bigint[] = [];
  for (let n = 0; n < 2; n += 1) taken.push(...(await claim(1)).tasks.map(({ id }) => id));
  expect(taken).toEqual(ids);
  expect([await count("ready"), await count("blocked")]).toEqual([0, 299]);
  await checkInvariants(database.url);
});

test("room for thousands that is made at once is taken by claims alone", async () => {
  const first = await create(2500, [atMost(2500)]);
  await create(2500, [atMost(2500)]);
  const claimAll = async (): Promise<number> => {
    let taken = 0;
    for (let more = true; more; ) {
      const claimed = await claim(2500);
      taken += claimed.tasks.length;
      more = claimed.tasks.length > 0;
    }
    return taken;
  };
  expect(await claimAll()).toBe(2500);
  await stopBatch(db, request, { batchId: first.batchId, reason: "" });
  expect(await claimAll()).toBe(2500);
  expect(await count("blocked")).toBe(0);
});

test("what may start in a lane is not looked at again by each task that joins it", async () => {
  await create(4000, [rule(RuleType.CAPACITY, 1_000_000n)], { expectedCount: 1n });
  const read = async (): Promise<number> => {
    await db.write({ name: "flush", text: "select pg_stat_force_next_flush()" }, []);
    const { rows } = await admin.query<{ n: string }>("select sum(idx_tup_read) n from pg_stat_user_indexes");
    return Number(rows[0]?.n);
  };
  for (let n = 0; n < 3; n += 1) await create(1, [rule(RuleType.CAPACITY, 1_000_000n)], { expectedCount: 1n });
  await Promise.all([1, 2].map(() => read()));
  const before = await read();
  await create(1, [rule(RuleType.CAPACITY, 1_000_000n)], { expectedCount: 1n });
  await Promise.all([1, 2].map(() => read()));
  expect((await read()) - before).toBeLessThan(6000);
});

test("work of 64 bits is added up without an overflow, and given back as it was", async () => {
  for (let n = 0; n < 3; n += 1) await create(1, [rule(RuleType.CAPACITY, int64Max)], { expectedCount: int64Max - 1n });
  const { tasks } = await claim(3);
  expect(tasks.length).toBe(2);
  expect(await count("blocked")).toBe(1);
  await reportTasks(db, endReports(tasks, 3));
  expect((await claim(3)).tasks.length).toBe(1);
  await checkInvariants(database.url);
});

test("a task without work left is not let in where the work of others has reached the bound", async () => {
  await create(1, [rule(RuleType.CAPACITY, 10n)], { expectedCount: 10n });
  await create(1, [rule(RuleType.CAPACITY, 10n)], { expectedCount: 0n });
  await admin.query("insert into ready select 1, 0, id, lane from blocked on conflict do nothing");
  await admin.query("delete from blocked");
  expect((await claim(2)).tasks.length).toBe(1);
});

test("a claim that finds a rule full that had room when it began is made again, and lets nothing in beyond the bound", async () => {
  await create(6, [atMost(4)]);
  expect((await claim(2)).tasks.length).toBe(2);
  await using other = await openTransaction(database.url);
  await other.query("update rule_usage set in_use = 4");
  const claiming = claim(1);
  await other.waitForBlocked(1);
  await other.query("commit");
  expect((await claiming).tasks).toEqual([]);
  expect([await count("blocked"), await count("ready"), await count("task_state where status = 4")]).toEqual([4, 0, 2]);
  await admin.query("update rule_usage set in_use = 2");
  await db.write({ name: "offer", text: "select mp_offer(array(select id from lane), '{}', now())" }, []);
  await checkInvariants(database.url);
});

test("a claim that takes the last that was offered offers more, also of what somebody has blocked while it was under way", async () => {
  const { batchId } = await create(1_000, [atMost(5_000)]);
  await using other = await openTransaction(database.url);
  await other.query(`select from batch_state where batch_id = ${batchId} for update`);
  const claiming = claim(1_000);
  await other.waitForBlocked(1);
  await create(5, [atMost(5_000)]);
  expect([await count("ready"), await count("blocked")]).toEqual([1_000, 5]);
  await other.query("commit");
  expect((await claiming).tasks.length).toBe(1_000);
  expect([await count("ready"), await count("blocked")]).toEqual([5, 0]);
  await checkInvariants(database.url);
});

test("who holds a key is known by its tasks, and forgotten together when all have left", async () => {
  await create(3, [atMost(5)]);
  const { tasks } = await claim(3);
  const overdue = () => admin.query("update hold set due = $1", [past]);
  await reportTasks(db, endReports(tasks.slice(0, 2), 3));
  await overdue();
  expect(await sweepHolds(db, 10)).toBe(false);
  expect(await count("hold")).toBe(1);
  await reportTasks(db, endReports(tasks.slice(2), 3));
  await overdue();
  await sweepHolds(db, 10);
  expect(await count("hold")).toBe(0);
  await checkInvariants(database.url);
});

test("of a key that many lanes wait for, as many tasks are offered as fit, those of the highest priority first", async () => {
  const all = { ...atMost(5), fields: ["all"] };
  const users = Array.from({ length: 40 }, (_, user) => JSON.stringify({ all: 1, user }));
  const lanes = await new Lanes(db).intern(
    1,
    users.map((metadata) => ({ queue: 1, flow: null, rules: [all, { ...atMost(2), fields: ["user"] }], metadata })),
  );
  const priorityOf = (place: number) => (place * 7) % 11;
  const graph = graphWith({ size: 200 }, (_, n) => ({ lane: lanes[n % 40] as bigint, priority: priorityOf(n) }));
  await createGraph(db, graph);
  const placeOf = new Map(graph.ids.map((id, place) => [id, place]));
  const started: number[] = [];
  const running = [...(await claim(20)).tasks];
  // What was offered while there was room for it in each lane has been turned down by now.
  expect([running.length, await count("ready")]).toEqual([5, 0]);
  while (running.length > 0) {
    const ended = running.splice(0, 2);
    await reportTasks(db, endReports(ended, 3));
    // As many of the key of all, and of those of the users that have room now.
    expect(await count("ready")).toBeLessThanOrEqual(3 * (5 - running.length));
    const { tasks } = await claim(20);
    running.push(...tasks);
    started.push(...tasks.map(({ id }) => placeOf.get(id) ?? -1));
    if (started.length > 150) break;
  }
  const priorities = started.map(priorityOf);
  // Two of a user at most: so few come a little later than their priority says.
  const inversions = priorities.filter((priority, n) => n > 0 && priority > (priorities[n - 1] ?? 0)).length;
  expect(inversions).toBeLessThan(priorities.length / 10);
  await checkInvariants(database.url);
});

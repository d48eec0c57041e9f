import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { holdBatch } from "../../src/store/batches.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { fan, graphWith } from "./plan-tables.ts";

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  db = new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

const rule = (bound: number, ...fields: string[]): Rule => ({
  ...{ name: "", kind: "k", fields, type: RuleType.CONCURRENCY, bound: BigInt(bound), windowMs: 0 },
});
const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });
const count = async (table: string): Promise<number> =>
  Number((await admin.query<{ n: string }>(`select count(*) n from ${table}`)).rows[0]?.n);

/** The lanes of tenants under rules of all and of each. */
const lanesOf = async (tenants: number, rules: readonly Rule[]): Promise<bigint[]> => {
  const wanted = Array.from({ length: tenants }, (_, tenant) => ({
    ...{ queue: 1, flow: null, rules, metadata: JSON.stringify({ all: 1, tenant }) },
  }));
  return (await new Lanes(db).intern(1, wanted)) as bigint[];
};

test("of many lanes, a release offers as many tasks as fit, however many of them one lane has first", async () => {
  const lanes = await lanesOf(20, [rule(10, "all"), rule(1, "tenant")]);
  const [first] = await lanesOf(1, [rule(10, "all")]);
  await createGraph(
    db,
    graphWith({ size: 10 }, () => ({ lane: first as bigint, priority: 1 })),
  );
  const graph = graphWith({ size: 400 }, (_, n) => ({ lane: lanes[Math.floor(n / 20)] as bigint }));
  await createGraph(db, graph);
  const { tasks } = await claim(10);
  await claim(1);
  expect([tasks.length, await count("ready")]).toEqual([10, 0]);
  await reportTasks(db, endReports(tasks, 3));
  expect(await count("ready")).toBe(10);
  expect((await claim(20)).tasks.length).toBe(10);
  await checkInvariants(database.url);
});

test("of many lanes, those of held batches take nobody's place", async () => {
  const lanes = await lanesOf(40, [rule(1, "all"), rule(1, "tenant")]);
  const held = graphWith({ size: 20 }, (_, n) => ({ lane: lanes[n] as bigint }));
  await createGraph(db, held);
  await createGraph(
    db,
    graphWith({ size: 20 }, (_, n) => ({ lane: lanes[20 + n] as bigint, priority: -1 })),
  );
  const { tasks } = await claim(1);
  expect([(await claim(1)).tasks.length, await count("ready"), await count("blocked")]).toEqual([0, 0, 39]);
  await holdBatch(db, request, { batchId: held.batchId, hold: true });
  await reportTasks(db, endReports(tasks, 3));
  expect(await count("ready")).toBe(1);
  expect((await claim(1)).tasks.length).toBe(1);
  await checkInvariants(database.url);
});

test("a task that gets rules while its last parent ends is not handed over without them", async () => {
  const graph = fan(2);
  await createGraph(db, graph);
  const { tasks } = await claim(1);
  const [lane] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [rule(1)], metadata: null }]);
  await admin.query("update rule_usage set in_use = 1");
  await using other = await openTransaction(database.url);
  await other.query(`update task_state set lane = ${lane} where id = ${graph.ids[1]}`);
  await other.query(`update batch_state set limited = true`);
  const reporting = reportTasks(db, endReports(tasks, 3), [{ queues: [1], places: [{ worker: 1, leaseMs: 60_000 }] }]);
  await other.waitForBlocked(1);
  await other.query("commit");
  expect((await reporting).started).toEqual([]);
  expect([await count("ready"), await count("blocked")]).toEqual([0, 1]);
});

test("a claim that finds a rule full turns down some thousands of tasks, and leaves the others to the next ones", async () => {
  const [lane] = await lanesOf(1, [rule(10_000, "all")]);
  // There is room for thousands: so all of them are in the queue.
  for (let n = 0; n < 6; n += 1)
    await createGraph(
      db,
      graphWith({ size: 5_000 }, () => ({ lane: lane as bigint })),
    );
  await admin.query("update rule_usage set in_use = 10000");
  expect((await claim(1_000)).tasks).toEqual([]);
  expect(await count("blocked")).toBeLessThan(12_000);
  for (let more = true; more; ) ({ more } = await claim(1_000));
  expect([await count("ready"), await count("blocked")]).toEqual([0, 30_000]);
});

test("tasks that each have a lane of their own are blocked and turned down by the thousands", async () => {
  const size = 15_000;
  const lanes = await lanesOf(size, [rule(10, "all"), rule(1, "tenant")]);
  await createGraph(
    db,
    graphWith({ size }, (_, n) => ({ lane: lanes[n] as bigint })),
  );
  expect((await claim(10)).tasks.length).toBe(10);
  for (let more = true; more; ) ({ more } = await claim(10));
  expect([await count("ready"), await count("blocked")]).toEqual([0, size - 10]);
});

test("a batch that is let go numbers its event when it waits for nobody any more", async () => {
  const [lane] = await lanesOf(1, [rule(1, "all")]);
  const graph = graphWith({ size: 3 }, () => ({ lane: lane as bigint }));
  await createGraph(db, graph);
  await holdBatch(db, request, { batchId: graph.batchId, hold: true });
  await claim(3);
  const lastNumber = async () =>
    (await admin.query<{ last_value: string }>("select last_value from event_seq")).rows[0]?.last_value;
  const before = await lastNumber();
  await using other = await openTransaction(database.url);
  await other.query("select from rule_usage for update");
  const resuming = holdBatch(db, request, { batchId: graph.batchId, hold: false });
  await other.waitForBlocked(1);
  expect(await lastNumber()).toBe(before);
  await other.query("commit");
  await resuming;
  expect([await count("ready"), await count("blocked"), await count("parked")]).toEqual([1, 2, 0]);
  await checkInvariants(database.url);
});

import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RuleType } from "../../src/domain/rule.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { holdBatch } from "../../src/store/batches.ts";
import { createGraph, type NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

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

const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });
const count = async (table: string): Promise<number> =>
  Number((await admin.query<{ n: string }>(`select count(*) n from ${table}`)).rows[0]?.n);

/** Creates a batch of tasks, the urgent ones of a batch that is to be held. */
async function create(size: number, what: Partial<NewTaskRow>) {
  const graph = graphWith({ size }, () => what);
  await createGraph(db, graph);
  return graph;
}

/** Claims one task, again and again while something is offered; answers what was taken. */
async function claimOne(): Promise<bigint[]> {
  while ((await count("ready")) > 0) {
    const { tasks } = await claim(1);
    if (tasks.length > 0) return tasks.map(({ id }) => id);
  }
  return [];
}

test("of a held batch, a claim moves some thousands of tasks out of its way, and the next ones go on", async () => {
  const held = await create(100_000, { priority: 5 });
  const free = await create(1, {});
  await holdBatch(db, request, { batchId: held.batchId, hold: true });
  expect(await claim(1)).toMatchObject({ tasks: [], more: true });
  expect(await count("parked")).toBeLessThan(100_000);
  expect(await claimOne()).toEqual(free.ids);
  expect([await count("ready"), await count("parked")]).toEqual([0, 100_000]);
});

test("of a held batch that a rule has blocked, whoever makes room sets aside some thousands of tasks, and claims go on", async () => {
  const rule = { name: "", kind: "k", fields: [], type: RuleType.CONCURRENCY, bound: 1n, windowMs: 0 };
  const [lane = null] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [rule], metadata: null }]);
  await create(1, { lane, priority: 9 });
  const { tasks } = await claim(1);
  const held = await create(60_000, { lane, priority: 5 });
  const free = await create(1, { lane });
  await holdBatch(db, request, { batchId: held.batchId, hold: true });
  await reportTasks(db, endReports(tasks, 3));
  expect(await count("parked")).toBeLessThan(30_000);
  expect(await claimOne()).toEqual(free.ids);
  expect([await count("ready"), await count("blocked"), await count("parked")]).toEqual([0, 0, 60_000]);
});

import fc from "fast-check";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimTasks } from "../../src/store/attempts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Flows } from "../../src/store/flows.ts";
import { Turns } from "../../src/store/turns.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { graphWith, touchedBy } from "./plan-tables.ts";

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  await admin.query("insert into namespace (id, name, weight) values (2, 'second', 1), (3, 'third', 4)");
  // Queues 1 to 3, of namespaces 1 to 3.
  for (const namespace of [1, 2, 3])
    await admin.query("insert into queue (namespace_id, kind, execution) values ($1, 'k', 2)", [namespace]);
  db = new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

const keyOf = new Map<bigint, string>();

/** Creates tasks of a key in a queue, which has the number of its namespace. */
async function create(queue: number, size: number, { key = "", weight = 1, priority = 0 } = {}): Promise<bigint[]> {
  const wanted = [{ fairnessKey: key, fairnessWeight: weight }];
  const [flow = null] = await new Flows(db).intern(queue, wanted, [queue]);
  const graph = graphWith({ size }, () => ({ queue, flow, priority }));
  await createGraph(db, { ...graph, request: { ...graph.request, namespaceId: queue } });
  for (const id of graph.ids) keyOf.set(id, `${queue}${key}`);
  return [...graph.ids];
}

/** Claims as a server does, on and on; answers the keys, in the order in which they are started. */
function claimer(queues: readonly number[], turns = new Turns()) {
  return async (max: number): Promise<string[]> => {
    const places = Array(max).fill({ worker: 1, leaseMs: 60_000 });
    const claimed = await claimTasks(db, { queues, places, turns: turns.of(queues) });
    turns.note(queues, claimed.turns);
    return claimed.tasks.map(({ id }) => keyOf.get(id) ?? "");
  };
}

function counted(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

test("namespaces take turns by their weights, whatever the number of keys within, and these within their namespace", async () => {
  await create(1, 100);
  for (const key of ["a", "b", "c", "d", "e"]) await create(2, 100, { key });
  await create(3, 100, { key: "x", weight: 3 });
  await create(3, 100, { key: "y" });
  const claim = claimer([1, 2, 3]);
  expect(counted(await claim(60))).toEqual({
    ...{ 1: 10, "2a": 2, "2b": 2, "2c": 2, "2d": 2, "2e": 2, "3x": 30, "3y": 10 },
  });
  const one: string[] = [];
  for (let n = 0; n < 60; n += 1) one.push(...(await claim(1)));
  expect(counted(one)).toEqual({ 1: 10, "2a": 2, "2b": 2, "2c": 2, "2d": 2, "2e": 2, "3x": 30, "3y": 10 });
  await checkInvariants(database.url);
});

test("priority stands above namespaces", async () => {
  await create(1, 3, { key: "a", priority: 5 });
  await create(2, 3, { key: "b", priority: -5 });
  await create(3, 3);
  expect(await claimer([1, 2, 3])(9)).toEqual(["1a", "1a", "1a", "3", "3", "3", "2b", "2b", "2b"]);
});

test("whoever is urgent now and then does not decide whose turn it is among the others", async () => {
  const keys = ["a", "b", "c", "d"];
  for (const key of keys) await create(1, 20, { key });
  const claim = claimer([1]);
  const taken: string[] = [];
  for (let n = 0; n < 20; n += 1) {
    await create(1, 1, { key: "b", priority: 5 });
    expect(await claim(1)).toEqual(["1b"]);
    taken.push(...(await claim(1)));
  }
  expect(counted(taken)).toEqual({ "1a": 5, "1b": 5, "1c": 5, "1d": 5 });
  const server = new Turns();
  await create(1, 150, { key: "e" });
  await admin.query(
    "with r as (select ctid, row_number() over (order by id) n from ready where flow = 5) update ready set rank = -r.n from r where ready.ctid = r.ctid",
  );
  for (let n = 0; n < 15; n += 1) await claimer([1], server)(10);
  expect(JSON.stringify(server.of([1])).length).toBeLessThan(10_000);
});

test("what somebody else holds is passed over, and nobody with less priority comes before it is known what is free", async () => {
  const [first, ...others] = await create(1, 50, { key: "a" });
  await create(1, 1, { key: "b", priority: -1 });
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = any ('{${[first, ...others.slice(0, 40)].join()}}') for update`);
  expect(counted(await claimer([1])(1))).toEqual({ "1a": 1 });
  expect(counted(await claimer([1])(50))).toEqual({ "1a": 8, "1b": 1 });
  await other.query("commit");
  expect(counted(await claimer([1])(50))).toEqual({ "1a": 41 });
  await checkInvariants(database.url);
});

test("however many tasks somebody else holds, nobody with less priority comes before what is free", async () => {
  const ids = await create(1, 302, { key: "a" });
  await create(1, 1, { key: "b", priority: -1 });
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = any ('{${ids.slice(0, 300).join()}}') for update`);
  const claim = claimer([1]);
  expect([await claim(1), await claim(1), await claim(1)]).toEqual([["1a"], ["1a"], ["1b"]]);
  await other.query("commit");
  expect(counted(await claim(400))).toEqual({ "1a": 300 });
  await checkInvariants(database.url);
});

test("while all of them have tasks, nobody gets more than a turn ahead, whatever the sizes of claims", async () => {
  const plan = fc.record({
    weights: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 }),
    claims: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 15 }),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(plan, async ({ weights, claims }) => {
      run += 1;
      await admin.query("delete from ready");
      const keys = weights.map((weight, n) => ({ weight, key: `${run}-${n}` }));
      for (const { weight, key } of keys) await create(1, 100, { key, weight });
      const claim = claimer([1]);
      const counts = new Map<string, number>();
      for (const max of claims) {
        const got = await claim(max);
        expect(got.length).toBe(max);
        for (const key of got) counts.set(key, (counts.get(key) ?? 0) + 1);
        if (Math.max(...counts.values()) === 100) break;
        const rounds = keys.map(({ weight, key }) => (counts.get(`1${key}`) ?? 0) / weight);
        expect(Math.max(...rounds) - Math.min(...rounds)).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 15 },
  );
});

test("a claim looks at as much as it takes, however many wait and however many keys they have", async () => {
  const flows = await new Flows(db).intern(
    1,
    Array.from({ length: 1_000 }, (_, n) => ({ fairnessKey: `${n}`, fairnessWeight: 1 })),
    Array(1_000).fill(1),
  );
  const graph = graphWith({ size: 20_000 }, (_, n) => ({ flow: flows[n % 1_000] as number }));
  await createGraph(db, graph);
  await admin.query("analyze");
  const claim = claimer([1]);
  await claim(1);
  const one = await touchedBy({ admin, db }, () => claim(1));
  expect(one).toEqual({ scans: expect.any(Number), rows: expect.toSatisfy((rows: number) => rows < 200) });
  const fifty = await touchedBy({ admin, db }, () => claim(50));
  expect(fifty.rows).toBeLessThan(50 * 40);
  const [row] = (await admin.query<{ n: string }>("select count(distinct flow) n from task_state where status = 4"))
    .rows;
  expect(row?.n).toBe("52");
});

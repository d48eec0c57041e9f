import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { ruleHolders } from "../../src/store/blockers.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { createGraph, type NewGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { sweepHolds } from "../../src/store/rule-alarms.ts";
import { readRuleFigures } from "../../src/store/rule-figures.ts";
import { listRuleUsage } from "../../src/store/rule-usage.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const users = 20;

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

const ruleOf = (field: string, type: number = RuleType.CONCURRENCY): Rule => ({
  ...{ name: field, kind: "k", fields: [field], type, bound: 1_000n, windowMs: 0 },
});

/** A graph of twice as many tasks as there are users, of each of whom there is a lane, under one key for all and one for each; the last three have no rules. */
async function graphOfUsers(rules: readonly Rule[] = [ruleOf("all"), ruleOf("user")]) {
  const lanes = await new Lanes(db).intern(
    1,
    Array.from({ length: users }, (_, user) => ({
      ...{ queue: 1, flow: null, rules, metadata: JSON.stringify({ all: 1, user }) },
    })),
  );
  return graphWith({ size: 2 * users + 3 }, (_, n) => ({
    lane: n < 2 * users ? (lanes[n % users] as bigint) : null,
    expectedCount: 7n,
  }));
}

const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });
const rowsOf = async (text: string) => (await admin.query(text)).rows;
const holds = () =>
  rowsOf("select lane > 0 own, count(*)::int n, sum(cardinality(task_ids))::int tasks from hold group by 1");
const overdue = () => admin.query("update hold set due = '1970-01-01 00:00:01+00'");

/** Who holds the key for all, or that of the fourth user. */
async function holdersOf(field: "all" | "user", { tasks }: NewGraph) {
  const lane = tasks[3]?.lane;
  const text =
    "select k.key from lane l cross join lateral unnest(l.keys, l.rules) k(key, rule) join rule r on r.id = k.rule where l.id = $1 and r.name = $2";
  const { rows } = await admin.query<{ key: string }>(text, [lane, field]);
  return await ruleHolders(db.read.bind(db), BigInt(rows[0]?.key ?? 0), 100);
}

test("a claim under many lanes keeps one row of who holds their keys, and all who ask are told of each", async () => {
  const graph = await graphOfUsers();
  await createGraph(db, graph);
  const { tasks } = await claim(100);
  expect(tasks).toHaveLength(2 * users + 3);
  expect(await holds()).toEqual([{ own: false, n: 1, tasks: 2 * users }]);
  expect((await holdersOf("all", graph)).map(({ taskId }) => taskId)).toEqual(graph.ids.slice(0, 2 * users));
  expect(await holdersOf("user", graph)).toMatchObject(
    [graph.ids[3], graph.ids[users + 3]].map((taskId) => ({ taskId, amount: 1n })),
  );
  const listed = await listRuleUsage(
    db,
    { namespaceId: 1, batchId: undefined, kind: "" },
    { size: 100, before: undefined },
  );
  expect(listed.rows.map(({ inUse }) => Number(inUse)).toSorted((a, b) => a - b)).toEqual([
    ...Array(users).fill(2),
    40,
  ]);
  const usage = [
    { rule: "all", taken: 40 },
    { rule: "user", taken: 40 },
  ];
  expect(await readRuleFigures(db)).toMatchObject({ drift: 0, usage: expect.arrayContaining(usage) });
  await checkInvariants(database.url);
});

test("those of such a claim who have not left when it is swept are kept by lane; nothing is kept of the others", async () => {
  const graph = await graphOfUsers();
  await createGraph(db, graph);
  const { tasks } = await claim(100);
  const [stays, ...leave] = tasks.filter(({ id }) => id !== graph.ids[3]);
  expect(stays?.id).toBe(graph.ids[0]);
  await reportTasks(db, endReports(leave, 3));
  expect((await holdersOf("all", graph)).map(({ taskId }) => taskId)).toEqual([graph.ids[0], graph.ids[3]]);
  await overdue();
  expect(await sweepHolds(db, 10)).toBe(false);
  expect(await holds()).toEqual([{ own: true, n: 2, tasks: 2 }]);
  expect((await holdersOf("all", graph)).map(({ taskId }) => taskId)).toEqual([graph.ids[0], graph.ids[3]]);
  await checkInvariants(database.url);
  await reportTasks(db, endReports(tasks, 3));
  await overdue();
  await sweepHolds(db, 10);
  expect([await holds(), await rowsOf("select from rule_usage where in_use <> 0")]).toEqual([[], []]);
});

test("tasks of many lanes that start in the commit that creates them have one row, too", async () => {
  const graph = await graphOfUsers();
  await createGraphs(db, [graph], () => ({ worker: 1, leaseMs: 60_000 }));
  expect(await holds()).toEqual([{ own: false, n: 1, tasks: 2 * users }]);
  expect((await readRuleFigures(db)).drift).toBe(0);
  await checkInvariants(database.url);
});

test("of a claim under many lanes with rules of capacity, each task holds its work", async () => {
  const graph = await graphOfUsers([ruleOf("all", RuleType.CAPACITY), ruleOf("user")]);
  await createGraph(db, graph);
  await claim(100);
  expect(await holdersOf("all", graph)).toMatchObject(Array(2 * users).fill({ amount: 7n }));
  expect((await readRuleFigures(db)).drift).toBe(0);
  await checkInvariants(database.url);
});

test("a claim of which rules let in none but tasks without rules keeps nothing", async () => {
  const graph = await graphOfUsers();
  await createGraph(db, graph);
  await admin.query("update rule_usage set in_use = 1000");
  expect((await claim(100)).tasks.map(({ id }) => id)).toEqual(graph.ids.slice(2 * users));
  expect([await holds(), await rowsOf("select id from blocked")]).toEqual([
    [],
    Array(2 * users).fill(expect.anything()),
  ]);
  await admin.query("update rule_usage set in_use = 0");
  await db.write({ name: "offer", text: "select mp_offer(array(select id from lane), '{}', now())" }, []);
  expect((await claim(100)).tasks).toHaveLength(2 * users);
  await checkInvariants(database.url);
});

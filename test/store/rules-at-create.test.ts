import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { changeTasks, claimTasks, fireTimers, releaseTasks, reportTasks } from "../../src/store/attempts.ts";
import { stopBatch } from "../../src/store/batches.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { createGraph, type NewGraph, type NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
const place = { worker: 1, leaseMs: 60_000 };
const past = "1970-01-01 00:00:01+00";

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
  await db.close();
  await admin.end();
  await database.drop();
});

const rule = (type: number, bound: number, more: Partial<Rule> = {}): Rule => ({
  ...{ name: "", kind: "k", fields: [], type, bound: BigInt(bound), windowMs: 0, ...more },
});
const atMost = (bound: number, kind = "k") => rule(RuleType.CONCURRENCY, bound, { kind });

/** A graph of tasks under rules; not yet written. */
async function graphOf(size: number, rules: readonly Rule[], what: Partial<NewTaskRow> = {}) {
  const [lane = null] = await new Lanes(db).intern(1, [{ queue: what.queue ?? 1, flow: null, rules, metadata: null }]);
  return graphWith({ size }, () => ({ lane, ...what }));
}

/** Writes graphs of which the first so many tasks have places. */
function start(graphs: readonly NewGraph[], places = Number.POSITIVE_INFINITY) {
  const started = new Set(
    graphs
      .flatMap(({ tasks }) => tasks)
      .slice(0, places)
      .map(({ id }) => id),
  );
  return createGraphs(db, graphs, ({ id }) => (started.has(id) ? place : undefined));
}

const count = async (what: string): Promise<number> =>
  Number((await admin.query<{ n: string }>(`select count(*) n from ${what}`)).rows[0]?.n);
const running = () => count("task_state where status = 4");
const inUse = async (): Promise<number[]> =>
  (await admin.query<{ in_use: string }>("select in_use from rule_usage order by in_use")).rows.map(({ in_use }) =>
    Number(in_use),
  );

test("tasks that start with their creation hold the keys of their rules, as after a claim", async () => {
  const graphs = [
    await graphOf(3, [atMost(5), atMost(9, "wide")]),
    await graphOf(2, []),
    await graphOf(1, [atMost(5)]),
  ];
  expect((await start(graphs)).case).toBe("created");
  expect([await inUse(), await running(), await count("ready"), await count("blocked")]).toEqual([[3, 4], 6, 0, 0]);
  const { rows } = await admin.query("select cardinality(task_ids) n from hold order by n");
  expect(rows).toEqual([{ n: 1 }, { n: 3 }]);
  await checkInvariants(database.url);
});

test("what finds no place is queued, and what there is no room for is blocked, in one commit with what starts", async () => {
  const before = await count("event_tx");
  expect((await start([await graphOf(10, [atMost(4)])], 3)).case).toBe("created");
  expect([await inUse(), await running(), await count("ready"), await count("blocked")]).toEqual([[3], 3, 1, 6]);
  expect((await count("event_tx")) - before).toBe(1);
  await checkInvariants(database.url);
});

test("a limit of more than the tight lanes have is counted, too", async () => {
  expect((await start([await graphOf(10, [atMost(1_000_000)])], 4)).case).toBe("created");
  expect([await inUse(), await running(), await count("ready")]).toEqual([[4], 4, 6]);
  await checkInvariants(database.url);
});

test.each([
  { title: "success", leave: (ids: readonly bigint[]) => reportTasks(db, endReports(firstAttempts(ids), 3)) },
  { title: "failure", leave: (ids: readonly bigint[]) => reportTasks(db, endReports(firstAttempts(ids), 4)) },
  { title: "giving back", leave: (ids: readonly bigint[]) => releaseTasks(db, firstAttempts(ids)) },
  { title: "cancel", leave: (ids: readonly bigint[]) => changeTasks(db, request, { case: "cancel", ids, reason: "" }) },
  {
    title: "a lease that runs out",
    leave: async () => {
      await admin.query("update task_state set lease_until = $1 where status = 4", [past]);
      await admin.query("update timer set due = $1", [past]);
      await fireTimers(db, { rowsMax: 100, tasksMax: 100 });
    },
  },
  {
    title: "the stop of the batch",
    leave: (_: readonly bigint[], batchId: bigint) => stopBatch(db, request, { batchId, reason: "" }),
  },
])("what a task has held since its creation is free again after $title", async ({ leave }) => {
  const graph = await graphOf(2, [atMost(2)]);
  await start([graph]);
  expect(await inUse()).toEqual([2]);
  await leave(graph.ids, graph.batchId);
  expect([await inUse(), await running()]).toEqual([[0], 0]);
  await checkInvariants(database.url);
});

const firstAttempts = (ids: readonly bigint[]) => ids.map((id) => ({ id, attempt: 1 }));

test.each([
  { title: "of capacity", rules: [rule(RuleType.CAPACITY, 100)] },
  { title: "of a rate", rules: [atMost(100), rule(RuleType.RATE, 100, { windowMs: 60_000 })] },
])("tasks with a rule $title do not start with their creation", async ({ rules }) => {
  const graph = await graphOf(2, rules, { expectedCount: 1n });
  expect(await start([await graphOf(1, []), graph])).toEqual({ case: "noRoom" });
  expect([await count("task"), await count("batch"), await count("event_tx")]).toEqual([0, 0, 0]);
  expect((await start([graph], 0)).case).toBe("created");
  await checkInvariants(database.url);
});

test("while anything is blocked, no task with rules starts with its creation, and others do", async () => {
  await createGraph(db, await graphOf(2, [atMost(1, "full")], { queue: 2 }));
  expect(await count("blocked")).toBe(1);
  const graph = await graphOf(1, [atMost(100)]);
  expect(await start([graph])).toEqual({ case: "noRoom" });
  expect((await start([await graphOf(1, []), graph], 1)).case).toBe("created");
  expect([await running(), await count("ready")]).toEqual([1, 2]);
  await checkInvariants(database.url);
});

test("of two that race for the last room, one starts its tasks, and nothing is left of the other's", async () => {
  const first = await graphOf(1, [atMost(5)]);
  await start([first]);
  const [left, right] = [await graphOf(3, [atMost(5)]), await graphOf(3, [atMost(5)])];
  await using other = await openTransaction(database.url);
  await other.query("select from rule_usage for update");
  const answers = [start([left]), start([right])];
  // Both have seen that nothing is blocked.
  await other.waitForBlocked(2);
  await other.query("commit");
  const cases = (await Promise.all(answers)).map((answer) => answer.case);
  expect(cases.toSorted()).toEqual(["created", "noRoom"]);
  expect([await inUse(), await running(), await count("task"), await count("batch")]).toEqual([[4], 4, 4, 2]);
  const loser = cases[0] === "noRoom" ? left : right;
  expect((await start([loser], 0)).case).toBe("created");
  expect([await count("ready"), await count("blocked")]).toEqual([1, 2]);
  await checkInvariants(database.url);
});

test("a claim and a creation that race for the last room leave it to one of them", async () => {
  await createGraph(db, await graphOf(2, [atMost(2)]));
  const graph = await graphOf(2, [atMost(2)]);
  await using other = await openTransaction(database.url);
  await other.query("select from rule_usage for update");
  const answers = Promise.all([claimTasks(db, { queues: [1], places: [place, place] }), start([graph])]);
  await other.waitForBlocked(2);
  await other.query("commit");
  const [{ tasks }, created] = await answers;
  expect([tasks.length, created.case]).toBeOneOf([
    [2, "noRoom"],
    [0, "created"],
  ]);
  expect([await inUse(), await running()]).toEqual([[2], 2]);
  await checkInvariants(database.url);
});

test("a request that has been answered before takes nothing of a key", async () => {
  const graph = await graphOf(1, [atMost(5)]);
  const asked = { ...graph.request, requestId: "once" };
  await start([{ ...graph, request: asked }]);
  const again = { ...(await graphOf(1, [atMost(5)])), request: asked };
  expect(await start([again])).toEqual({ case: "answeredBefore", requestIds: ["once"] });
  expect([await inUse(), await running()]).toEqual([[1], 1]);
  await checkInvariants(database.url);
});

import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { changeTasks, claimTasks, releaseTasks, reportTasks } from "../../src/store/attempts.ts";
import { changeBatchRules } from "../../src/store/batch-rules.ts";
import { holdBatch, stopBatch } from "../../src/store/batches.ts";
import { fullRules, ruleHolders } from "../../src/store/blockers.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import type { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { fireAlarms, sweepHolds, sweepRules } from "../../src/store/rule-alarms.ts";
import { readRuleFigures, takeBlockedWaits } from "../../src/store/rule-figures.ts";
import { endReports, graphRows } from "./graph-rows.ts";
import { costs, fillTables, graphWith, openPlanTables, type PlanTables, touchedBy } from "./plan-tables.ts";

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };

let tables: PlanTables;
let admin: pg.Client;
let db: Database;

beforeAll(async () => {
  tables = await openPlanTables();
  admin = tables.admin;
});

afterAll(async () => {
  await db?.close();
  await tables?.close();
});

const touched = (work: () => Promise<unknown>) => touchedBy({ admin, db }, work);
const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });
const change = (what: "cancel" | "pause" | "resume", ids: readonly bigint[]) =>
  changeTasks(db, request, { case: what, ids, reason: "" });
const stop = (batchId: bigint) => stopBatch(db, request, { batchId, reason: "" });
const hold = (batchId: bigint, held: boolean) => holdBatch(db, request, { batchId, hold: held });
const size = 500;

const ruleOf = (name: string, type: number, bound: bigint, windowMs = 0): Rule => ({
  ...{ name, kind: "k", fields: [name], type, bound, windowMs },
});
/** A limit of each type: the first is met first. */
const rulesOf = (bound: bigint): Rule[] => [
  ruleOf("x", RuleType.CONCURRENCY, bound),
  ruleOf("y", RuleType.CAPACITY, 1_000_000n),
  ruleOf("z", RuleType.RATE, 1_000_000n, 60_000),
];

let keys = 0;

/** Creates tasks under some rules, with keys of their own; in so many lanes. */
async function createRuled(size: number, bound: bigint, { priority = 0, lanes = 1, parents = false } = {}) {
  keys += 1;
  const wanted = Array.from({ length: lanes }, (_, n) => ({
    ...{
      queue: 1,
      flow: null,
      rules: rulesOf(bound),
      metadata: JSON.stringify({ x: `${keys}-${n}`, y: keys, z: keys }),
    },
  }));
  const ids = await new Lanes(db).intern(1, wanted);
  const shape = { size, parents: (place: number) => (parents && place > 0 ? [0] : []) };
  const graph = graphWith(shape, (_, n) => ({ lane: ids[n % lanes] as bigint, expectedCount: 1n, priority }));
  await createGraph(db, graph);
  return { ...graph, lane: ids[0] as bigint };
}

/** Everything that rules do, once. */
async function useRules(size: number): Promise<void> {
  const graph = await createRuled(size, 1n);
  const [, second = 0n] = graph.ids;
  const { tasks } = await claim(size);
  await fullRules(db.read.bind(db), second);
  await ruleHolders(db.read.bind(db), 1n, 10);
  await fireAlarms(db);
  await sweepRules(db, 0n, 100);
  const plain = endReports(tasks, 3).map((each) => ({ ...each, action: 2 as const, successCount: 1n }));
  await reportTasks(db, plain);
  await reportTasks(db, endReports(tasks, 3));
  await releaseTasks(db, (await claim(1)).tasks);
  await changeRules(graph.batchId, 2n);
  await change("pause", [second]);
  await change("resume", [second]);
  await hold(graph.batchId, true);
  await claim(1);
  await hold(graph.batchId, false);
  await stop(graph.batchId);
  const crowd = await createCrowd(size);
  await claim(1);
  await claim(1);
  await stop(crowd.batchId);
}

/** Creates a task in each of many lanes, of which one key lets in one. */
async function createCrowd(users: number) {
  keys += 1;
  const rules = [ruleOf("all", RuleType.CONCURRENCY, 1n), ruleOf("user", RuleType.CONCURRENCY, 1n)];
  const all = keys;
  const lanes = await new Lanes(db).intern(
    1,
    Array.from({ length: users }, (_, user) => ({
      queue: 1,
      flow: null,
      rules,
      metadata: JSON.stringify({ all, user }),
    })),
  );
  const graph = graphWith({ size: users }, (_, n) => ({ lane: lanes[n] as bigint }));
  await createGraph(db, graph);
  return graph;
}

/** Gives the tasks of a batch other rules, of the same keys. */
const changeRules = (batchId: bigint, bound: bigint) =>
  changeBatchRules(db, request, {
    ...{ batchId, queues: [1], commit: true, note: { kind: "k", rules: "[]", reason: "" } },
    edit: (_, tasks) =>
      tasks.map(({ id, queue, flow, spec }) => ({
        ...{ id, queue, flow, spec, rules: rulesOf(bound), metadata: `{"x": "${batchId}", "y": 1, "z": 1}` },
      })),
  });

beforeEach(async () => {
  await admin.query("delete from ready where queue = 1");
});

function boundedRules(): void {
  it("an end looks at no lane of its keys that has nothing blocked", async () => {
    keys += 1;
    const rules = [ruleOf("all", RuleType.CONCURRENCY, 1n), ruleOf("user", RuleType.CONCURRENCY, 1n)];
    const users = Array.from({ length: 5_000 }, (_, n) => `${n}`);
    const lanes = await new Lanes(db).intern(
      1,
      users.map((user) => ({ queue: 1, flow: null, rules, metadata: JSON.stringify({ all: keys, user }) })),
    );
    const graph = graphWith({ size: 3 }, (_, n) => ({ lane: lanes[n * 1_000] as bigint }));
    await createGraph(db, graph);
    for (const id of graph.ids) {
      const { tasks } = await claim(1);
      expect(tasks.map((task) => task.id)).toEqual([id]);
      expect(await touched(() => reportTasks(db, endReports(tasks, 3)))).toEqual(costs(2000));
    }
  });

  it("20,000 tasks of high priority that rules hold back cost a claim, a start and an end nothing", async () => {
    const held = await createRuled(20_000, 2n, { priority: 100 });
    const first = await claim(2);
    expect(first.tasks.map(({ id }) => id)).toEqual(held.ids.slice(0, 2));
    const free = graphRows({ size: 1 });
    expect(await touched(() => createGraph(db, free))).toEqual(costs(100));
    const claimed = await touched(async () => {
      expect((await claim(10)).tasks.map(({ id }) => id)).toEqual(free.ids);
    });
    expect(claimed).toEqual(costs(1000));
    expect(await touched(() => reportTasks(db, endReports(first.tasks.slice(0, 1), 3)))).toEqual(costs(1000));
    // The row that has gone from the front of the queue stands in its index for a while.
    expect(await touched(() => claim(10))).toEqual(costs(2000));
    expect(await touched(() => sweepRules(db, 0n, 1000))).toEqual(costs(1000));
    expect(await touched(() => stop(held.batchId))).toEqual(costs(40 * 20_000));
  });

  it("counting how long tasks were blocked looks at so many transactions", async () => {
    const counted = await touched(async () => expect(await takeBlockedWaits(db, 100)).toHaveLength(100));
    expect(counted).toEqual(costs(1000));
  });

  it("who holds keys of many lanes is kept, counted, asked for and forgotten by their number", async () => {
    const { lane } = await createRuled(size, 1_000n, { lanes: 50 });
    expect((await claim(size)).tasks).toHaveLength(size);
    const shared = "select l.keys[array_position(l.types, 2::smallint)] as key from lane l where l.id = $1";
    const { rows } = await admin.query<{ key: string }>(shared, [lane]);
    for (let n = 0; n < 8; n += 1) {
      const asked = await touched(async () => {
        expect(await ruleHolders(db.read.bind(db), BigInt(rows[0]?.key ?? 0), size + 1)).toHaveLength(size);
      });
      expect(asked).toEqual(costs(10 * size));
    }
    // The tasks of 20,000 others are looked at, too, but not those of all the database.
    const read = await touched(() => readRuleFigures(db));
    expect(read.rows).toBeLessThan(150_000);
    await admin.query("update hold set due = '1970-01-01 00:00:01+00' where lane = 0");
    expect(await touched(() => sweepHolds(db, 100))).toEqual(costs(10 * size));
    const { rows: kept } = await admin.query(
      "select lane = 0 as together, count(*)::int n from hold where lane >= 0 and due > now() - interval '1 minute' group by 1",
    );
    expect(kept).toEqual([{ together: false, n: expect.toSatisfy((n) => n >= 50) }]);
  });

  it("turning down what waits for one key in many lanes looks at it once", async () => {
    const crowd = await createCrowd(size);
    const { tasks } = await claim(1);
    expect(tasks.length).toBe(1);
    expect(await touched(() => claim(1))).toEqual(costs(60 * size));
    expect(await touched(() => claim(1))).toEqual(costs(5 * size));
    await stop(crowd.batchId);
  });

  it("tasks with rules cost by their number, in one lane or in as many as there are tasks", async () => {
    for (const lanes of [1, size]) {
      let graph = { batchId: 0n, lane: 0n, ids: [] as bigint[] };
      const created = await touched(async () => {
        graph = await createRuled(size, 10n, { lanes, parents: true });
      });
      expect(created).toEqual(costs(120 * size));
      const { tasks } = await claim(1);
      expect(await touched(() => reportTasks(db, endReports(tasks, 3)))).toEqual(costs(120 * size));
      expect(await touched(() => claim(size))).toEqual(costs(120 * size));
      expect(await touched(() => changeRules(graph.batchId, 20n))).toEqual(costs(120 * size));
      expect(await touched(() => stop(graph.batchId))).toEqual(costs(120 * size));
    }
  });
}

describe("with plans that were made while the tables were empty", () => {
  beforeAll(async () => {
    await admin.query("vacuum analyze");
    db = tables.openDatabase();
    for (let n = 0; n < 8; n += 1) await useRules(3);
    await fillTables(admin);
  });
  boundedRules();
});

describe("with plans that were made from the statistics of large tables", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("vacuum analyze");
    db = tables.openDatabase();
  });
  boundedRules();
});

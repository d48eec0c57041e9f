import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { migrations } from "../../migrations/index.ts";
import { getAssignedTasks } from "../../src/store/assigned-tasks.ts";
import { reportTasks } from "../../src/store/attempts.ts";
import { changeBatchRules } from "../../src/store/batch-rules.ts";
import { createGraphs, createLargeGraph } from "../../src/store/create-graphs.ts";
import type { NewBatchRow, NewGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { claimDeliveries } from "../../src/store/deliveries.ts";
import { migrateDown } from "../../src/store/migrate.ts";
import { SharedSpecs, specColumn } from "../../src/store/shared-specs.ts";
import { getTasks } from "../../src/store/tasks.ts";
import { updateTask } from "../../src/store/update-task.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
const place = { worker: 1, leaseMs: 60_000 };
/** As long as a few rules. */
const spec = (name: string): string => JSON.stringify({ fairnessKey: `${name} ${"x".repeat(300)} "quoted" \\` });

describe("specColumn", () => {
  const columnOf = (specs: (string | null)[], batches?: number[]) =>
    specColumn(
      specs.map((text, n) => ({ id: BigInt(n), spec: text })),
      specs.map((_, n) => BigInt(batches?.[n] ?? 1)),
    );
  const [a, b] = [spec("a"), spec("b")];

  it("says nothing of tasks that have none", () => {
    expect(columnOf([])).toBeNull();
    expect(columnOf([null, null])).toBeNull();
  });

  it("sends once what tasks share, in any order", () => {
    expect(columnOf([a, a, null, a])).toEqual([`+${a}`, "=0", null, "=0"]);
    expect(columnOf([b, a, b, a, a])).toEqual([`+${b}`, `+${a}`, "=0", "=1", "=1"]);
  });

  it("leaves alone what one task has, and what is too short to be kept apart", () => {
    expect(columnOf([a, null, b])).toEqual([a, null, b]);
    expect(columnOf(['{"critical":true}', '{"critical":true}'])).toEqual(['{"critical":true}', '{"critical":true}']);
  });

  it("shares within a batch only", () => {
    expect(columnOf([a, a, a, b, a, a], [1, 1, 2, 2, 3, 3])).toEqual([`+${a}`, "=0", a, b, `+${a}`, "=4"]);
  });
});

describe("what tasks share", () => {
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

  const graphOf = (specs: readonly (string | null)[], notifies = 0) =>
    graphWith({ size: specs.length }, (_, n) => ({ spec: specs[n] ?? null, notifies }));
  const start = (graphs: readonly NewGraph[]) => createGraphs(db, graphs, () => place);
  const specsOf = async (ids: readonly bigint[]) => (await getTasks(db, 1, ids)).map((task) => task.spec);
  const kept = async () => (await admin.query("select spec from shared_spec order by id")).rows.map((row) => row.spec);

  it("is kept once, and read with each", async () => {
    const [a, b] = [spec("a"), spec("b")];
    const graphs = [graphOf([a, b, a, null, a]), graphOf([b, b])];
    await start(graphs);
    expect(await kept()).toEqual([a, b]);
    expect(await specsOf(graphs.flatMap(({ ids }) => ids))).toEqual([a, b, a, null, a, b, b]);
    const { rows } = await admin.query("select count(spec)::integer own from task");
    expect(rows).toEqual([{ own: 1 }]);
  });

  it("is kept once by each part of a large graph", async () => {
    const a = spec("a");
    const { tasks, newBatch, ...graph } = graphOf(Array<string>(1_200).fill(a));
    await createLargeGraph(db, {
      ...{ ...graph, newBatch: newBatch as NewBatchRow, answer: undefined },
      rows: (from, to) => tasks.slice(from, to),
    });
    expect(await kept()).toEqual([a, a, a]);
    expect(new Set(await specsOf(graph.ids))).toEqual(new Set([a]));
  });

  it("is handed out with first attempts, whether or not it is known already, and with later ones", async () => {
    const a = spec("a");
    const graph = graphOf([a, a, spec("other")]);
    await start([graph]);
    const source = { db, namespaceId: 1, sharedSpecs: new SharedSpecs() };
    const claimed = graph.ids.map((id) => ({ id, attempt: 1 }));
    for (const _ of ["read", "known"]) {
      const tasks = await getAssignedTasks(source, claimed);
      expect(tasks.map((task) => task.spec)).toEqual([a, a, spec("other")]);
      expect(tasks.map((task) => task.total)).toEqual([1, 2, 3].map((n) => n * a.length + (n === 3 ? 4 : 0)));
    }
    await admin.query("update task_state set attempt = 2");
    const later = await getAssignedTasks(source, [{ id: graph.ids[1] as bigint, attempt: 2 }]);
    expect(later.map((task) => task.spec)).toEqual([a]);
  });

  it("counts for the size of an answer", async () => {
    // 12 MB together: more than one answer may hold, although no task has any of it for itself.
    const large = JSON.stringify({ fairnessKey: "x".repeat(400_000) });
    const graph = graphOf(Array<string>(30).fill(large));
    await start([graph]);
    const source = { db, namespaceId: 1, sharedSpecs: new SharedSpecs() };
    const tasks = await getAssignedTasks(
      source,
      graph.ids.map((id) => ({ id, attempt: 1 })),
    );
    expect(tasks).toHaveLength(7);
  });

  it("is not read where it is too large to be handed out", async () => {
    // Each two of 100 tasks have another one of 400 KB.
    const texts = Array.from({ length: 50 }, (_, n) => JSON.stringify({ fairnessKey: `${n} ${"x".repeat(400_000)}` }));
    const graph = graphOf(Array.from({ length: 100 }, (_, n) => texts[Math.floor(n / 2)] ?? null));
    await start([graph]);
    let read = 0;
    const readByKey: Database["readByKey"] = async <Row extends pg.QueryResultRow>(
      ...args: Parameters<Database["readByKey"]>
    ) => {
      const rows = await db.readByKey<Row>(...args);
      for (const row of rows) read += (row as { spec?: string | null }).spec?.length ?? 0;
      return rows;
    };
    const tasks = await getAssignedTasks(
      { db: { readByKey }, namespaceId: 1, sharedSpecs: new SharedSpecs() },
      graph.ids.map((id) => ({ id, attempt: 1 })),
    );
    expect(tasks).toHaveLength(7);
    expect(read / 400_000).toBeLessThan(8);
  });

  it("is told of tasks that are handed over in a commit, unless it is much", async () => {
    const large = JSON.stringify({ fairnessKey: "x".repeat(70_000) });
    for (const [given, told] of [
      [spec("a"), spec("a")],
      [large, undefined],
    ]) {
      const graph = graphWith({ size: 3, parents: (n) => (n === 0 ? [] : [0]) }, () => ({ spec: given ?? null }));
      await createGraphs(db, [graph], ({ id }) => (id === graph.ids[0] ? place : undefined));
      const pools = [{ queues: [1], places: [place, place] }];
      const { started } = await reportTasks(db, endReports([{ id: graph.ids[0] as bigint, attempt: 1 }], 3), pools);
      expect(started.map(({ assignment }) => assignment?.task.spec)).toEqual([told, told]);
    }
  });

  it("says where webhooks go", async () => {
    const webhook = JSON.stringify({ onSuccess: [{ url: `https://example.com/${"x".repeat(300)}` }] });
    const graph = graphOf([webhook, webhook], 1);
    await start([graph]);
    await reportTasks(
      db,
      endReports(
        graph.ids.map((id) => ({ id, attempt: 1 })),
        3,
      ),
    );
    const limits = { hosts: [], free: [], perHost: 10 };
    const claimed = await claimDeliveries(db, { max: 10, leaseMs: 1_000, limits });
    expect(claimed.map(({ host, source }) => ({ host, source }))).toEqual(
      Array(2).fill({ host: "example.com", source: webhook }),
    );
  });

  it("stays with the others when one of them is changed", async () => {
    const a = spec("a");
    const graph = graphOf([a, a, a]);
    await start([graph]);
    const [first, second] = graph.ids as [bigint, bigint];
    for (const [id, changed] of [[first, null] as const, [second, spec("b")] as const]) {
      await updateTask(db, request, {
        id,
        edit: (task) => {
          expect(task?.spec).toBe(a);
          const same = { priority: 0, metadata: null, expectedCount: null, startTimeoutMs: 1, inactivityTimeoutMs: 1 };
          const none = { executionTimeoutMs: null, totalTimeoutMs: null, rules: [] };
          return { fields: 8, task: { ...same, ...none, spec: changed } };
        },
      });
    }
    expect(await specsOf(graph.ids)).toEqual([null, spec("b"), a]);
  });

  it("is read and replaced by UpdateBatchRules, of the tasks of its kind only", async () => {
    await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'other', 1)");
    const [a, b] = [spec("a"), spec("b")];
    const graph = graphWith({ size: 4 }, (_, n) => ({ spec: a, queue: 1 + (n % 2) }));
    await createGraphs(db, [graph], () => undefined);
    const seen: (string | null)[] = [];
    for (const commit of [false, true]) {
      await changeBatchRules(db, request, {
        ...{ batchId: graph.batchId, queues: [1], commit, note: { kind: "k", rules: "[]", reason: "" } },
        edit: (_, tasks) =>
          tasks.map(({ id, queue, flow, spec: given }) => {
            seen.push(given);
            return { ...{ id, queue, flow, rules: [], metadata: null }, spec: b };
          }),
      });
    }
    expect(seen).toEqual([a, a, a, a]);
    expect(await specsOf(graph.ids)).toEqual([b, a, b, a]);
  });

  it("is every task's own again when the migration is taken back", async () => {
    const a = spec("a");
    const graph = graphOf([a, a, null]);
    await start([graph]);
    const names = migrations.map(({ name }) => name);
    await migrateDown(database.url, names.length - names.indexOf("0015-shared-specs"));
    const { rows } = await admin.query("select spec from task order by id");
    expect(rows.map((row) => row.spec)).toEqual([a, a, null]);
  });
});

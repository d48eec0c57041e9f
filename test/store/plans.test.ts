import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  changeTasks,
  claimTasks,
  extendLeases,
  fireTimers,
  releaseTasks,
  reportTasks,
} from "../../src/store/attempts.ts";
import { listBatches, stopBatch } from "../../src/store/batches.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { eventRange, eventTasks, tailEvents } from "../../src/store/events.ts";
import { getAssignedTasks, getParents, getTaskStates, getTasks, listTasks } from "../../src/store/tasks.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports, graphRows } from "./graph-rows.ts";

const tasksPerBatch = 1000;
const endedTasks = 200_000;
/** Rows of tables that are empty as a rule, of others' work. */
const foreignRows = 20_000;

const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
const everything = {
  ...{ namespaceId: 1, batchId: undefined, statuses: [], queues: undefined, nameContains: "", metadata: undefined },
  ...{ createdAfter: undefined, createdBefore: undefined },
};
const newestPage = { size: 100, before: undefined };

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

/** One connection of each kind: what it prepared first is what runs later. */
const openDatabase = (): Database =>
  new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  const tables = await admin.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables.rows) await admin.query(`alter table ${name} set (autovacuum_enabled = off)`);
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
});

afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

/** How many rows `work` makes statements look at, by index or otherwise, and how many scans of whole tables it starts. */
async function touched(work: () => Promise<unknown>): Promise<{ scans: number; rows: number }> {
  const before = await counters();
  await work();
  const after = await counters();
  return { scans: after.scans - before.scans, rows: after.rows - before.rows };
}

async function counters(): Promise<{ scans: number; rows: number }> {
  const flush = { name: "flush", text: "select pg_stat_force_next_flush()" };
  await Promise.all([db.write(flush, []), db.read(flush, [])]);
  const { rows } = await admin.query<{ scans: number; rows: number }>(
    `select (select sum(seq_scan)::int from pg_stat_user_tables) scans,
      ((select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes))::int "rows"`,
  );
  return rows[0] as { scans: number; rows: number };
}

const claim = (max: number) => claimTasks(db, { queues: [1], max, worker: 1, leaseMs: 60_000 });

/** Everything once, small: makes each connection prepare and plan all of it. */
async function useEverything(): Promise<void> {
  const chain = graphRows({ size: 3, parents: (place) => (place === 0 ? [] : [place - 1]), open: true });
  await createGraph(db, chain);
  await createGraph(db, graphRows({ size: 1, late: () => [chain.ids[0] as bigint] }));
  const claimed = await claim(1);
  await extendLeases(db, { ids: [chain.ids[0] as bigint], attempts: [1], worker: 1, leaseMs: 60_000 });
  await expire(claimed.tasks);
  await fireTimers(db, { rowsMax: 50, tasksMax: 1000 });
  await releaseTasks(db, (await claim(1)).tasks);
  await reportTasks(db, endReports((await claim(1)).tasks, 4));
  await changeTasks(db, request, { case: "cancel", ids: chain.ids, reason: "" });
  await stopBatch(db, request, { batchId: chain.batchId, reason: "" });
  await reads(chain.ids);
}

/** Lets leases run out. */
async function expire(tasks: readonly { readonly id: bigint; readonly attempt: number }[]): Promise<void> {
  const ids = tasks.map((task) => task.id);
  await admin.query("update task_state set lease_until = clock_timestamp() where id = any ($1)", [ids]);
  await admin.query("insert into timer (due, task_ids, attempts) values (clock_timestamp(), $1, $2)", [
    ids,
    tasks.map((task) => task.attempt),
  ]);
}

async function reads(ids: bigint[]): Promise<void> {
  await getTasks(db, 1, ids);
  await getAssignedTasks(
    db,
    1,
    ids.map((id) => ({ id, attempt: 1 })),
  );
  await getTaskStates(db, 1, ids);
  await getParents(db, ids);
  await eventTasks(db, ids);
  await tailEvents(db, 0n, 100);
  await eventRange(db);
  await listTasks(db, everything, newestPage);
  await listTasks(db, { ...everything, batchId: 1n }, newestPage);
  await listBatches(db, everything, newestPage);
}

/** Ended tasks of long ago, in their batches, and rows in the tables that are empty as a rule. */
async function fillTables(): Promise<void> {
  const id = `b * 100000::bigint + i`;
  const each = `from generate_series(1, ${endedTasks / tasksPerBatch}) b, generate_series(1, ${tasksPerBatch}) i`;
  const other = `from generate_series(1, ${foreignRows}) n`;
  await admin.query(`
    insert into batch select b * 100000::bigint, 1, now(), 'old', '{}' from generate_series(1, ${endedTasks / tasksPerBatch}) b;
    insert into batch_state (batch_id, total, success, status, open)
      select id, ${tasksPerBatch}, ${tasksPerBatch}, 3, false from batch where name = 'old';
    insert into task (id, batch_id, create_time, namespace_id, queue, name, children)
      select ${id}, b * 100000::bigint, now(), 1, 2, 'old', array[${id} + 1] ${each};
    insert into task_state (id, batch_id, inactivity_timeout_ms, deps_left, dependents, queue, start_timeout_ms, status, priority, execution, unmet_policy)
      select ${id}, b * 100000::bigint, 60000, 0, 1, 2, 30000, 6, 0, 1, 1 ${each};
    insert into task_attempt (task_id, attempt, status, output) select ${id}, 0, 6, '{}' ${each};
    insert into ready select 2, 0, n ${other};
    insert into edge_late select n, n + 1, 1 ${other};
    insert into timer (due, task_ids, attempts) select now() + interval '1 day', array[n], array[1] ${other};
    insert into event_tx select nextval('event_seq'), now(), '{2}', '{1}', array[n], '{4}', '{6}', '{1}', '{2}', '{1}' ${other};`);
}

const size = 500;
const inLayers = { size, parents: (place: number) => (place < 100 ? [] : [place - 100, place - 100 - (place % 100)]) };

function boundedWork(): void {
  it("creating a graph looks at no table", async () => {
    expect(await touched(() => createGraph(db, graphRows({ size })))).toEqual({
      scans: 0,
      rows: expect.toSatisfy((rows) => rows < 20),
    });
  });

  it("claiming looks at the rows that it takes", async () => {
    const cost = await touched(() => claim(size));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 4 * size) });
  });

  it("extending leases looks at those tasks", async () => {
    await createGraph(db, graphRows({ size }));
    const { tasks } = await claim(size);
    const leases = { ids: tasks.map((task) => task.id), attempts: tasks.map((task) => task.attempt) };
    const cost = await touched(() => extendLeases(db, { ...leases, worker: 1, leaseMs: 60_000 }));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 3 * size) });
  });

  it("a success looks at the task, its children and its batch", async () => {
    await createGraph(db, graphRows(inLayers));
    const { tasks } = await claim(100);
    const cost = await touched(() => reportTasks(db, endReports(tasks, 3)));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 10 * tasks.length) });
  });

  it("a failure looks at what it brings down, level by level", async () => {
    await createGraph(db, graphRows({ size, parents: (place) => (place === 0 ? [] : [place - 1]) }));
    const cost = await touched(async () => reportTasks(db, endReports((await claim(1)).tasks, 4)));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 20 * size) });
  });

  it("a task that depends on existing ones looks at them", async () => {
    const { ids, ...graph } = graphRows({ size, open: true });
    await createGraph(db, graph);
    const late = graphRows({ size, late: (place) => [ids[place] as bigint] });
    const cost = await touched(() => createGraph(db, late));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 10 * size) });
    const { tasks } = await claim(size);
    const settled = await touched(() => reportTasks(db, endReports(tasks, 3)));
    expect(settled).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 10 * size) });
  });

  it("canceling and stopping look at what they end", async () => {
    const { ids, ...graph } = graphRows(inLayers);
    await createGraph(db, graph);
    const canceled = await touched(() =>
      changeTasks(db, request, { case: "cancel", ids: ids.slice(0, 100), reason: "" }),
    );
    expect(canceled).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 20 * size) });
    const stopped = graphRows(inLayers);
    await createGraph(db, stopped);
    const cost = await touched(() => stopBatch(db, request, { batchId: stopped.batchId, reason: "" }));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 15 * size) });
  });

  it("timers look at what is due", async () => {
    await createGraph(db, graphRows({ size: 50 }));
    await expire((await claim(1000)).tasks);
    const cost = await touched(() => fireTimers(db, { rowsMax: 50, tasksMax: 1000 }));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 10_000) });
  });

  it("reads by id and the feed's end look at those rows", async () => {
    const ids = Array.from({ length: 100 }, (_, n) => 5_000_001n + BigInt(n));
    const byId = await touched(async () => {
      await getTasks(db, 1, ids);
      await getTaskStates(db, 1, ids);
      await getAssignedTasks(
        db,
        1,
        ids.map((id) => ({ id, attempt: 1 })),
      );
      await getParents(db, ids);
      await eventTasks(db, ids);
    });
    expect(byId).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 20 * ids.length) });
    const feed = await touched(async () => {
      const newest = (await eventRange(db))?.newest ?? 0n;
      expect((await tailEvents(db, newest - 10n, 500)).length).toBeGreaterThan(0);
    });
    expect(feed).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 50) });
  });

  it("a page of a list ends where it is full, and after 20,000 rows where filters leave little", async () => {
    const deep = { size: 100, before: 15_000_000n };
    for (const page of [newestPage, deep]) {
      const full = await touched(() => listTasks(db, everything, page));
      expect(full).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 1500) });
    }
    const inBatch = await touched(() =>
      listTasks(db, { ...everything, batchId: 5_000_000n, statuses: [3] }, newestPage),
    );
    expect(inBatch).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 5 * tasksPerBatch) });
    const rare = { ...everything, statuses: [3] };
    const narrow = [
      rare,
      { ...rare, queues: [1] },
      { ...rare, metadata: "{}" },
      { ...everything, nameContains: "none" },
    ];
    for (const filter of narrow) {
      for (let n = 0; n < 7; n += 1) {
        const cost = await touched(() => listTasks(db, filter, deep));
        expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 100_000) });
      }
    }
    const batches = await touched(() => listBatches(db, { ...everything, queues: [77] }, newestPage));
    expect(batches).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 5000) });
  });
}

describe("with plans that were made while the tables were empty", () => {
  beforeAll(async () => {
    await admin.query("vacuum analyze");
    db = openDatabase();
    for (let n = 0; n < 8; n += 1) await useEverything();
    await fillTables();
  });
  boundedWork();
});

describe("with plans that were made from the statistics of large tables", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("vacuum analyze");
    db = openDatabase();
  });
  boundedWork();
});

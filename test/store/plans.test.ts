import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { EditableTask } from "../../src/domain/updatable-fields.ts";
import { getAssignedTasks, getParentResults, getParents } from "../../src/store/assigned-tasks.ts";
import {
  changeTasks,
  claimTasks,
  extendLeases,
  fireTimers,
  followUp,
  releaseTasks,
  reportTasks,
} from "../../src/store/attempts.ts";
import { graphTasks, taskTitles } from "../../src/store/batch-graph.ts";
import { holdBatch, listBatches, stopBatch } from "../../src/store/batches.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import type { Database } from "../../src/store/database.ts";
import { DedupeShapes } from "../../src/store/dedupe-shapes.ts";
import {
  claimDeliveries,
  listDeliveries,
  nextDeliveryDue,
  replayDeliveries,
  settleDeliveries,
} from "../../src/store/deliveries.ts";
import { type DuplicateLookUp, findExisting } from "../../src/store/duplicates.ts";
import { eventRange, eventTasks, tailEvents } from "../../src/store/events.ts";
import { retry } from "../../src/store/retries.ts";
import { SharedSpecs } from "../../src/store/shared-specs.ts";
import { getTaskStates, getTasks, listAttempts, listTasks } from "../../src/store/tasks.ts";
import { updateTask } from "../../src/store/update-task.ts";
import { endReports, graphRows } from "./graph-rows.ts";
import {
  costs,
  fan,
  fillTables,
  graphWith,
  openPlanTables,
  type PlanTables,
  servants,
  tasksPerBatch,
  touchedBy,
} from "./plan-tables.ts";
import { allDeliveries, everything, newestPage } from "./whole-lists.ts";

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

/** What of the tables `work` makes statements look at. */
const touched = (work: () => Promise<unknown>) => touchedBy({ admin, db }, work);

const place = { worker: 1, leaseMs: 60_000 };
const claim = (max: number, queues = [1]) => claimTasks(db, { queues, places: Array(max).fill(place) });
const change = (what: "cancel" | "pause" | "resume", ids: readonly bigint[]) =>
  changeTasks(db, request, { case: what, ids, reason: "" });
const stop = (batchId: bigint) => stopBatch(db, request, { batchId, reason: "" });
const hold = (batchId: bigint, held: boolean) => holdBatch(db, request, { batchId, hold: held });
const retryTasks = (ids: readonly bigint[], batchId?: bigint) =>
  retry(db, request, { ids, batchId, withDependents: true });
const fire = () => fireTimers(db, { rowsMax: 50, tasksMax: 1000 });

/** Everything once, small: makes each connection prepare and plan all of it, where it can be before there is anything in a table. */
async function useEverything(): Promise<void> {
  await useEngine();
  const chain = graphRows({ size: 3, parents: (place) => (place === 0 ? [] : [place - 1]), open: true });
  await createGraph(db, chain);
  await createGraphs(db, [graphRows({ size: 1 })], () => undefined);
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

/** The changes of tasks and batches, once and small. */
async function useEngine(): Promise<void> {
  const graph = fan(3);
  await createGraph(db, graph);
  await change("pause", graph.ids);
  await change("resume", graph.ids);
  await hold(graph.batchId, true);
  await claim(1, [1, 2]);
  await claim(1);
  await hold(graph.batchId, false);
  await reportTasks(db, endReports((await claim(1)).tasks, 4));
  await retryTasks([graph.ids[0] as bigint]);
  await edit(graph.ids[1] as bigint);
  await expireWhole(graph.ids);
  await fire();
  await retryTasks([], graph.batchId);
  await stop(graph.batchId);
  const served = servants(3);
  await createGraph(db, served);
  for (const id of (await change("cancel", served.ids.slice(-1))).followUps) await followUp(db, id);
  await useDeliveries(3);
  await useShape(async (shape) => {
    await findAll(lookUps(shape, 2));
    await createGraph(
      db,
      graphWith({ size: 2 }, (_, n) => ({ metadata: JSON.stringify({ x: n }) })),
    );
    await claim(2);
  });
}

/** Lets total timeouts run out. */
async function expireWhole(ids: readonly bigint[]): Promise<void> {
  await admin.query(
    "update task_state set total_deadline = clock_timestamp(), total_timeout_ms = 1 where id = any ($1)",
    [ids],
  );
  await admin.query("insert into timer (due, task_ids, attempts) values (clock_timestamp(), $1, $2)", [
    ids,
    ids.map(() => -1),
  ]);
}

/** Changes everything of a task that can be changed. */
async function edit(id: bigint): Promise<void> {
  const task: EditableTask = {
    ...{ priority: 5, metadata: '{"x": 1}', expectedCount: 1n, startTimeoutMs: 1000, inactivityTimeoutMs: 1000 },
    ...{ executionTimeoutMs: 1000, totalTimeoutMs: 1_000_000, spec: null, rules: [] },
  };
  await updateTask(db, request, { id, edit: () => ({ task, fields: 127 }) });
}

/** Ends tasks with webhooks and makes their calls; answers the task and the batch. */
async function useDeliveries(tasks: number): Promise<{ batchId: bigint; taskId: bigint }> {
  await settleDeliveries(db, []);
  const graph = graphWith({ size: tasks }, () => ({ notifies: 1, spec: "{}" }));
  await createGraph(db, graph);
  await reportTasks(db, endReports((await claim(tasks)).tasks, 3));
  const taken = await claimDeliveries(db, {
    ...{ max: tasks, leaseMs: 60_000 },
    limits: { hosts: [], free: [], perHost: tasks },
  });
  const result = { state: 2, delayMs: 0, statusCode: 200, error: null };
  await settleDeliveries(
    db,
    taken.map(({ id, fence }) => ({ id, fence, ...result })),
  );
  await nextDeliveryDue(db);
  const place = { batchId: graph.batchId, taskId: graph.ids[0] as bigint };
  await replayDeliveries(db, request, { by: "id", ids: taken.map(({ id }) => id) });
  await replayDeliveries(db, request, { by: "task", ids: [place.taskId] });
  await replayDeliveries(db, request, { by: "batch", ids: [place.batchId] });
  await admin.query("delete from delivery where batch_id = $1 and task_id <> $2", [place.batchId, place.taskId]);
  await admin.query("update delivery set state = 2 where batch_id = $1", [place.batchId]);
  return place;
}

/** Works with a shape that compares the field `x` of tasks of the kind `k`, and removes it. */
async function useShape(work: (shape: number) => Promise<void>): Promise<void> {
  const [shape] = await new DedupeShapes(db).intern(1, [{ kind: "k", fields: ["x"] }]);
  try {
    await work(shape as number);
  } finally {
    await admin.query("delete from dedupe_key where shape = $1", [shape]);
    await admin.query("delete from dedupe_shape where id = $1", [shape]);
  }
}

const lookUps = (shape: number, count: number): DuplicateLookUp[] =>
  Array.from({ length: count }, (_, x) => ({ shape, metadata: JSON.stringify({ x }), statuses: [1, 2, 6, 8] }));

const findAll = (wanted: readonly DuplicateLookUp[]) =>
  db.transaction("commit", (writer) => findExisting(writer, wanted));

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
    { db, namespaceId: 1, sharedSpecs: new SharedSpecs() },
    ids.map((id) => ({ id, attempt: 1 })),
  );
  await getTaskStates(db, 1, ids);
  await getParents(db, ids);
  await getParentResults(db, ids);
  await eventTasks(db, ids);
  await tailEvents(db, 0n, 100);
  await eventRange(db);
  await listTasks(db, everything, newestPage);
  await listTasks(db, { ...everything, batchId: 1n }, newestPage);
  await listBatches(db, everything, newestPage);
  await listAttempts(db, ids[0] as bigint, 100);
  await graphTasks(db, { batchId: 5_000_000n, after: 0n, limit: 100 });
  await taskTitles(db, ids);
  for (const scope of [{}, { taskId: 1n }, { batchId: 1n }])
    await listDeliveries(db, { ...allDeliveries, ...scope }, newestPage);
}

const size = 500;
const inLayers = { size, parents: (place: number) => (place < 100 ? [] : [place - 100, place - 100 - (place % 100)]) };

function boundedWork(): void {
  it("creating a graph, or those of several calls together, looks at no table", async () => {
    const fewRows = { scans: 0, rows: expect.toSatisfy((rows) => rows < 100) };
    expect(await touched(() => createGraph(db, graphRows({ size })))).toEqual(fewRows);
    const graphs = Array.from({ length: 20 }, () => graphRows({ size: 25, parents: (n) => (n < 5 ? [] : [n - 5]) }));
    expect(await touched(() => createGraphs(db, graphs, (task) => (task.status === 2 ? place : undefined)))).toEqual(
      fewRows,
    );
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

  it.each([0, 1_000])(
    "a success, with %i places for children, looks at the task, these and its batch",
    async (count) => {
      await createGraph(db, graphRows(inLayers));
      const { tasks } = await claim(100);
      const pools = [{ queues: [1, 2], places: Array(count).fill(place) }];
      const cost = await touched(() => reportTasks(db, endReports(tasks, 3), count === 0 ? undefined : pools));
      expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 12 * tasks.length) });
    },
  );

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
        { db, namespaceId: 1, sharedSpecs: new SharedSpecs() },
        ids.map((id) => ({ id, attempt: 1 })),
      );
      await getParents(db, ids);
      await getParentResults(db, ids);
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

function boundedChanges(): void {
  beforeEach(async () => {
    await admin.query("delete from ready where queue = 1");
  });

  it("holding and letting go look at those tasks", async () => {
    const graph = graphRows({ size });
    await createGraph(db, graph);
    for (const what of ["pause", "resume", "pause", "cancel"] as const)
      expect(await touched(() => change(what, graph.ids))).toEqual(costs(20 * size));
  });

  it("claims look at what of a held batch stands in their way once", async () => {
    const [held, other] = [graphRows({ size: 2000 }), graphRows({ size: 10 })];
    await createGraph(db, held);
    await createGraph(db, other);
    expect(await touched(() => hold(held.batchId, true))).toEqual(costs(20));
    // Rows of the tests before may still stand in the index of the queue; every ten tasks anew it would be 400,000.
    expect(await touched(() => claim(10))).toEqual(costs(50 * 2000));
    expect(await touched(() => change("cancel", held.ids.slice(0, 100)))).toEqual(costs(20 * 100 + 5000));
    expect(await touched(() => hold(held.batchId, false))).toEqual(costs(5 * 2000));
    await stop(held.batchId);
  });

  it("a claim from several queues looks at their first rows", async () => {
    await createGraph(db, graphRows({ size }));
    // What has been deleted stays in the index for a while.
    expect(await touched(() => claim(10, [1, 2]))).toEqual(costs(15_000));
  });

  it("running tasks again looks at them, what they depend on, and what depends on them", async () => {
    const graph = fan(size);
    await createGraph(db, graph);
    await reportTasks(db, endReports((await claim(1)).tasks, 4));
    expect(await touched(() => retryTasks(graph.ids.slice(0, 1)))).toEqual(costs(120 * size));
    expect(await touched(() => stop(graph.batchId))).toEqual(costs(20 * size));
    expect(await touched(() => retryTasks([], graph.batchId))).toEqual(costs(120 * size));
    await stop(graph.batchId);
    const layers = graphRows(inLayers);
    await createGraph(db, layers);
    await reportTasks(db, endReports((await claim(100)).tasks, 3));
    expect(await touched(() => retryTasks(layers.ids.slice(0, 100)))).toEqual(costs(120 * size));
    await stop(layers.batchId);
  });

  it("running tasks again that depend on earlier requests looks at them", async () => {
    const graph = graphRows({ size, open: true });
    await createGraph(db, graph);
    const late = graphRows({ size, late: (place) => [graph.ids[place] as bigint] });
    await createGraph(db, late);
    await change("cancel", graph.ids);
    expect(await touched(() => retryTasks(graph.ids))).toEqual(costs(120 * size));
    await change("cancel", graph.ids);
  });

  it("total timeouts look at those tasks", async () => {
    const graph = graphRows({ size });
    await createGraph(db, graph);
    await expireWhole(graph.ids);
    expect(await touched(() => fire())).toEqual(costs(30 * size));
  });

  it("ending what nothing needs any more looks at it", async () => {
    const graph = servants(size);
    await createGraph(db, graph);
    const { followUps } = await change("cancel", graph.ids.slice(-1));
    expect(await touched(() => followUp(db, followUps[0] as bigint))).toEqual(costs(40 * size));
    expect((await getTaskStates(db, 1, graph.ids)).filter(({ status }) => status !== 8)).toEqual([]);
  });

  it("changing a task looks at it", async () => {
    const graph = graphRows({ size });
    await createGraph(db, graph);
    expect(await touched(() => edit(graph.ids[0] as bigint))).toEqual(costs(100));
    await useShape(async () => {
      expect(await touched(() => edit(graph.ids[1] as bigint))).toEqual(costs(100));
    });
    await stop(graph.batchId);
  });

  it("finding duplicates looks at tasks with those values", async () => {
    await useShape(async (shape) => {
      const graph = graphWith({ size }, (_, n) => ({ metadata: JSON.stringify({ x: n }) }));
      expect(await touched(() => createGraph(db, graph))).toEqual(costs(40 * size));
      expect(await touched(() => findAll(lookUps(shape, size)))).toEqual(costs(40 * size));
      await change("cancel", graph.ids);
      expect(await touched(() => findAll(lookUps(shape, size)))).toEqual(costs(40 * size));
      expect(await touched(() => retryTasks(graph.ids))).toEqual(costs(80 * size));
      await stop(graph.batchId);
    });
  });

  it("deliveries are made, listed and repeated by looking at them", async () => {
    let place = { batchId: 0n, taskId: 0n };
    // Entries of an index whose rows are gone are looked at, too, and the tests before have left some thousands.
    await admin.query("vacuum ready, task_state, delivery");
    const made = await touched(async () => {
      place = await useDeliveries(100);
    });
    // Among it are three replays and what the test itself removes.
    expect(made.rows).toBeLessThan(25_000);
    const { taskId, batchId } = place;
    for (const scope of [
      { taskId },
      { batchId },
      { taskId, states: [3] },
      { batchId, states: [3] },
      { host: "h", states: [3] },
    ]) {
      const listed = await touched(() => listDeliveries(db, { ...allDeliveries, ...scope }, newestPage));
      expect(listed).toEqual(costs(1000));
    }
    expect(await touched(() => listDeliveries(db, allDeliveries, newestPage))).toEqual(costs(2000));
    // What the deliveries were before stands in the index until it is vacuumed: up to three entries for each.
    expect(await touched(() => nextDeliveryDue(db))).toEqual(costs(1000));
  });

  it("the history of a task and a part of a graph are read from their rows", async () => {
    expect(await touched(() => listAttempts(db, 5_000_001n, 100))).toEqual(costs(5));
    expect(await touched(() => graphTasks(db, { batchId: 5_000_000n, after: 5_000_100n, limit: 100 }))).toEqual(
      costs(500),
    );
    expect(await touched(() => taskTitles(db, [5_000_001n, 5_000_002n]))).toEqual(costs(5));
  });
}

describe("with plans that were made while the tables were empty", () => {
  beforeAll(async () => {
    await admin.query("vacuum analyze");
    db = tables.openDatabase();
    for (let n = 0; n < 8; n += 1) await useEverything();
    await fillTables(admin);
  });
  boundedWork();
  boundedChanges();
});

describe("with plans that were made from the statistics of large tables", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("vacuum analyze");
    db = tables.openDatabase();
  });
  boundedWork();
  boundedChanges();
});

import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RuleType } from "../../src/domain/rule.ts";
import { changeTasks, claimTasks, releaseTasks, reportTasks } from "../../src/store/attempts.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import type { NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports, graphRows } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const place = { worker: 1, leaseMs: 60_000 };
const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'v'), (1, 'w')");
  db = new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await checkInvariants(database.url);
  await db.close();
  await admin.end();
  await database.drop();
});

const create = async (graph: ReturnType<typeof graphRows>) => {
  expect(await createGraphs(db, [graph], () => undefined)).toMatchObject({ case: "created" });
  return graph.ids;
};
const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill(place) });
const rowsOf = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> =>
  (await admin.query<Row>(`${text} order by id`)).rows;

test("of one queue, the most urgent are claimed first, those of one priority in order of creation, and take the places in that order", async () => {
  const priorities = [0, 5, 0, 9, 5, 0];
  const ids = await create(graphWith({ size: 6 }, (_, n) => ({ priority: priorities[n] as number })));
  const places = [
    { worker: 1, leaseMs: 10_000 },
    { worker: 2, leaseMs: 20_000 },
    { worker: 1, leaseMs: 30_000 },
    { worker: 2, leaseMs: 40_000 },
  ];
  const claimed = await claimTasks(db, { queues: [1], places });
  const inOrder = claimed.tasks.toSorted((a, b) => a.place - b.place);
  expect(inOrder.map(({ id }) => ids.indexOf(id))).toEqual([3, 1, 4, 0]);
  expect(claimed.more).toBe(true);
  const rows = await rowsOf(
    "select id, worker, extract(epoch from lease_until - claim_time)::int as lease from task_state where status = 4",
  );
  const given = new Map(rows.map(({ id, worker, lease }) => [ids.indexOf(BigInt(id)), [worker, lease]]));
  expect([3, 1, 4, 0].map((n) => given.get(n))).toEqual([
    [1, 10],
    [2, 20],
    [1, 30],
    [2, 40],
  ]);
  const rest = await claim(10);
  expect(rest).toMatchObject({ more: false });
  expect(rest.tasks.map(({ id }) => ids.indexOf(id))).toEqual([2, 5]);
  expect(await claim(10)).toMatchObject({ tasks: [], more: false });
});

test("a claim goes around what somebody else holds at the head of a queue, and says that there may be more", async () => {
  const ids = await create(graphRows({ size: 10 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id in (${ids[0]}, ${ids[1]}) for update`);
  expect(await claim(3)).toMatchObject({ tasks: [{ id: ids[2] }], more: true });
  // All of the head is held now.
  expect(await claim(2)).toMatchObject({ tasks: [{ id: ids[3] }, { id: ids[4] }], more: true });
  expect((await claim(20)).tasks.map(({ id }) => id)).toEqual(ids.slice(5));
  expect(await claim(20)).toMatchObject({ tasks: [] });
  await other.query("rollback");
  expect((await claim(20)).tasks.map(({ id }) => id)).toEqual(ids.slice(0, 2));
});

test("reports of attempts of different numbers are taken where these are the current ones", async () => {
  const ids = await create(graphRows({ size: 4 }));
  const { tasks } = await claim(4);
  await releaseTasks(
    db,
    tasks.filter(({ id }) => id === ids[1] || id === ids[2]),
  );
  await claim(2);
  const attempts = [1, 1, 2, 0];
  const { taken } = await reportTasks(
    db,
    endReports(
      ids.map((id, n) => ({ id, attempt: attempts[n] as number })),
      3,
    ),
  );
  expect([...taken]).toEqual([
    [ids[0], { status: 6, attempt: 1 }],
    [ids[2], { status: 6, attempt: 2 }],
    [ids[3], { status: 6, attempt: 1 }],
  ]);
  // One that is said of all.
  expect([...(await reportTasks(db, endReports([{ id: ids[1] as bigint, attempt: 1 }], 3))).taken]).toEqual([]);
  expect((await reportTasks(db, endReports([{ id: ids[1] as bigint, attempt: 2 }], 4))).taken.size).toBe(1);
});

test("of each child as many edges are settled as parents have succeeded, and those that wait for nothing more start, on places first", async () => {
  // Five parents; the children wait for the first one to five of them.
  const parents = (n: number) => (n < 5 ? [] : Array.from({ length: n - 4 }, (_, parent) => parent));
  const ids = await create(graphWith({ size: 10, parents }, (_, n) => ({ priority: n })));
  const { tasks } = await claim(5);
  const report = (some: readonly bigint[], places: number) =>
    reportTasks(
      db,
      endReports(
        tasks.filter(({ id }) => some.includes(id)).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        3,
      ),
      [{ queues: [1], places: Array(places).fill(place) }],
    );
  const standing = async () =>
    (await rowsOf("select id, status, deps_left as left from task_state where batch_id <> id")).slice(5);
  expect((await report(ids.slice(2, 5), 3)).started).toEqual([]);
  expect((await standing()).map(({ status, left }) => [status, left])).toEqual([
    [1, 1],
    [1, 2],
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
  // Five are ready at once, on three places: the most urgent get these.
  const { started } = await report(ids.slice(0, 2), 3);
  expect(started.toSorted((a, b) => a.place - b.place).map(({ id }) => ids.indexOf(id))).toEqual([9, 8, 7]);
  expect((await standing()).map(({ status, left }) => [status, left])).toEqual([
    [2, 0],
    [2, 0],
    [4, 0],
    [4, 0],
    [4, 0],
  ]);
  expect((await claim(5)).tasks.map(({ id }) => ids.indexOf(id))).toEqual([6, 5]);
});

test("a child that is held, or to be skipped, is not started by its last parent's success", async () => {
  // Two parents; the children wait for the first one, and one of them for both.
  const parents = (n: number) => (n < 2 ? [] : n === 2 ? [0, 1] : [0]);
  const ids = await create(graphWith({ size: 5, parents }, () => ({ unmetPolicy: 2 })));
  await claim(2);
  await changeTasks(db, request, { case: "pause", ids: [ids[3] as bigint], reason: "" });
  await reportTasks(db, endReports([{ id: ids[1] as bigint, attempt: 1 }], 4));
  await reportTasks(db, endReports([{ id: ids[0] as bigint, attempt: 1 }], 3));
  const rows = await rowsOf("select id, status, end_time is not null as ended from task_state");
  expect(rows.map(({ status, ended }) => [status, ended])).toEqual([
    [6, true],
    [7, true],
    [9, true],
    [5, false],
    [2, false],
  ]);
});

test("columns that are the same for all tasks of a commit, or not, are stored as they were given", async () => {
  const queues = (await rowsOf<{ id: number }>("select id from queue")).map(({ id }) => id);
  const varied = (n: number): Partial<NewTaskRow> => ({
    ...{ queue: queues[n % 2] as number, priority: n, startTimeoutMs: 1_000 + n, inactivityTimeoutMs: 2_000 + n },
    ...{ unmetPolicy: 1 + (n % 2) },
  });
  const graphs = [
    graphRows({ size: 3 }),
    graphWith({ size: 3 }, () => varied(1)),
    graphWith({ size: 3, parents: (n) => (n === 0 ? [] : [n - 1]) }, (_, n) => varied(n)),
    graphRows({ size: 1 }),
  ];
  // Each by itself, and then copies of all of them in one commit, of which some take places.
  const copies = graphs.map(({ tasks }) =>
    graphWith({ size: tasks.length, parents: (n) => (tasks[n]?.parents === null ? [] : [n - 1]) }, (own, n) => ({
      ...(tasks[n] as NewTaskRow),
      ...{ id: own.id, parents: own.parents, children: own.children },
    })),
  );
  for (const graph of graphs) await create(graph);
  const places = new Map([
    [copies[0]?.ids[1], place],
    [copies[3]?.ids[0], { worker: 2, leaseMs: 5_000 }],
  ]);
  await createGraphs(db, copies, (task) => places.get(task.id));
  const columns = `h.id, h.batch_id, h.queue, h.priority, h.start_timeout_ms, h.inactivity_timeout_ms, h.unmet_policy, h.execution, h.status, h.deps_left, h.dependents, h.worker,
    extract(epoch from lease_until - claim_time)::int as lease, t.batch_id as batch, t.queue as kind`;
  const rows = await rowsOf(`select ${columns} from task_state h join task t using (id)`);
  const expected = [...graphs, ...copies].flatMap(({ tasks, batchId }) =>
    tasks.map((task) => {
      const at = places.get(task.id);
      return {
        ...{ id: String(task.id), batch_id: String(batchId), batch: String(batchId), queue: task.queue },
        ...{ kind: task.queue, priority: task.priority, start_timeout_ms: task.startTimeoutMs },
        ...{ inactivity_timeout_ms: String(task.inactivityTimeoutMs), unmet_policy: task.unmetPolicy },
        ...{ execution: task.execution, status: at === undefined ? task.status : 4, deps_left: task.depsLeft },
        ...{
          dependents: task.dependents,
          worker: at?.worker ?? null,
          lease: at === undefined ? null : at.leaseMs / 1000,
        },
      };
    }),
  );
  const byId = (a: { id: string }, b: { id: string }) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1);
  expect(rows).toEqual(expected.sort(byId));
});

test("tasks that all take places of one worker when they are created are told and counted as running, with rules or without", async () => {
  const rule = { name: "", kind: "k", fields: [], type: RuleType.CONCURRENCY, bound: 1_000_000n, windowMs: 0 };
  const [lane] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [rule], metadata: null }]);
  const graphs = [graphRows({ size: 4 }), graphWith({ size: 3 }, () => ({ lane: lane as bigint }))];
  for (const graph of graphs) await createGraphs(db, [graph], () => place);
  const batches = await admin.query("select running, pending from batch_state order by batch_id");
  expect(batches.rows).toEqual([
    { running: 4, pending: 0 },
    { running: 3, pending: 0 },
  ]);
  const { rows } = await admin.query("select task_id from event_change where to_status = 4 order by task_id");
  expect(rows.map(({ task_id }) => BigInt(task_id))).toEqual(graphs.flatMap(({ ids }) => ids));
  expect((await admin.query("select in_use from rule_usage")).rows).toEqual([{ in_use: "3" }]);
});

test("a claim of several queues that finds nothing but what somebody else holds does not say that there is more", async () => {
  const [id] = await create(graphRows({ size: 1 }));
  await using other = await openTransaction(database.url);
  await other.query(`select from task_state where id = ${id} for update`);
  const claimed = await claimTasks(db, { queues: [1, 2], places: [place] });
  expect(claimed).toMatchObject({ tasks: [], more: false });
});

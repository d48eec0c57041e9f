import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changeTasks, claimTasks, queuesWithReadyTasks } from "../../src/store/attempts.ts";
import { tasksAhead } from "../../src/store/blockers.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import type { Database } from "../../src/store/database.ts";
import { Flows } from "../../src/store/flows.ts";
import { graphRows } from "./graph-rows.ts";
import { costs, fillTables, graphWith, openPlanTables, type PlanTables, touchedBy } from "./plan-tables.ts";

const place = { worker: 1, leaseMs: 60_000 };
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
const create = async (graph: ReturnType<typeof graphRows>) => {
  expect(await createGraphs(db, [graph], () => undefined)).toMatchObject({ case: "created" });
  return graph.ids;
};
const claim = async (max: number, queues = [1]) =>
  (await claimTasks(db, { queues, places: Array(max).fill(place) })).tasks.map(({ id }) => id);
const cancel = (ids: readonly bigint[]) =>
  changeTasks(
    db,
    { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) },
    { case: "cancel", ids, reason: "" },
  );
/** Puts a backlog of 10,000 rows of 1,000 tasks each, which nobody has, behind what the queue has. */
const fillQueue = () =>
  admin.query("insert into ready_run select 1, 20, n * 1000::bigint, 1000 from generate_series(1, 10000) n");
const emptyQueue = async () => {
  await admin.query("delete from ready_run where queue = 1; delete from ready where queue = 1");
  await admin.query("vacuum ready_run");
  await admin.query("vacuum ready");
};

/** All that is done with rows of several tasks, once. */
async function useRuns(): Promise<void> {
  await create(graphRows({ size: 30 }));
  await claim(3);
  const [first] = await create(graphWith({ size: 5 }, () => ({ priority: 3 })));
  await cancel([first as bigint]);
  await claim(10);
  await claim(3, [1, 2]);
  await tasksAhead(
    (statement, values) => db.read(statement, values),
    { queue: 1, priority: 0, id: first as bigint },
    1000,
  );
  await queuesWithReadyTasks(db, [1, 2]);
  await admin.query("delete from ready where queue <> 2; delete from ready_run where queue <> 2");
}

function boundedRuns(): void {
  it("a claim looks at the tasks that it takes, before a backlog of ten million", async () => {
    await create(graphRows({ size: 2000 }));
    await fillQueue();
    expect(await touched(async () => expect(await claim(1)).toHaveLength(1))).toEqual(costs(200));
    expect(await touched(async () => expect(await claim(300)).toHaveLength(300))).toEqual(costs(10 * 300));
    expect(await touched(async () => expect(await claim(10, [1])).toHaveLength(10))).toEqual(costs(400));
    // One by one beside them, of more and of less priority.
    const [urgent] = await create(graphWith({ size: 1 }, () => ({ priority: 5 })));
    await create(graphWith({ size: 1 }, () => ({ priority: -30 })));
    const mixed = async () => expect((await claim(10))[0]).toBe(urgent);
    expect(await touched(mixed)).toEqual(costs(10_000));
    expect(await touched(async () => expect(await claim(10)).toHaveLength(10))).toEqual(costs(1_000));
    await emptyQueue();
  });

  it("who cancels tasks looks at their rows, not at those of others", async () => {
    const ids = await create(graphRows({ size: 5000 }));
    await fillQueue();
    expect(await touched(() => cancel(ids.slice(100, 101)))).toEqual(costs(10_000));
    expect(await touched(() => cancel(ids.slice(101, 102)))).toEqual(costs(300));
    expect(await touched(() => cancel(ids.slice(200)))).toEqual(costs(30 * 5000));
    await emptyQueue();
  });

  it("of a queue in which tasks take turns from now on, a claim moves no more than a few rows", async () => {
    await admin.query(
      "insert into queue (namespace_id, kind, execution) values (1, 'k' || (select count(*) from queue), 1)",
    );
    const queue = Number((await admin.query("select max(id) id from queue")).rows[0].id);
    await create(graphWith({ size: 20_000 }, () => ({ queue })));
    const [flow = null] = await new Flows(db).intern(1, [{ fairnessKey: "a", fairnessWeight: 1 }], [queue]);
    await create(graphWith({ size: 100 }, () => ({ queue, flow })));
    for (let n = 0; n < 5; n += 1)
      expect(await touched(async () => expect(await claim(10, [queue])).toHaveLength(10))).toEqual(
        costs(n === 0 ? 20_000 : 5_000),
      );
    await admin.query("delete from ready where queue = $1", [queue]);
    await admin.query("delete from ready_run where queue = $1", [queue]);
  });

  it("whether a queue has tasks, and how many come before one, is asked of few rows", async () => {
    const [id] = await create(graphWith({ size: 2 }, () => ({ priority: -30 })));
    await fillQueue();
    expect(await touched(() => queuesWithReadyTasks(db, [1]))).toEqual(costs(20));
    const ahead = () =>
      tasksAhead(
        (statement, values) => db.read(statement, values),
        { queue: 1, priority: -30, id: id as bigint },
        1000,
      );
    expect(await touched(async () => expect(await ahead()).toBe(1_000_000n))).toEqual(costs(3000));
    await emptyQueue();
  });
}

describe("rows of several tasks, planned while the tables were empty, and later among many rows", () => {
  beforeAll(async () => {
    db = tables.openDatabase();
    await useRuns();
    await fillTables(admin);
  });
  boundedRuns();
});

describe("rows of several tasks, planned among many rows", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("analyze");
    db = tables.openDatabase();
    await useRuns();
  });
  boundedRuns();
});

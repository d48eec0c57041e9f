import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { changeTasks, claimTasks } from "../../src/store/attempts.ts";
import { addCounts, type NewCounts } from "../../src/store/counts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { graphRows } from "./graph-rows.ts";
import { fillTables, touchedBy } from "./plan-tables.ts";

const size = 500;

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

/** What it prepared while nothing was in the tables is what runs later. */
beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
  await add(await running(1), "first");
  await fillTables(admin);
});

afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

const touched = (work: () => Promise<unknown>) => touchedBy({ admin, db }, work);

async function running(count: number): Promise<bigint[]> {
  const graph = graphRows({ size: count });
  await createGraph(db, graph);
  await claimTasks(db, { queues: [1], places: Array(count).fill({ worker: 1, leaseMs: 60_000 }) });
  return [...graph.ids];
}

let sequence = 0n;

function add(ids: readonly bigint[], producerId: string) {
  sequence += 1n;
  const counts: NewCounts = {
    producers: [{ producerId, first: sequence, last: sequence }],
    requests: [{ requestId: `request ${sequence}`, bodyHash: Buffer.alloc(1) }],
    ...{ ids, successes: ids.map(() => 1n), failures: ids.map(() => 0n) },
  };
  return addCounts(db, 1, counts);
}

it.each(["old 7", "new"])(
  "counts of producer %s look at those tasks, their batch and the producer",
  async (producerId) => {
    sequence = 100_000n;
    const ids = await running(size);
    const cost = await touched(() => add(ids, producerId));
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 4 * size) });
  },
);

it("counts of tasks that have ended, or are not there, look at no others", async () => {
  const ids = await running(size);
  const request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };
  await changeTasks(db, request, { case: "cancel", ids: ids.slice(0, size / 2), reason: "" });
  const wanted = [...ids, ...ids.map((_, n) => 2n ** 62n + BigInt(n))];
  const cost = await touched(() => add(wanted, "another"));
  expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows < 6 * size) });
});

import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { createGraph, getCreatedGraph, type NewGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { isAnswered } from "../../src/store/requests.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { graphRows } from "./graph-rows.ts";
import { fillTables, touchedBy } from "./plan-tables.ts";

const size = 300;
/** Requests of others, in the same namespace. */
const foreignRequests = 20_000;
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
  for (const table of ["request", "batch", "batch_state", "task", "task_state", "ready"])
    await admin.query(`alter table ${table} set (autovacuum_enabled = off)`);
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
});

afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

const touched = (work: () => Promise<unknown>) => touchedBy({ admin, db }, work);
const costs = (rowsMax: number) => ({ scans: 0, rows: expect.toSatisfy((rows) => rows < rowsMax) });

/** Graphs of one task, each with a request_id. */
const asked = (count: number): NewGraph[] =>
  Array.from({ length: count }, () => {
    const graph = graphRows({ size: 1 });
    const answer = graph.ids.map((id) => ({ id, status: 2, deduplicated: false }));
    return { ...graph, answer, request: { ...graph.request, requestId: randomUUID() } };
  });
const create = async (graphs: readonly NewGraph[]) =>
  expect(await createGraphs(db, graphs, () => undefined)).toMatchObject({ case: "created" });

/** All that is done with request_ids of creates, once. */
async function useRequests(): Promise<void> {
  const graphs = asked(3);
  await create(graphs);
  expect(await createGraphs(db, graphs, () => undefined)).toMatchObject({ case: "answeredBefore" });
  const [first] = graphs as [NewGraph];
  await createGraph(db, first);
  await getCreatedGraph(db, first.request);
  await isAnswered(db, { namespaceId: 1, requestId: first.request.requestId });
}

function boundedRequests(): void {
  it("creates with request_ids look for these only, be they new, answered before or older than a day", async () => {
    const graphs = asked(size);
    expect(await touched(() => create(graphs))).toEqual(costs(10 * size));
    const again = await touched(async () =>
      expect(await createGraphs(db, graphs, () => undefined)).toMatchObject({ case: "answeredBefore" }),
    );
    expect(again).toEqual(costs(4 * size));
    await admin.query("update request set create_time = now() - interval '2 days' where request_id = any ($1)", [
      graphs.map(({ request }) => request.requestId),
    ]);
    const renewed = asked(size).map((graph, n) => ({ ...graph, request: graphs[n]?.request as NewGraph["request"] }));
    expect(await touched(() => create(renewed))).toEqual(costs(20 * size));
  });

  it("a repetition is answered by looking at its request and its batch", async () => {
    const [graph] = asked(1) as [NewGraph];
    await create([graph]);
    expect(await touched(() => createGraph(db, graph))).toEqual(costs(100));
    expect(await touched(() => getCreatedGraph(db, graph.request))).toEqual(costs(100));
    const key = { namespaceId: 1, requestId: graph.request.requestId };
    expect(await touched(async () => expect(await isAnswered(db, key)).toBe(true))).toEqual(costs(100));
  });
}

describe("request_ids, planned while the tables were empty, and later among many rows", () => {
  beforeAll(async () => {
    db = openDatabase();
    await useRequests();
    await fillTables(admin);
    await admin.query(
      `insert into request select 1, gen_random_uuid()::text, now(), '', '{}' from generate_series(1, ${foreignRequests})`,
    );
  });
  boundedRequests();
});

describe("request_ids, planned among many rows", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("analyze");
    db = openDatabase();
    await useRequests();
  });
  boundedRequests();
});

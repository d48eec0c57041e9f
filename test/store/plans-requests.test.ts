import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { createGraph, getCreatedGraph, type NewGraph } from "../../src/store/create-tasks.ts";
import type { Database } from "../../src/store/database.ts";
import { isAnswered } from "../../src/store/requests.ts";
import { graphRows } from "./graph-rows.ts";
import { costs, fillTables, openPlanTables, type PlanTables, touchedBy } from "./plan-tables.ts";

const size = 300;
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

/** Makes a fifth of the requests of others so old; those that are older than a day wait to be forgotten. */
const age = (days: number) =>
  admin.query(
    "update request set create_time = now() - $1 * interval '1 day' where request_id like 'old %5' or request_id like 'old %0'",
    [days],
  );

describe("request_ids, planned while the tables were empty, and later among many rows", () => {
  beforeAll(async () => {
    db = tables.openDatabase();
    await useRequests();
    await fillTables(admin);
    await age(2);
  });
  boundedRequests();
});

describe("request_ids, planned among many rows of which none was old", () => {
  beforeAll(async () => {
    await db.close();
    await age(0);
    await admin.query("analyze");
    db = tables.openDatabase();
    await useRequests();
    await age(2);
  });
  boundedRequests();
});

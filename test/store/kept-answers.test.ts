import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { migrations } from "../../migrations/index.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import {
  type CreatedGraph,
  createGraph,
  getCreatedGraph,
  type NewGraph,
  type NewTaskRow,
} from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { migrateDown } from "../../src/store/migrate.ts";
import { isAnswered } from "../../src/store/requests.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { graphRows } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

const newBatch = { name: "a näme", metadata: '{"b": [1, null], "a": "x"}', onComplete: null, onCompleteCount: 0 };

/** A graph with a request_id, and with what its call is told of the tasks. */
function asked(graph: ReturnType<typeof graphRows>, what: Partial<NewGraph> & { paused?: boolean } = {}): NewGraph {
  const { paused = false, ...rest } = what;
  return {
    ...{ ...graph, ...rest },
    newBatch: { ...newBatch, paused },
    request: { namespaceId: 1, requestId: randomUUID(), bodyHash: Buffer.from("the body") },
    answer: graph.tasks.map(({ id, status }) => ({ id, status, deduplicated: false })),
  };
}

const chain = (size: number) => graphRows({ size, parents: (place) => (place === 0 ? [] : [place - 1]) });
const graphs = (): NewGraph[] => [
  asked(graphRows({ size: 1 })),
  asked(chain(3)),
  asked(graphRows({ size: 2, open: true })),
  asked(graphRows({ size: 2 }), { paused: true }),
  asked(graphWith({ size: 3 }, (_, n) => ({ expectedCount: n === 1 ? null : 12_345_678_901_234_567n }))),
  asked(graphRows({ size: 2 }), { answers: "counts" }),
];

/** The first tasks of each graph that is not paused take a place. */
const placeOf = (written: readonly NewGraph[]) => {
  const first = new Set(written.map(({ tasks, newBatch }) => (newBatch?.paused ? 0n : (tasks[0]?.id ?? 0n))));
  return (task: NewTaskRow) => (first.has(task.id) ? { worker: 1, leaseMs: 60_000 } : undefined);
};

async function create(written: readonly NewGraph[], to: Pick<Database, "write"> = db): Promise<CreatedGraph[]> {
  const created = await createGraphs(to as Database, written, placeOf(written));
  if (created.case !== "created") throw new Error(`the graphs are ${created.case}`);
  return created.graphs;
}

const told = ({ batch, tasks, counts }: CreatedGraph) => ({ batch, tasks, counts });
const repeat = async (graph: NewGraph) => told(await createGraph(db, { ...graph, tasks: [], answer: [] }));
/** As a graph is asked for that is written in parts. */
const look = async ({ request }: NewGraph) => told((await getCreatedGraph(db, request)) as CreatedGraph);
/** What the first call was told; where only numbers are kept, these. */
const expected = (created: CreatedGraph, { answers, tasks }: NewGraph) =>
  answers === "tasks"
    ? { ...told(created), counts: undefined }
    : { batch: created.batch, tasks: [], counts: { created: tasks.length, deduplicated: 0 } };

test("a repetition is told what the first call was, of every kind of graph, and whatever has become of it", async () => {
  const written = graphs();
  const created = await create(written);
  expect(created[0]?.tasks.map(({ status }) => status)).toEqual([4]);
  await admin.query(
    "update batch_state set status = 4, end_time = now(), total = 0, waiting = 0, pending = 0, running = 0",
  );
  await admin.query("update batch set stop_reason = 'why'");
  for (const [n, graph] of written.entries()) {
    expect(await repeat(graph)).toEqual(expected(created[n] as CreatedGraph, graph));
    expect(await look(graph)).toEqual(expected(created[n] as CreatedGraph, graph));
  }
});

test("what is kept is short: what never changes is not kept twice", async () => {
  await create([asked(graphRows({ size: 1 }))]);
  const { rows } = await admin.query("select result from request");
  expect(Object.keys(rows[0].result)).toEqual(["answer", "new_batch"]);
  expect(JSON.stringify(rows[0].result)).not.toContain("a näme");
});

test("a repetition is told so of what a server of before has created, and after a way down", async () => {
  const before: Pick<Database, "write"> = {
    write: (statement, values) =>
      db.write(
        statement,
        values.map((value) =>
          Array.isArray(value) && String(value[0]).startsWith('{"new_batch"')
            ? value.map((text) => JSON.stringify(JSON.parse(text).answer))
            : value,
        ),
      ),
  };
  const [early, late] = [graphs(), graphs()];
  const created = [...(await create(early, before)), ...(await create(late))];
  const { rows } = await admin.query("select count(*)::integer n from request where result ? 'new_batch'");
  expect(rows).toEqual([{ n: late.length }]);
  const all = [...early, ...late];
  for (const [n, graph] of early.entries())
    expect(await repeat(graph)).toEqual(expected(created[n] as CreatedGraph, graph));
  await migrateDown(
    database.url,
    migrations.length - migrations.findIndex(({ name }) => name.includes("kept-answers")),
  );
  for (const [n, graph] of all.entries())
    expect(await repeat(graph)).toEqual(expected(created[n] as CreatedGraph, graph));
});

test("a request_id is free again after 24 h", async () => {
  const [first] = await create([asked(graphRows({ size: 1 }))]);
  const again = asked(graphRows({ size: 1 }));
  const requestId = (await admin.query("select request_id from request")).rows[0].request_id;
  const repeated = { ...again, request: { ...again.request, requestId } };
  expect(await createGraphs(db, [repeated], () => undefined)).toEqual({
    case: "answeredBefore",
    requestIds: [requestId],
  });
  await admin.query("update request set create_time = now() - interval '25 hours'");
  const [second] = await create([repeated]);
  expect(second?.batch.id).not.toBe(first?.batch.id);
  expect(await repeat(repeated)).toEqual(expected(second as CreatedGraph, repeated));
});

test("so it is for a graph that needs more than its rows to be written, and nothing is known of the answer", async () => {
  const first = asked(graphRows({ size: 1 }));
  await createGraph(db, first);
  const again = {
    ...asked(graphRows({ size: 1 })),
    request: { ...first.request, bodyHash: Buffer.from("another body") },
  };
  await expect(createGraph(db, again)).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
  await admin.query("update request set create_time = now() - interval '25 hours'");
  const key = { namespaceId: 1, requestId: first.request.requestId };
  expect(await isAnswered(db, key)).toBe(false);
  expect(await getCreatedGraph(db, first.request)).toBeUndefined();
  const created = await createGraph(db, again);
  expect(created.batch.id).toBe(again.batchId);
  expect(await repeat(again)).toEqual(expected(created, again));
  expect(await isAnswered(db, key)).toBe(true);
});

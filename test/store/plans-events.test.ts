import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { searchEvents, type WantedEvents } from "../../src/store/event-search.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { graphRows } from "./graph-rows.ts";
import { fillTables, touchedBy } from "./plan-tables.ts";

const none: WantedEvents = {
  ...{ batchIds: new Set(), taskIds: new Set(), kinds: new Set(), statuses: new Set() },
  metadata: undefined,
};
const ids = (count: number) => new Set(Array.from({ length: count }, (_, n) => BigInt(n + 1) * -1_000_000n));
/** What nothing of the tables has. */
const absent: Readonly<Record<string, WantedEvents>> = {
  batches: { ...none, batchIds: ids(1000) },
  tasks: { ...none, taskIds: ids(1000) },
  kinds: { ...none, kinds: new Set(["nothing", "k"]) },
  statuses: { ...none, statuses: new Set([7, 8, 9]) },
  metadata: { ...none, metadata: '{"color": "red"}' },
};
let database: TestDatabase;
let admin: pg.Client;
let db: Database;

const openDatabase = (): Database =>
  new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("alter table event_tx set (autovacuum_enabled = off)");
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  db = openDatabase();
  for (const wanted of Object.values(absent)) await searchEvents(db, wanted, { after: 0n, upTo: 1n, limit: 100 });
  await fillTables(admin);
});

afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

const newest = async (): Promise<bigint> =>
  BigInt((await admin.query<{ n: string }>("select max(seq) n from event_tx")).rows[0]?.n ?? 0);

function bounded(): void {
  it.each(Object.keys(absent))("looks at a bounded part of the feed for %s that nothing is of, once", async (name) => {
    const wanted = absent[name] as WantedEvents;
    const upTo = await newest();
    let answer: Awaited<ReturnType<typeof searchEvents>> | undefined;
    const cost = await touchedBy({ admin, db }, async () => {
      answer = await searchEvents(db, wanted, { after: 0n, upTo, limit: 100 });
    });
    const commits = Number(answer?.upTo);
    expect(answer).toEqual({ commits: [], upTo: name === "metadata" ? 1_000n : 10_000n });
    // Each once to find where to end, and once to look, with its task where metadata matters; and the names of kinds.
    expect(cost).toEqual({ scans: 0, rows: expect.toSatisfy((rows) => rows <= 4 * commits + 10) });
    expect(await searchEvents(db, wanted, { after: upTo - 5n, upTo: upTo + 7n, limit: 100 })).toEqual({
      ...{ commits: [], upTo: upTo + 7n },
    });
  });
}

describe("searches, planned while the tables were empty, and later among many rows", bounded);

describe("searches, planned among many rows", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("analyze");
    db = openDatabase();
  });
  bounded();
});

describe("what is found", () => {
  const all = async (wanted: Partial<WantedEvents>, limit = 100): Promise<bigint[]> => {
    const found: bigint[] = [];
    const upTo = await newest();
    for (let after = 0n; after < upTo; ) {
      const answer = await searchEvents(db, { ...none, ...wanted }, { after, upTo, limit });
      expect(answer.upTo).toBeGreaterThan(after);
      found.push(...answer.commits.map(({ seq }) => seq));
      after = answer.upTo;
    }
    return found;
  };

  it("is the same by each condition, and in parts of every size", async () => {
    const graph = graphRows({ size: 3 });
    await admin.query("select setval('event_seq', (select max(seq) + 100 from event_tx))");
    await createGraph(db, graph);
    const own = await newest();
    expect(await all({ batchIds: new Set([graph.batchId]) })).toEqual([own]);
    expect(await all({ taskIds: new Set([graph.ids[2] as bigint]) })).toEqual([own]);
    expect(await all({ kinds: new Set(["k"]) })).toEqual([own]);
    expect(await all({ statuses: new Set([2]) })).toEqual([own]);
    expect(await all({ kinds: new Set(["k"]), statuses: new Set([9]) })).toEqual([]);
    await admin.query('update task set metadata = \'{"color": "red", "n": 1}\' where id = any ($1)', [
      graph.ids.slice(1),
    ]);
    expect(await all({ metadata: '{"color": "red"}' })).toEqual([own]);
    expect(await all({ metadata: '{"color": "blue"}' })).toEqual([]);
    await admin.query('update batch set metadata = \'{"color": "blue"}\' where id = $1', [graph.batchId]);
    expect(await all({ metadata: '{"color": "blue"}' })).toEqual([own]);
    expect((await all({ statuses: new Set([6]) }, 777)).length).toBe(20_000);
  });

  it("is looked for among fewer commits where these are large, and in one at least", async () => {
    const after = await newest();
    const tasks = 600_000;
    await admin.query(
      `insert into event_tx select nextval('event_seq'), now(), '{1}', '{1}', array(select i::bigint from generate_series(1, ${tasks}) i), '{0}', '{2}', '{0}', '{2}', '{0}'
        from generate_series(1, 3)`,
    );
    const first = Number((await admin.query("select min(seq) n from event_tx where seq > $1", [after])).rows[0].n);
    const upTo = await newest();
    const wanted = { ...none, taskIds: ids(1000) };
    const answer = await searchEvents(db, wanted, { after, upTo, limit: 100 });
    expect(answer).toEqual({ commits: [], upTo: BigInt(first) });
    const last = { ...none, taskIds: new Set([BigInt(tasks)]) };
    const [commit] = (await searchEvents(db, last, { after, upTo, limit: 1 })).commits;
    expect(commit?.types).toHaveLength(tasks);
  });
});

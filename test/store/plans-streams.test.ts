import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claimTasks } from "../../src/store/attempts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { keepLeases, shortenLeases } from "../../src/store/leases.ts";
import { heldAttempts, overAttempts } from "../../src/store/workers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { graphRows } from "./graph-rows.ts";
import { fillTables, touchedBy } from "./plan-tables.ts";

const size = 500;
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

const touched = (work: () => Promise<unknown>) => touchedBy({ admin, db }, work);
const costs = (rowsMax: number) => ({ scans: 0, rows: expect.toSatisfy((rows) => rows < rowsMax) });

async function startTasks(count: number): Promise<bigint[]> {
  const graph = graphRows({ size: count });
  await createGraph(db, graph);
  await claimTasks(db, { queues: [1], places: Array(count).fill({ worker: 1, leaseMs: 60_000 }) });
  return graph.ids;
}

const heldOf = (ids: readonly bigint[]) => ids.map((id) => ({ id, attempt: 1, worker: 1 }));

/** Everything that is done with the attempts of streams, once. */
async function useStreams(): Promise<void> {
  const held = heldOf(await startTasks(3));
  await shortenLeases(db, await keepLeases(db, held, 60_000), 10);
  await heldAttempts(db, held);
  await overAttempts(db, held);
}

function boundedStreams(): void {
  it("keeping leases, cutting them, and looking at their attempts, looks at those tasks", async () => {
    const held = heldOf(await startTasks(size));
    let kept: Awaited<ReturnType<typeof keepLeases>> = [];
    const keeping = async () => {
      kept = await keepLeases(db, held, 60_000);
    };
    expect(await touched(keeping)).toEqual(costs(4 * size));
    expect(kept).toHaveLength(size);
    expect(await touched(() => shortenLeases(db, kept, 1_000))).toEqual(costs(4 * size));
    expect(await touched(() => heldAttempts(db, held))).toEqual(costs(4 * size));
    expect(await touched(() => overAttempts(db, held))).toEqual(costs(4 * size));
  });

  it("a lease that was extended meanwhile is not cut", async () => {
    const held = heldOf(await startTasks(2));
    const [one, two] = await keepLeases(db, held, 60_000);
    if (one === undefined || two === undefined) throw new Error("two were kept");
    await keepLeases(db, held.slice(0, 1), 90_000);
    await shortenLeases(db, [one, two], 1_000);
    const after = new Map((await heldAttempts(db, held)).map(({ id, leaseUntil }) => [id, leaseUntil ?? 0]));
    expect(after.get(one.id)).toBeGreaterThan(one.leaseUntil);
    expect(after.get(two.id)).toBeLessThan(two.leaseUntil);
  });
}

describe("streams, planned while the tables were empty, and later among many rows", () => {
  beforeAll(async () => {
    db = openDatabase();
    await useStreams();
    await fillTables(admin);
  });
  boundedStreams();
});

describe("streams, planned among many rows", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("analyze");
    db = openDatabase();
    await useStreams();
  });
  boundedStreams();
});

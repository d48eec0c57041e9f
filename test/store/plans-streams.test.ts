import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claimTasks } from "../../src/store/attempts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import type { Database } from "../../src/store/database.ts";
import { keepLeases, shortenLeases } from "../../src/store/leases.ts";
import { heldAttempts, overAttempts } from "../../src/store/workers.ts";
import { graphRows } from "./graph-rows.ts";
import { costs, fillTables, openPlanTables, type PlanTables, touchedBy } from "./plan-tables.ts";

const size = 500;
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
    db = tables.openDatabase();
    await useStreams();
    await fillTables(admin);
  });
  boundedStreams();
});

describe("streams, planned among many rows", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("analyze");
    db = tables.openDatabase();
    await useStreams();
  });
  boundedStreams();
});

import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LogLevel } from "../../src/domain/log.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import type { Database } from "../../src/store/database.ts";
import { appendLogs, forgetLogs, getLogEnd, getLogHeads, getLogParts } from "../../src/store/logs.ts";
import { endReports, graphRows } from "./graph-rows.ts";
import { costs, fillTables, openPlanTables, type PlanTables, touchedBy } from "./plan-tables.ts";

const bounds = { linesMax: 100, bytesMax: 1_000_000 };
const size = 500;
let calls = 0;
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

/** Appends so many lines to the log of each task, with a request_id of its own. */
function append(ids: readonly bigint[], lines = 2) {
  calls += 1;
  const line = { time: undefined, level: LogLevel.INFO, message: "a line" };
  return appendLogs(
    db,
    ids.map((id) => ({
      ...{ id, attempt: 1, lines: Array(lines).fill(line), bytes: lines * 6 },
      request: { namespaceId: 1, requestId: `request ${calls} ${id}`, bodyHash: Buffer.alloc(1) },
    })),
    bounds,
  );
}

/** Everything that is done with logs, once. */
async function useLogs(): Promise<void> {
  const ids = await startTasks(3);
  await append(ids);
  await append(ids, 200);
  const [id = 0n] = ids;
  await getLogHeads(db, 1, ids);
  await getLogParts(db, { id, attempt: 1, fromLine: 0, partsMax: 10, bytesMax: 1_000 });
  await getLogEnd(db, id, 1);
  await reportTasks(db, endReports([{ id, attempt: 1 }], 3));
  await forgetLogs(db, { keepMs: 3_600_000, after: 0n, below: 1n << 62n, tasksMax: 10, linesMax: 10 });
}

function boundedLogs(): void {
  it("appending to many logs looks at a few rows of each, the first time and later", async () => {
    const ids = await startTasks(size);
    for (let n = 0; n < 3; n += 1) {
      const cost = await touched(async () => {
        for (const { appended } of await append(ids)) expect(appended).toMatchObject({ kept: 2, truncated: false });
      });
      expect(cost).toEqual(costs(25 * size));
    }
  });

  it("appending beyond the bound does so, too", async () => {
    const ids = await startTasks(size);
    expect(await touched(() => append(ids, 150))).toEqual(costs(25 * size));
    expect(await touched(() => append(ids, 150))).toEqual(costs(25 * size));
  });

  it("a page is read without the calls before it, and many heads at once", async () => {
    const [id = 0n] = await startTasks(1);
    for (let n = 0; n < 90; n += 1) await append([id], 1);
    const page = { id, attempt: 1, partsMax: 11, bytesMax: 1_000_000 };
    const cost = await touched(async () => {
      const parts = await getLogParts(db, { ...page, fromLine: 50 });
      expect([parts.length, parts[0]?.firstLine]).toEqual([11, 50]);
    });
    expect(cost).toEqual(costs(40));
    expect(await touched(() => getLogEnd(db, id, 1))).toEqual(costs(10));
    expect(await touched(() => getLogHeads(db, 1, [id, -1n]))).toEqual(costs(20));
  });

  it("forgetting looks at so many logs, and takes whole ones until so many lines are gone", async () => {
    const ids = await startTasks(20);
    await append(ids, 10);
    await reportTasks(
      db,
      endReports(
        ids.map((id) => ({ id, attempt: 1 })),
        3,
      ),
    );
    const after = (ids[0] as bigint) - 1n;
    const step = { keepMs: 0, after, below: (ids[19] as bigint) + 1n, tasksMax: 15, linesMax: 25 };
    expect(await forgetLogs(db, step)).toEqual({ forgotten: 3, after: (ids[3] as bigint) - 1n });
    expect(await forgetLogs(db, { ...step, linesMax: 1_000 })).toEqual({ forgotten: 15, after: ids[17] });
    expect(await forgetLogs(db, { ...step, after: ids[17] as bigint })).toEqual({ forgotten: 2, after: undefined });
    const cost = await touched(() => forgetLogs(db, { ...step, after: 0n, below: 1n << 62n, keepMs: 3_600_000 }));
    expect(cost).toEqual(costs(200));
  });
}

describe("logs, planned while the tables were empty, and later among many rows", () => {
  beforeAll(async () => {
    db = tables.openDatabase();
    await useLogs();
    await fillTables(admin);
  });
  boundedLogs();
});

describe("logs, planned among many rows", () => {
  beforeAll(async () => {
    await db.close();
    await admin.query("analyze");
    db = tables.openDatabase();
    await useLogs();
  });
  boundedLogs();
});

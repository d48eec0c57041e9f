import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RuleType } from "../../src/domain/rule.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

const told: string[] = [];

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  told.length = 0;
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  admin.on("notification", ({ payload }) => told.push(payload ?? ""));
  await admin.query("listen millpond");
  db = new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

/** How often servers were told of timers by now: what was told before a statement has been read when it is answered. */
async function timersTold(): Promise<number> {
  await admin.query("select 1");
  return told.filter((payload) => payload === "timers").length;
}

const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });

/** Starts a task under a rate of one per window, and has the claim turn down a second one. */
async function fillWindow(windowMs: number): Promise<void> {
  const rule = { name: "", kind: "k", fields: [], type: RuleType.RATE, bound: 1n, windowMs };
  const [lane = null] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [rule], metadata: null }]);
  await createGraphs(db, [graphWith({ size: 2 }, () => ({ lane }))], () => undefined);
  expect((await claim(2)).tasks).toHaveLength(1);
}

/** Creates a task that is to start so many milliseconds from now. */
async function createLater(ms: number): Promise<void> {
  const startTime = new Date(Date.now() + ms).toISOString();
  await createGraphs(db, [graphWith({ size: 1 }, () => ({ startTime }))], () => undefined);
}

test("a window that opens before servers look by themselves is told to them, one that opens later is not", async () => {
  await fillWindow(100_000);
  expect(await timersTold()).toBe(0);
  await fillWindow(400);
  expect(await timersTold()).toBe(1);
});

test("what is due after something else is not told: servers look then anyway", async () => {
  await admin.query("insert into timer (due, task_ids, attempts) values (now(), '{1}', '{1}')");
  await fillWindow(400);
  expect(await timersTold()).toBe(0);
});

test("a start time that is near is told, one that is not is not", async () => {
  await createLater(100_000);
  expect(await timersTold()).toBe(0);
  // On a slow machine it may be there before the task is written.
  for (let tries = 0; tries < 20 && (await timersTold()) === 0; tries += 1) {
    await admin.query("delete from timer");
    await createLater(450);
  }
  expect(await timersTold()).toBe(1);
});

test("a retry after a short delay is told", async () => {
  const [policy] = (
    await admin.query<{ id: number }>(
      `insert into retry_policy (max_attempts, initial_backoff_ms, multiplier, increment_ms, max_backoff_ms, jitter, causes, non_retryable_codes, digest)
         values (3, 200, 1, 0, 200, 0, '{}', '{}', 'x') returning id`,
    )
  ).rows;
  await createGraphs(db, [graphWith({ size: 1 }, () => ({ policy: policy?.id ?? 0 }))], () => undefined);
  const { tasks } = await claim(1);
  await reportTasks(
    db,
    endReports(tasks, 4).map((report) => ({ ...report, cause: 1 })),
  );
  expect((await admin.query("select status from task_state")).rows).toEqual([{ status: 2 }]);
  expect(await timersTold()).toBe(1);
});

import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type MillpondClient, TaskStatus } from "@millpond/sdk";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { fireTimers } from "../../src/store/attempts.ts";
import { Database } from "../../src/store/database.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { type Setup, setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { createGraph, range, type TaskInit } from "./two-servers.ts";

const dueTasks = 10_000;
/** How many tasks one transaction may change because they were due: more would hold their locks, and every other report's batch row, for long. */
const stepTasksMax = 2_000;

const ms = durationFromMs;
const hour = ms(3_600_000);

/** Rows of a question to the database. */
async function rowsOf<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const connection = new pg.Client({ connectionString: url });
  await connection.connect();
  try {
    return (await connection.query<Row>(text, values)).rows;
  } finally {
    await connection.end();
  }
}

const graphOf = (size: number, task: Partial<TaskInit>): TaskInit[] =>
  range(size).map((n) => ({ ...task, key: `${n}`, name: `${n}` }) as TaskInit);

async function claimAll(s: Setup, count: number, lease = hour): Promise<void> {
  let claimed = 0;
  while (claimed < count) {
    const request = { workerId: "w", kinds: ["work"], maxTasks: 1000, lease, waitTimeout: ms(10_000) };
    const { assignments } = await s.client.workers.claimTasks(request);
    expect(assignments.length).toBeGreaterThan(0);
    claimed += assignments.length;
  }
}

/** Waits until so many tasks of a batch are in a status, then says how late their events were and how large the steps. */
async function measured(
  s: Setup,
  client: MillpondClient,
  { batchId, status, name, deadline }: { batchId: string; status: TaskStatus; name: string; deadline: string },
): Promise<{ detected: number; stepMax: number }> {
  await until(
    `${name}: all tasks are detected`,
    async () => {
      const { batch } = await client.batches.getBatch({ batchId });
      return batch?.stats?.byStatus[TaskStatus[status] as string] === BigInt(dueTasks);
    },
    120_000,
  );
  const [row] = await rowsOf<{
    detected: number;
    steps: number;
    step_max: number;
    p50: number;
    max: number;
    min: number;
  }>(
    s.database.url,
    `with change as (
       select e.seq, extract(epoch from e.commit_time - (${deadline})) * 1000 late
       from event_change e join task_state h on h.id = e.task_id join task t on t.id = e.task_id
       where e.type in (2, 3, 7) and e.to_status = $1
     )
     select count(*)::integer detected, count(distinct seq)::integer steps,
       (select max(n)::integer from (select count(*) n from change group by seq) s) step_max,
       percentile_disc(0.5) within group (order by late)::float8 p50, max(late)::float8 max, min(late)::float8 min from change`,
    [status],
  );
  if (row === undefined) throw new Error("there was no answer");
  const { detected, steps, step_max: stepMax, p50, max, min } = row;
  console.info(
    `${name}: ${detected} tasks in ${steps} steps of at most ${stepMax}, late by p50 ${Math.round(p50)} ms, max ${Math.round(max)} ms`,
  );
  expect(min).toBeGreaterThanOrEqual(0);
  return { detected, stepMax };
}

describe(`${dueTasks} tasks that are due at the same moment`, () => {
  test("by their total_timeout are all detected, in bounded steps", async () => {
    await using s = await setup();
    const { batchId } = await createGraph(s.client, graphOf(dueTasks, { totalTimeout: ms(4_000) }));
    const { detected, stepMax } = await measured(s, s.client, {
      ...{ batchId, status: TaskStatus.FAILURE, name: "total_timeout", deadline: "h.total_deadline" },
    });
    expect(detected).toBe(dueTasks);
    expect(stepMax).toBeLessThanOrEqual(stepTasksMax);
    await s.server.stop(2_000);
    await checkInvariants(s.database.url);
  });

  test("by their execution_timeout are all detected, in bounded steps", async () => {
    await using s = await setup();
    const timeouts = { inactivityTimeout: hour, executionTimeout: ms(10_000) };
    const { batchId } = await createGraph(s.client, graphOf(dueTasks, timeouts));
    await claimAll(s, dueTasks);
    const deadline = "h.run_time + interval '10 seconds'";
    const { detected, stepMax } = await measured(s, s.client, {
      ...{ batchId, status: TaskStatus.FAILURE, name: "execution_timeout", deadline },
    });
    expect(detected).toBe(dueTasks);
    expect(stepMax).toBeLessThanOrEqual(stepTasksMax);
    await s.server.stop(2_000);
    await checkInvariants(s.database.url);
  });

  test("by their silence, while no server ran, are all detected and backed off by the next one, in bounded steps", async () => {
    await using s = await setup();
    const retry = { maxAttempts: 2, initialBackoff: hour, jitter: 1 };
    const { batchId } = await createGraph(s.client, graphOf(dueTasks, { inactivityTimeout: ms(4_000), retry }));
    await claimAll(s, dueTasks);
    await s.server.stop(2_000);
    const silent =
      "select 1 from task_state where status = 4 and activity_time > clock_timestamp() - interval '4 seconds'";
    await until("all of them are due", async () => (await rowsOf(s.database.url, silent)).length === 0);
    const [now] = await rowsOf<{ now: string }>(s.database.url, "select clock_timestamp()::text as now");
    const next = await s.another();
    const { detected, stepMax } = await measured(s, next.client, {
      ...{ batchId, status: TaskStatus.PENDING, name: "inactivity_timeout, from the start of a server" },
      deadline: `'${now?.now}'::timestamptz`,
    });
    expect(detected).toBe(dueTasks);
    expect(stepMax).toBeLessThanOrEqual(stepTasksMax);
    await next.server.stop(2_000);
    await checkInvariants(s.database.url);
  });

  test("by their start_time all begin, in bounded steps", async () => {
    await using s = await setup();
    const startTime = timestampFromMs(Date.now() + 5_000);
    const { batchId } = await createGraph(
      s.client,
      graphOf(dueTasks, { startTime, execution: { case: "join", value: {} } }),
    );
    const { detected, stepMax } = await measured(s, s.client, {
      ...{ batchId, status: TaskStatus.SUCCESS, name: "start_time", deadline: "h.start_time" },
    });
    expect(detected).toBe(dueTasks);
    expect(stepMax).toBeLessThanOrEqual(stepTasksMax);
  });
});

test("a step looks at what is due and not at a hundred thousand timers that are not", async () => {
  await using s = await setup();
  const inAnHour = Date.now() + 3_600_000;
  for (const part of range(10)) {
    const tasks = range(10_000).map((n) => ({
      ...{ key: `${n}`, name: "later", startTime: timestampFromMs(inAnHour + part * 10_000 + n) },
    }));
    await createGraph(s.client, tasks);
  }
  const { batchId, ids } = await createGraph(s.client, graphOf(50, { totalTimeout: ms(1) }));
  await until("the few that were due are detected", async () => {
    const { batch } = await s.client.batches.getBatch({ batchId });
    return batch?.stats?.byStatus.FAILURE === BigInt(Object.keys(ids).length);
  });
  await s.server.stop(2_000);
  const [timers] = await rowsOf<{ count: number }>(s.database.url, "select count(*)::integer from timer");
  expect(timers?.count).toBeGreaterThanOrEqual(100_000);
  const db = new Database({
    ...{ url: s.database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} },
  });
  try {
    const looks = 10;
    await fireTimers(db, { rowsMax: 500, tasksMax: 1000 });
    const before = await rowsTouched(db, s.database.url);
    for (let n = 0; n < looks; n++) expect((await fireTimers(db, { rowsMax: 500, tasksMax: 1000 })).rows).toBe(0);
    const after = await rowsTouched(db, s.database.url);
    console.info(`a step with nothing due among ${timers?.count} timers looks at ${(after - before) / looks} rows`);
    expect((after - before) / looks).toBeLessThanOrEqual(5);
  } finally {
    await db.close();
  }
});

/** How many rows of the tables of the engine statements have looked at, by index or otherwise. */
async function rowsTouched(db: Database, url: string): Promise<number> {
  await db.write({ name: "flush", text: "select pg_stat_force_next_flush()" }, []);
  const [row] = await rowsOf<{ rows: number }>(
    url,
    `select ((select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes))::integer "rows"`,
  );
  return row?.rows ?? 0;
}

import { statfs } from "node:fs/promises";
import type pg from "pg";
import type { EngineLoadJob } from "../programs/engine-load.ts";
import type { BenchContext } from "./bench-context.ts";
import { withClient } from "./table-sizes.ts";

const graphTasks = 1_000;
/** Each copy is older than the one before by this, which is longer than the template took. */
const shiftMinutes = 5;
/** Ids hold milliseconds above 22 bits (src/domain/ids.ts). */
const shiftOfIds = BigInt(shiftMinutes * 60_000) << 22n;
const copiesPerStatement = 50;
/** Where the event sequence begins, so that the copies have numbers below. */
const eventsBelow = 1_000_000_000;
/** More than a task takes with its indexes, and what the log of writes may take beside. */
const diskBytes = { perTask: 2_000, log: 4 * 1024 ** 3 };

const idColumns = new Set(["batch_id", "open_batch_id", "task_id", "parent_id", "parent", "child"]);
const idArrayColumns = new Set(["parents", "children", "task_ids", "batch_ids"]);
/** What living tasks have alone; timers of tasks that ended long ago have been removed. */
const ofLivingTasks = ["ready", "ready_run", "timer", "follow_up", "parked", "paused_batch", "request"];

/**
 * prepareEndedTasks fills a fresh database with tasks that have succeeded, as a long history leaves them. Two graphs are created and executed by
 * the engine, one of 1,000 independent tasks and one of 1,000 in layers, and the rows that they left are copied by set-based
 * SQL, each copy five minutes older: `task`, `task_state`, `batch`, `batch_state`, `batch_queue` and `event_tx`, and
 * whatever else has a column of task or batch ids. Ids, times and numbers of events are shifted, so that copies stand in
 * the tables and indexes as if they had been written one after the other. Then VACUUM and ANALYZE.
 */
export async function prepareEndedTasks(context: BenchContext, databaseUrl: string, tasks: number): Promise<void> {
  await checkDisk(context, tasks);
  await runTemplate(context, databaseUrl);
  await withClient(databaseUrl, async (client) => {
    const tables = await templateTables(client);
    const copies = Math.max(1, Math.round(tasks / (2 * graphTasks)));
    const startMs = performance.now();
    for (let oldest = copies; oldest > 0; oldest -= copiesPerStatement) {
      context.options.signal.throwIfAborted();
      for (const copy of tables) await client.query(copy, [oldest, Math.max(1, oldest - copiesPerStatement + 1)]);
      const done = (copies - Math.max(0, oldest - copiesPerStatement)) * 2 * graphTasks;
      const isTold = Math.floor(done / 500_000) > Math.floor((done - copiesPerStatement * 2 * graphTasks) / 500_000);
      if (isTold) context.options.progress(`  ${done} ended tasks after ${seconds(startMs)} s`);
    }
    await client.query("drop schema bench_template cascade");
    await client.query("vacuum analyze");
    await client.query("checkpoint");
    context.options.progress(
      `  ${copies * 2 * graphTasks} ended tasks are there, vacuumed, after ${seconds(startMs)} s`,
    );
  });
}

async function checkDisk(context: BenchContext, tasks: number): Promise<void> {
  const { dataDir } = context.postgres;
  // Of a server elsewhere the disk cannot be seen.
  if (dataDir === undefined) return;
  const { bavail, bsize } = await statfs(dataDir);
  const [free, needed] = [bavail * bsize, tasks * diskBytes.perTask + diskBytes.log];
  if (free >= needed) return;
  const gib = (bytes: number) => (bytes / 1024 ** 3).toFixed(1);
  throw new Error(
    `${tasks} ended tasks need up to ${gib(needed)} GiB of disk and ${gib(free)} are free; lower --ended`,
  );
}

async function runTemplate(context: BenchContext, databaseUrl: string): Promise<void> {
  const execute = async (shape: EngineLoadJob["shape"], tasks: number) => {
    const job: EngineLoadJob = {
      ...{ databaseUrl, shape, tasks, batchSize: graphTasks, creators: 1, workers: 1, openMax: 1 },
    };
    await context.run("engine-load", job);
  };
  // Makes the tables alone.
  await execute("independent", 0);
  await withClient(databaseUrl, (client) => client.query("select setval('event_seq', $1)", [eventsBelow]));
  await execute("independent", graphTasks);
  await execute("layered", graphTasks);
}

interface ColumnRow {
  table: string;
  column: string;
  type: string;
  identity: boolean;
}

/** Sets the template's rows aside and answers the statements that copy them: copies $1 down to $2. */
async function templateTables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<ColumnRow>(
    `select c.table_name::text as table, c.column_name::text as column, c.udt_name::text as type, c.is_identity = 'YES' as identity
     from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'public' and t.table_type = 'BASE TABLE' order by c.table_name, c.ordinal_position`,
  );
  const { rows: events } = await client.query<{ span: string }>(
    "select (max(seq) - min(seq) + 1)::text span from event_tx",
  );
  const byTable = Map.groupBy(rows, ({ table }) => table);
  await client.query("create schema bench_template");
  const statements: string[] = [];
  for (const [table, columns] of byTable) {
    if (
      ofLivingTasks.includes(table) ||
      (!columns.some(({ column }) => idColumns.has(column) || idArrayColumns.has(column)) && table !== "batch")
    )
      continue;
    await client.query(`create table bench_template.${table} as select * from public.${table}`);
    statements.push(copyStatement(table, columns, events[0]?.span ?? "1"));
  }
  return statements;
}

function copyStatement(table: string, columns: readonly ColumnRow[], eventSpan: string): string {
  const copied = columns.filter(({ identity }) => !identity);
  const names = copied.map(({ column }) => `"${column}"`).join(", ");
  const values = copied.map((column) => shifted(column, eventSpan)).join(", ");
  // The oldest first, in the order in which they were written.
  return `insert into public.${table} (${names}) select ${values}
    from generate_series($1::bigint, $2::bigint, -1) k cross join lateral (select * from bench_template.${table} order by 1) t`;
}

function shifted({ column, type }: ColumnRow, eventSpan: string): string {
  const name = `t."${column}"`;
  if (type === "int8" && (column === "id" || idColumns.has(column))) return `${name} - k * ${shiftOfIds}`;
  if (column === "seq") return `${name} - k * ${eventSpan}`;
  if (type === "timestamptz") return `${name} - k * interval '${shiftMinutes} min'`;
  if (type !== "_int8" || !idArrayColumns.has(column)) return name;
  const array = `select array_agg(x - k * ${shiftOfIds} order by n) from unnest(${name}) with ordinality u(x, n)`;
  return `coalesce((${array}), ${name})`;
}

function seconds(startMs: number): string {
  return ((performance.now() - startMs) / 1000).toFixed(0);
}

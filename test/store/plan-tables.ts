import pg, { type Client } from "pg";
import { expect } from "vitest";
import type { NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { createTestDatabase } from "../support/database.ts";
import { graphRows } from "./graph-rows.ts";

/** PlanTables is a database with two queues and a worker, in which no plan is made anew unless the test says so: nothing vacuums or analyzes. */
export interface PlanTables {
  readonly admin: Client;
  /** Opens one connection of each kind: what it prepared first is what runs later. */
  openDatabase(): Database;
  close(): Promise<void>;
}

/** openPlanTables makes a database for tests of plans; its tables are empty. */
export async function openPlanTables(): Promise<PlanTables> {
  const database = await createTestDatabase();
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  const tables = await admin.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables.rows) await admin.query(`alter table ${name} set (autovacuum_enabled = off)`);
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1), (1, 'other', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  return {
    admin,
    openDatabase: () =>
      new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} }),
    close: async () => {
      await admin.end();
      await database.drop();
    },
  };
}

/** What `touchedBy` is to answer: no scan of a whole table, and fewer rows than that. */
export const costs = (rowsMax: number) => ({ scans: 0, rows: expect.toSatisfy((rows) => rows < rowsMax) });

/** How many tasks each batch of {@link fillTables} has. */
export const tasksPerBatch = 1000;
const endedTasks = 200_000;
/** Rows of tables that are empty as a rule, of others' work. */
const foreignRows = 20_000;

/** A first task, and all others after it. */
export const fan = (tasks: number) => graphRows({ size: tasks, parents: (place) => (place === 0 ? [] : [0]) });

/** A graph with something else about its tasks. */
export function graphWith(
  graph: Parameters<typeof graphRows>[0],
  what: (task: NewTaskRow, place: number) => Partial<NewTaskRow>,
): ReturnType<typeof graphRows> {
  const { tasks, ...rest } = graphRows(graph);
  return { ...rest, tasks: tasks.map((task, place) => ({ ...task, ...what(task, place) })) };
}

/** A chain in which each task is only there for the next one. */
export const servants = (tasks: number) =>
  graphWith({ size: tasks, parents: (place) => (place === 0 ? [] : [place - 1]) }, (_, place) => ({
    onlyForDependents: place < tasks - 1,
    serves: place > 0,
  }));

/** Writes ended tasks of long ago, in their batches, and rows in the tables that are empty as a rule. */
export async function fillTables(admin: Client): Promise<void> {
  const id = `b * 100000::bigint + i`;
  const each = `from generate_series(1, ${endedTasks / tasksPerBatch}) b, generate_series(1, ${tasksPerBatch}) i`;
  const other = `from generate_series(1, ${foreignRows}) n`;
  await admin.query(`
    insert into batch select b * 100000::bigint, 1, now(), 'old', '{}' from generate_series(1, ${endedTasks / tasksPerBatch}) b;
    insert into batch_state (batch_id, total, success, status, open)
      select id, ${tasksPerBatch}, ${tasksPerBatch}, 3, false from batch where name = 'old';
    insert into shared_spec select b * 100000::bigint, ${id}, '{}' ${each};
    insert into task (id, batch_id, create_time, namespace_id, queue, name, children, spec_id)
      select ${id}, b * 100000::bigint, now(), 1, 2, 'old', array[${id} + 1], ${id} ${each};
    insert into task_state (id, batch_id, inactivity_timeout_ms, deps_left, dependents, queue, start_timeout_ms, status, priority, execution, unmet_policy)
      select ${id}, b * 100000::bigint, 60000, 0, 1, 2, 30000, 6, 0, 1, 1 ${each};
    insert into task_attempt (task_id, attempt, status, output) select ${id}, 0, 6, '{}' ${each};
    insert into ready select 2, 0, n ${other};
    insert into ready_run select 2, 0, 1000 * n, 1000 ${other};
    insert into edge_late select n, n + 1, 1 ${other};
    insert into timer (due, task_ids, attempts) select now() + interval '1 day', array[n], array[1] ${other};
    insert into parked select n % 10, n, 2, 0 ${other};
    insert into dedupe_key (hash, task_id, shape, ended) select n, n, 30000, n % 2 = 0 ${other};
    insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, state, due, create_time)
      select (1 + n % 200) * 100000, (1 + n % 200) * 100000 + 1, 1, 1, 0, 1, 1 + n % 3, now() + interval '1 day', now() ${other};
    insert into retry_policy (max_attempts, initial_backoff_ms, multiplier, increment_ms, max_backoff_ms, jitter, causes, non_retryable_codes, digest)
      select 1, 0, 1, 0, 0, 0, '{}', '{}', n::text ${other};
    insert into rule (namespace_id, name, kind, fields, type, bound, digest) select 1, n::text, 'old', '{}', 1, 1, 'old ' || n ${other};
    insert into rule_key (namespace_id, type, kind, key) select 1, 1, 'old', 'old ' || n ${other};
    insert into rule_usage select id, 1 from rule_key where kind = 'old';
    insert into lane (namespace_id, queue, rules, keys, types, bounds, windows, has_capacity, digest)
      select 1, 2, array[r.id], array[k.id], '{1}', '{1}', '{0}', false, 'old ' || k.id from rule_key k join rule r on r.name = substr(k.key, 5) where k.kind = 'old';
    insert into lane_key select keys[1], id from lane where digest like 'old %';
    insert into blocked select (select max(id) from lane), 0, n, 100000, now() ${other};
    insert into hold (lane, hold_time, task_ids, due) select -n, now(), array[-n], now() + interval '1 day' ${other};
    insert into rate_start (key_id, start_time, starts) select 0, now(), 1 ${other};
    insert into blocked_wait (waits_ms) select '{1}' ${other};
    insert into rule_alarm select now() + interval '1 day', n ${other};
    insert into task_log (task_id, begin_time, append_time, attempt, lines, next_line) select (1 + n / 1000) * 100000 + n % 1000, now(), now(), 1, 2, 2 ${other};
    insert into log_part (task_id, append_time, attempt, first_line, lines, bytes, levels, messages)
      select task_id, now(), 1, f, 1, 1, '{2}', '{x}' from task_log cross join generate_series(0, 1) f where task_id < 100000000;
    insert into request select 1, 'old ' || n, now(), '', '{}' ${other};
    insert into count_producer select 'old ' || n, 1, n, now() ${other};
    insert into event_tx select nextval('event_seq'), now(), '{2}', '{1}', array[n], '{4}', '{6}', '{1}', '{2}', '{1}' ${other};`);
}

/** A connection of the tests, and those whose statements are looked at. */
interface Connections {
  readonly admin: Client;
  readonly db: Database;
}

/** How many rows `work` makes statements look at, by index or otherwise, and how many scans of whole tables it starts. */
export async function touchedBy(
  connections: Connections,
  work: () => Promise<unknown>,
): Promise<{ scans: number; rows: number }> {
  const before = await counters(connections);
  await work();
  const after = await counters(connections);
  return { scans: after.scans - before.scans, rows: after.rows - before.rows };
}

async function counters({ admin, db }: Connections): Promise<{ scans: number; rows: number }> {
  const flush = { name: "flush", text: "select pg_stat_force_next_flush()" };
  await Promise.all([db.write(flush, []), db.read(flush, []), db.readByKey(flush, []), admin.query(flush)]);
  const { rows } = await admin.query<{ scans: number; rows: number }>(
    `select (select sum(seq_scan)::int from pg_stat_user_tables) scans,
      ((select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes))::int "rows"`,
  );
  return rows[0] as { scans: number; rows: number };
}

import type { Client } from "pg";
import type { NewTaskRow } from "../../src/store/create-tasks.ts";
import { graphRows } from "./graph-rows.ts";

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
    insert into task (id, batch_id, create_time, namespace_id, queue, name, children)
      select ${id}, b * 100000::bigint, now(), 1, 2, 'old', array[${id} + 1] ${each};
    insert into task_state (id, batch_id, inactivity_timeout_ms, deps_left, dependents, queue, start_timeout_ms, status, priority, execution, unmet_policy)
      select ${id}, b * 100000::bigint, 60000, 0, 1, 2, 30000, 6, 0, 1, 1 ${each};
    insert into task_attempt (task_id, attempt, status, output) select ${id}, 0, 6, '{}' ${each};
    insert into ready select 2, 0, n ${other};
    insert into edge_late select n, n + 1, 1 ${other};
    insert into timer (due, task_ids, attempts) select now() + interval '1 day', array[n], array[1] ${other};
    insert into parked select n % 10, n, 2, 0 ${other};
    insert into dedupe_key (hash, task_id, shape, ended) select n, n, 30000, n % 2 = 0 ${other};
    insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, state, due, create_time)
      select (1 + n % 200) * 100000, (1 + n % 200) * 100000 + 1, 1, 1, 0, 1, 1 + n % 3, now() + interval '1 day', now() ${other};
    insert into retry_policy (max_attempts, initial_backoff_ms, multiplier, increment_ms, max_backoff_ms, jitter, causes, non_retryable_codes, digest)
      select 1, 0, 1, 0, 0, 0, '{}', '{}', n::text ${other};
    insert into event_tx select nextval('event_seq'), now(), '{2}', '{1}', array[n], '{4}', '{6}', '{1}', '{2}', '{1}' ${other};`);
}

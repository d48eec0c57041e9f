import type { GraphTask } from "../domain/batch-graph.ts";
import type { Database, Statement } from "./database.ts";

/** Two bounds instead of an equality: only the index of the batch has this order, where the primary key would have that of the ids alone. */
const graphTasksStatement: Statement = {
  name: "graph_tasks",
  text: `select t.id, t.queue, h.status, h.execution, t.parents, t.parent_conditions "parentConditions",
      case when h.status = 4 or h.status > 5 then (extract(epoch from coalesce(h.end_time, now()) - h.run_time) * 1000000)::float8 end ran
    from (
      select id, queue, parents, parent_conditions from task where (batch_id, id) > ($1, $2) and batch_id <= $1 order by batch_id, id limit $3
    ) t join task_state h on h.id = any (array[t.id]) order by t.id`,
};

/** Reads what the graph of a batch depends on, of its next `limit` tasks after an id, in the order of ids. */
export function graphTasks(
  on: Pick<Database, "read">,
  range: { readonly batchId: bigint; readonly after: bigint; readonly limit: number },
): Promise<GraphTask[]> {
  return on.read<GraphTask>(graphTasksStatement, [range.batchId, range.after, range.limit]);
}

/** How a task is called. */
export interface TaskTitle {
  readonly id: bigint;
  readonly key: string | null;
  readonly name: string;
}

const taskTitlesStatement: Statement = {
  name: "task_titles",
  text: "select t.id, t.key, t.name from unnest($1::bigint[]) x(id) join task t on t.id = any (array[x.id])",
};

/** Reads keys and names of tasks; ids that do not exist are left out, the order is free. */
export function taskTitles(db: Pick<Database, "read">, ids: readonly bigint[]): Promise<TaskTitle[]> {
  return db.read<TaskTitle>(taskTitlesStatement, [ids]);
}

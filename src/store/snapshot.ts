import type { Batch, Task } from "../domain/task.ts";
import { batchColumns, parseBatchJson } from "./batches.ts";
import type { Database, Statement } from "./database.ts";
import { attempts, taskColumns } from "./tasks.ts";

/** What a snapshot of the state holds. Empty lists and undefined select everything. */
export interface SnapshotSelection {
  readonly batchIds: ReadonlySet<bigint>;
  readonly taskIds: ReadonlySet<bigint>;
  readonly statuses: ReadonlySet<number>;
  readonly queues: readonly number[] | undefined;
  readonly metadata: string | undefined;
}

const conditions = `(cardinality($3::smallint[]) = 0 or h.status = any ($3)) and ($4::integer[] is null or t.queue = any ($4))
      and ($5::jsonb is null or coalesce(t.metadata, '{}') @> $5)`;
const rest = `join task_state h on h.id = any (array[t.id]) ${attempts} where ${conditions} order by t.id limit $2`;
/** Inputs and outputs are left out: they are not the state, and a hundred thousand of them would not fit in memory. */
const select = `select ${taskColumns.replace("t.input", "null::text input").replace("a.output", "null::text output")}`;
const ofTasks: Statement = {
  name: "snapshot_of_tasks",
  text: `${select} from unnest($1::bigint[]) x(id) join (select *, xmin from task) t on t.id = any (array[x.id]) ${rest}`,
};
const ofBatches: Statement = {
  name: "snapshot_of_batches",
  text: `${select} from unnest($1::bigint[]) x(id) join (select *, xmin from task) t on t.batch_id = any (array[x.id]) ${rest}`,
};
const ofAll: Statement = {
  name: "snapshot_of_all",
  text: `${select} from (select *, xmin from task where $1::bigint[] is not null) t ${rest}`,
};

/** Reads at most `max` tasks that a filter selects, without inputs and outputs, in the order of their ids. */
export async function snapshotTasks(
  on: Pick<Database, "read">,
  selection: SnapshotSelection,
  max: number,
): Promise<Task[]> {
  const statement = selection.taskIds.size > 0 ? ofTasks : selection.batchIds.size > 0 ? ofBatches : ofAll;
  const ids = selection.taskIds.size > 0 ? selection.taskIds : selection.batchIds;
  const rows = await on.read<Task>(statement, [
    [...ids],
    max,
    [...selection.statuses],
    selection.queues ?? null,
    selection.metadata ?? null,
  ]);
  return statement === ofTasks && selection.batchIds.size > 0
    ? rows.filter((row) => selection.batchIds.has(row.batchId))
    : rows;
}

const batchesStatement: Statement = {
  name: "snapshot_batches",
  text: `select ${batchColumns} from batch b join batch_state s on s.batch_id = any (array[b.id])
    where (cardinality($1::bigint[]) = 0 or b.id = any ($1)) and ($3::jsonb is null or b.metadata @> $3) order by b.id limit $2`,
};

/** Reads at most `max` batches that a filter selects, in the order of their ids. */
export async function snapshotBatches(
  on: Pick<Database, "read">,
  selection: SnapshotSelection,
  max: number,
): Promise<Batch[]> {
  const rows = await on.read<Record<string, unknown>>(batchesStatement, [
    [...selection.batchIds],
    max,
    selection.metadata ?? null,
  ]);
  return rows.map(parseBatchJson);
}

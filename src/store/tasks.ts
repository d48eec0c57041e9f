import type { AttemptRecord, Micros, Task, TaskState } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";
import { idBounds, type Page, type PageRequest, readPage } from "./pages.ts";
import { microsOrNull } from "./pg-types.ts";
import { specSql } from "./shared-specs.ts";

const stateColumns = `h.id, h.batch_id "batchId", h.queue, h.status, h.attempt, h.priority, h.worker, h.success_count "successCount",
  h.failure_count "failureCount", h.start_time "startTime", h.lease_until "leaseUntil", h.claim_time "claimTime", h.run_time "runTime",
  h.activity_time "activityTime", h.end_time "endTime", h.deps_left "depsLeft", h.execution, t.create_time "createTime",
  t.expected_count "expectedCount", t.xmin::text "givenVersion", f.cause, f.parent_id culprit, f.message, f.code, f.details,
  h.edits, c.message "cancelReason"`;
/** The columns of {@link Task}, from task t, task_state h and what {@link attempts} joins. */
export const taskColumns = `${stateColumns}, t.key, t.name, t.parents,
  t.parent_conditions "parentConditions", t.metadata, t.input, ${specSql} spec, h.start_timeout_ms "startTimeoutMs",
  h.inactivity_timeout_ms "inactivityTimeoutMs", h.execution_timeout_ms "executionTimeoutMs", h.total_timeout_ms "totalTimeoutMs",
  h.unmet_policy "unmetPolicy", a.output, a.progress`;
/** Joins the row of a task's current attempt (a). */
export const currentAttempt = "left join task_attempt a on a.task_id = any (array[h.id]) and a.attempt = h.attempt";
/** Nothing is looked for where nothing can have failed: most tasks need one attempt. */
const lastFailure = `left join lateral (
      select * from task_attempt f where f.task_id = any (array[h.id]) and f.status = 7
        and (h.status = 7 or h.attempt > 1 or (h.attempt = 1 and h.status in (1, 2, 5, 8))) and (h.status = 7 or f.attempt > 0)
      order by f.end_time desc, f.attempt desc limit 1
    ) f on true`;
const cancellation = `left join lateral (
      select c.message from task_attempt c where h.status = 8 and c.task_id = any (array[h.id]) and c.attempt in (h.attempt, -h.edits) and c.status = 8
      order by c.end_time desc limit 1
    ) c on true`;
/** Joins what the current attempt of a task left (a), its last attempt that failed (f), and why it was canceled (c). */
export const attempts = `${currentAttempt} ${lastFailure} ${cancellation}`;

const getTasksStatement: Statement = {
  name: "get_tasks",
  text: `select ${taskColumns} from unnest($1::bigint[]) with ordinality x(id, n) join task t on t.id = any (array[x.id])
    join task_state h on h.id = any (array[x.id]) ${attempts} where t.namespace_id = $2 order by x.n`,
};

/** Reads tasks by id, in that order; ids that do not exist are left out. */
export function getTasks(
  db: Pick<Database, "readByKey">,
  namespaceId: number,
  ids: readonly bigint[],
): Promise<Task[]> {
  return db.readByKey<Task>(getTasksStatement, [ids, namespaceId]);
}

const getTaskStatesStatement: Statement = {
  name: "get_task_states",
  text: `select ${stateColumns} from unnest($1::bigint[]) x(id) join task_state h on h.id = any (array[x.id])
    join task t on t.id = any (array[x.id]) ${lastFailure} ${cancellation} where t.namespace_id = $2`,
};

/** Reads the states of tasks; ids that do not exist are left out, the order is free. */
export function getTaskStates(
  db: Pick<Database, "readByKey">,
  namespaceId: number,
  ids: readonly bigint[],
): Promise<TaskState[]> {
  return db.readByKey<TaskState>(getTaskStatesStatement, [ids, namespaceId]);
}

const getKeysStatement: Statement = {
  name: "get_open_batch_keys",
  text: "select key, id from task where open_batch_id = $1 and key = any ($2::text[])",
};

/** The tasks of an open batch that have one of these keys. */
export async function getOpenBatchKeys(
  db: Database,
  batchId: bigint,
  keys: readonly string[],
): Promise<Map<string, bigint>> {
  const rows = await db.read<{ key: string; id: bigint }>(getKeysStatement, [batchId, keys]);
  return new Map(rows.map((row) => [row.key, row.id]));
}

/** What ListTasks selects. Absent filters select everything; name_contains is literal, metadata is containment. */
export interface TaskFilter {
  readonly namespaceId: number;
  readonly batchId: bigint | undefined;
  readonly statuses: readonly number[];
  readonly queues: readonly number[] | undefined;
  readonly nameContains: string;
  readonly metadata: string | undefined;
  readonly createdAfter: Micros | undefined;
  readonly createdBefore: Micros | undefined;
}

const filters = `(cardinality($4::smallint[]) = 0 or h.status = any ($4)) and ($5::integer[] is null or t.queue = any ($5))
      and ($6 = '' or strpos(lower(t.name), lower($6)) > 0) and ($7::jsonb is null or coalesce(t.metadata, '{}') @> $7)
      and ($8::timestamptz is null or t.create_time >= $8) and ($9::timestamptz is null or t.create_time < $9)`;

/** A page ends where its inputs, outputs and metadata would be larger than this: well below what gRPC clients accept in one message. */
const pageBytesMax = 2 * 1024 * 1024;

/** About how large a task of a page is, beside what all of them have. */
const taskBytes = ["input", "output", "spec", "progress", "details"]
  .map((column) => `coalesce(octet_length(${column}), 0)`)
  .concat("coalesce(pg_column_size(metadata), 0)", "coalesce(cardinality(parents) * 44, 0)")
  .join(" + ");

/**
 * Within a batch, and over all of a namespace: each walks its own index backwards. Bounds of (batch_id, id), not an equality: with that, a plan made while
 * one batch was most of the table walks the primary key, and all other batches with it.
 */
const inBatch = { where: "(batch_id, id) > ($1, $2) and (batch_id, id) < ($1, $3)", order: "batch_id desc, id desc" };
const inNamespace = { where: "namespace_id = $1 and id > $2 and id < $3", order: "id desc" };
const listStatement = ({ where, order }: typeof inBatch, name: string): Statement => ({
  name: `list_tasks_${name}`,
  text: `select * from (
      select page.*, sum(${taskBytes}) over (order by id desc) bytes,
        row_number() over (order by id desc) n, count(*) over () matched
      from (
        select ${taskColumns} from (
          select *, xmin from task where ${where} order by ${order} limit $10
        ) t join task_state h on h.id = any (array[t.id]) ${attempts}
        where ${filters} order by t.id desc limit $11
      ) page
    ) page where n = 1 or bytes <= ${pageBytesMax} order by id desc`,
});
const windowStatement = ({ where, order }: typeof inBatch, name: string): Statement => ({
  name: `list_tasks_window_${name}`,
  text: `select id from task where ${where} order by ${order} offset $4 limit 1`,
});
const statements = {
  batch: { list: listStatement(inBatch, "batch"), window: windowStatement(inBatch, "batch") },
  namespace: { list: listStatement(inNamespace, "namespace"), window: windowStatement(inNamespace, "namespace") },
};

/** Lists a page of tasks, newest first. */
export function listTasks(db: Pick<Database, "read">, filter: TaskFilter, page: PageRequest): Promise<Page<Task>> {
  const { low, high } = idBounds(filter, page);
  const within = filter.batchId === undefined ? statements.namespace : statements.batch;
  const scope = filter.batchId ?? filter.namespaceId;
  return readPage({
    size: page.size,
    rows: (limit, window) =>
      db.read<Task & { readonly matched: bigint }>(within.list, [
        ...[scope, low, high, filter.statuses, filter.queues ?? null, filter.nameContains, filter.metadata ?? null],
        ...[microsOrNull(filter.createdAfter), microsOrNull(filter.createdBefore), window, limit],
      ]),
    windowEnd: async (window) => (await db.read<{ id: bigint }>(within.window, [scope, low, high, window - 1]))[0]?.id,
  });
}

const listAttemptsStatement: Statement = {
  name: "list_attempts",
  text: `select * from (
      select a.attempt, a.status, a.cause, a.worker, a.parent_id culprit, a.claim_time "claimTime", a.start_time "startTime",
        a.end_time "endTime", a.message, a.code, a.details, a.progress
      from task_attempt a where a.task_id = $1 order by coalesce(a.end_time, 'infinity') desc, a.attempt desc limit $2
    ) a order by coalesce("endTime", 'infinity'), attempt`,
};

/** What is kept of the attempts of a task, the oldest first: the newest `max` of them. */
export function listAttempts(db: Pick<Database, "read">, id: bigint, max: number): Promise<AttemptRecord[]> {
  return db.read<AttemptRecord>(listAttemptsStatement, [id, max]);
}

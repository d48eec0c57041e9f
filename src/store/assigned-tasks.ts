import type { Parent, Task } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";
import { type SharedSpecs, specSql } from "./shared-specs.ts";
import { attempts, currentAttempt, taskColumns } from "./tasks.ts";

/** How large what is handed out in one claim may be together; a single task may be larger. */
const assignmentsBytesMax = 3 * 1024 * 1024;

const givenBytes = (spec: string): string =>
  `coalesce(octet_length(t.input), 0) + coalesce(octet_length(${spec}), 0) + coalesce(pg_column_size(t.metadata), 0)`;
const assigned = `from unnest($1::bigint[], $2::integer[]) x(id, attempt) join task t on t.id = any (array[x.id]) join task_state h on h.id = any (array[x.id])`;
const isAssigned = "t.namespace_id = $3 and h.attempt = x.attempt and h.status in (3, 4)";

const getAssignedStatement: Statement = {
  name: "get_assigned_tasks",
  text: `select * from (
      select task.*, sum(bytes) over w total, row_number() over w n from (
        select ${taskColumns}, ${givenBytes(specSql)} bytes ${assigned} ${attempts} where ${isAssigned}
      ) task window w as (rows unbounded preceding)
    ) task where n = 1 or total <= ${assignmentsBytesMax}`,
};

/** Where assignments are read from. */
export interface AssignmentSource {
  readonly db: Pick<Database, "readByKey">;
  readonly namespaceId: number;
  readonly sharedSpecs: SharedSpecs;
}

/** What the first attempt of a task has: no attempt before it, nothing that it has left. */
export const firstAttempt = {
  ...{ endTime: null, cause: null, culprit: null, message: null, code: null, details: null, cancelReason: null },
  ...{ output: null, progress: null, depsLeft: 0, attempt: 1 },
} as const;
type FirstAttempt = Omit<Task, keyof typeof firstAttempt> & {
  /** Of a shared spec, its number: the text is mostly known. */
  readonly specId: string | null;
  readonly bytes: number;
};

/** Half the columns, and nothing is summed up: whoever is larger than its share is left out. */
const getFirstAssignedStatement: Statement = {
  name: "get_first_assigned_tasks",
  text: `select h.id, h.batch_id "batchId", h.queue, h.status, h.priority, h.worker, h.success_count "successCount", h.failure_count "failureCount",
      h.start_time "startTime", h.lease_until "leaseUntil", h.claim_time "claimTime", h.run_time "runTime", h.activity_time "activityTime", h.execution,
      t.create_time "createTime", t.expected_count "expectedCount", t.xmin::text "givenVersion", h.edits, t.key, t.name, t.parents,
      t.parent_conditions "parentConditions", t.metadata, t.input, t.spec, t.spec_id::text "specId", h.start_timeout_ms "startTimeoutMs",
      h.inactivity_timeout_ms "inactivityTimeoutMs", h.execution_timeout_ms "executionTimeoutMs", h.total_timeout_ms "totalTimeoutMs",
      h.unmet_policy "unmetPolicy", ${givenBytes("t.spec")} bytes
    ${assigned} where ${isAssigned} and ${givenBytes("t.spec")} <= $4`,
};

/** A task that has been claimed, and how large it and those before it are together. */
export type AssignedTask = Task & { readonly total: number };

/**
 * Reads tasks that have been claimed, in the order given (the most urgent first), as many as fit in one answer. Left out, too, is what is not in that attempt
 * any more. Rows come in the order of the array that leads to them: nothing is sorted.
 */
export async function getAssignedTasks(
  { db, namespaceId, sharedSpecs }: AssignmentSource,
  claimed: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<AssignedTask[]> {
  const values = [claimed.map((task) => task.id), claimed.map((task) => task.attempt), namespaceId];
  if (claimed.every(({ attempt }) => attempt === 1)) {
    const share = Math.floor(assignmentsBytesMax / claimed.length);
    const rows = await db.readByKey<FirstAttempt>(getFirstAssignedStatement, [...values, share]);
    const tasks = rows.length < claimed.length ? undefined : await withSpecs(rows, { db, sharedSpecs, share });
    if (tasks !== undefined) return tasks;
  }
  const rows = await db.readByKey<Task & { readonly total: bigint }>(getAssignedStatement, values);
  return rows.map((row) => ({ ...row, total: Number(row.total) }));
}

/** The tasks of rows; undefined: with its spec, one is larger than its share. */
async function withSpecs(
  rows: readonly FirstAttempt[],
  { db, sharedSpecs, share }: Pick<AssignmentSource, "db" | "sharedSpecs"> & { readonly share: number },
): Promise<AssignedTask[] | undefined> {
  const specs = await sharedSpecs.of(db, rows, share);
  if (specs === undefined) return undefined;
  let total = 0;
  const tasks: AssignedTask[] = [];
  for (const [n, row] of rows.entries()) {
    const spec = specs[n] ?? null;
    const bytes = row.bytes + (row.specId === null ? 0 : Buffer.byteLength(spec ?? ""));
    if (bytes > share) return undefined;
    total += bytes;
    tasks.push(firstAttemptOf(row, { spec, total }));
  }
  return tasks;
}

/** One literal without parts: a claim has many tasks. */
function firstAttemptOf(row: FirstAttempt, { spec, total }: { spec: string | null; total: number }): AssignedTask {
  return {
    id: row.id,
    batchId: row.batchId,
    queue: row.queue,
    status: row.status,
    attempt: firstAttempt.attempt,
    priority: row.priority,
    worker: row.worker,
    successCount: row.successCount,
    failureCount: row.failureCount,
    startTime: row.startTime,
    leaseUntil: row.leaseUntil,
    claimTime: row.claimTime,
    runTime: row.runTime,
    activityTime: row.activityTime,
    endTime: firstAttempt.endTime,
    depsLeft: firstAttempt.depsLeft,
    execution: row.execution,
    createTime: row.createTime,
    expectedCount: row.expectedCount,
    givenVersion: row.givenVersion,
    cause: firstAttempt.cause,
    culprit: firstAttempt.culprit,
    message: firstAttempt.message,
    code: firstAttempt.code,
    details: firstAttempt.details,
    cancelReason: firstAttempt.cancelReason,
    edits: row.edits,
    key: row.key,
    name: row.name,
    parents: row.parents,
    parentConditions: row.parentConditions,
    metadata: row.metadata,
    input: row.input,
    spec,
    startTimeoutMs: row.startTimeoutMs,
    inactivityTimeoutMs: row.inactivityTimeoutMs,
    executionTimeoutMs: row.executionTimeoutMs,
    totalTimeoutMs: row.totalTimeoutMs,
    unmetPolicy: row.unmetPolicy,
    output: firstAttempt.output,
    progress: firstAttempt.progress,
    total,
  };
}

/** How large the outputs of parents are together that are read for some tasks. A little more than {@link assignmentsBytesMax}: what is cut here belongs to a single task, or to tasks that do not fit either. */
export const parentsBytesMax = 4 * 1024 * 1024;

const getParentsStatement: Statement = {
  name: "get_parents",
  text: `select child, id, "batchId", key, status, total, case when total <= ${parentsBytesMax} then output end output,
      output is not null and total > ${parentsBytesMax} "outputOmitted" from (
      select parent.*, sum(coalesce(octet_length(output), 0)) over (order by n, m) total from (
        select c.id child, p.id, p.batch_id "batchId", p.key, h.status, case when h.status = 6 then a.output end output, x.n, e.m
        from unnest($1::bigint[]) with ordinality x(id, n) join task c on c.id = any (array[x.id])
        cross join lateral unnest(c.parents) with ordinality e(parent, m)
        join task p on p.id = any (array[e.parent]) join task_state h on h.id = any (array[p.id]) ${currentAttempt}
      ) parent
    ) parent order by total`,
};

/** The parents of tasks, with their outputs as far as they fit in one answer; the total is of the outputs until there. */
export function getParents(
  db: Pick<Database, "readByKey">,
  children: readonly bigint[],
): Promise<(Parent & { readonly total: bigint })[]> {
  return db.readByKey<Parent & { readonly total: bigint }>(getParentsStatement, [children]);
}

/** What a task left for its children. */
export interface ParentResult extends Pick<Parent, "id" | "batchId" | "key" | "status" | "output"> {
  /** How large its output is. */
  readonly bytes: number;
}

const getParentResultsStatement: Statement = {
  name: "get_parent_results",
  text: `select id, "batchId", key, status, coalesce(octet_length(output), 0) bytes, case when total <= ${parentsBytesMax} then output end output from (
      select parent.*, sum(coalesce(octet_length(output), 0)) over (order by n) total from (
        select p.id, p.batch_id "batchId", p.key, h.status, case when h.status = 6 then a.output end output, x.n
        from unnest($1::bigint[]) with ordinality x(id, n) join task p on p.id = any (array[x.id]) join task_state h on h.id = any (array[p.id]) ${currentAttempt}
      ) parent
    ) parent`,
};

/** What some tasks left for their children; outputs as far as they are not larger together than {@link parentsBytesMax}, in the order given. */
export function getParentResults(db: Pick<Database, "readByKey">, ids: readonly bigint[]): Promise<ParentResult[]> {
  return db.readByKey<ParentResult>(getParentResultsStatement, [ids]);
}

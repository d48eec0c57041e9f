import type { AttemptResult, CreatedTask } from "../domain/feed-event.ts";
import type { Micros } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";

/** The changes of one transaction, as arrays as long as `task_ids`; counts cover the leading entries only. Of a change of a batch, attempt, queue and worker are 0. */
export interface CommitRow {
  readonly seq: bigint;
  readonly commit_time: Micros;
  readonly types: readonly number[];
  readonly batch_ids: readonly bigint[];
  readonly task_ids: readonly bigint[];
  readonly from_statuses: readonly number[];
  readonly to_statuses: readonly number[];
  readonly attempts: readonly number[];
  readonly queues: readonly number[];
  readonly workers: readonly number[];
  readonly success_counts: readonly bigint[] | null;
  readonly failure_counts: readonly bigint[] | null;
}

/** The columns of a {@link CommitRow}. */
export const columnsOfCommits =
  "seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers, success_counts, failure_counts";

const tailStatement: Statement = {
  name: "tail_events",
  text: `select ${columnsOfCommits} from event_tx where seq > $1 order by seq limit $2`,
};

/** Reads commits after a number in order. */
export async function tailEvents(db: Pick<Database, "readByKey">, after: bigint, limit: number): Promise<CommitRow[]> {
  return (await db.readByKey<CommitRow>(tailStatement, [after, limit])).map(wholeCommit);
}

/** A commit as it was read: in the table, an array ends where all that follows would repeat its last element. */
export function wholeCommit(row: CommitRow): CommitRow {
  const { task_ids } = row;
  const fill = <Item>(items: readonly Item[]): readonly Item[] =>
    items.length === task_ids.length ? items : task_ids.map((_, n) => items[Math.min(n, items.length - 1)] as Item);
  const fillOfTasks = (items: readonly number[]): readonly number[] =>
    fill(items).map((item, n) => (task_ids[n] === 0n ? 0 : item));
  return {
    ...row,
    ...{ types: fill(row.types), batch_ids: fill(row.batch_ids) },
    ...{ from_statuses: fill(row.from_statuses), to_statuses: fill(row.to_statuses) },
    ...{ attempts: fillOfTasks(row.attempts), queues: fillOfTasks(row.queues), workers: fillOfTasks(row.workers) },
  };
}

/** A transaction that draws a number holds this lock on the sequence until it is over. */
const writersStatement: Statement = {
  name: "event_writers",
  text: `select distinct virtualtransaction writer from pg_locks where locktype = 'relation' and relation = 'event_seq'::regclass
    and database = (select oid from pg_database where datname = current_database()) and mode = 'RowExclusiveLock'`,
};

/** The transactions that have drawn a number, or are about to, and are not over. */
export async function eventWriters(db: Pick<Database, "read">): Promise<Set<string>> {
  return new Set((await db.read<{ writer: string }>(writersStatement, [])).map((row) => row.writer));
}

const rangeStatement: Statement = {
  name: "event_range",
  text: "select min(seq) oldest, max(seq) newest from event_tx",
};

/** The numbers of the oldest and of the newest commit that can be seen; both absent when there is none. */
export async function eventRange(db: Pick<Database, "read">): Promise<{ oldest: bigint; newest: bigint } | undefined> {
  const row = (await db.read<{ oldest: bigint | null; newest: bigint | null }>(rangeStatement, []))[0];
  return row === undefined || row.oldest === null || row.newest === null
    ? undefined
    : { oldest: row.oldest, newest: row.newest };
}

const floorStatement: Statement = {
  name: "event_floor",
  text: "select event_floor floor from instance where singleton",
};

/** The number up to which commits are not kept any more; 0n where all are. */
export async function eventFloor(db: Pick<Database, "read">): Promise<bigint> {
  return (await db.read<{ floor: bigint }>(floorStatement, []))[0]?.floor ?? 0n;
}

const newestStatement: Statement = {
  name: "newest_event",
  text: "select seq from event_tx order by seq desc limit 1",
};

/** The number of the newest commit that can be seen; 0n when there is none. */
export async function newestEvent(db: Pick<Database, "read">): Promise<bigint> {
  return (await db.read<{ seq: bigint }>(newestStatement, []))[0]?.seq ?? 0n;
}

const creationStatement: Statement = {
  name: "first_creation",
  text: `select least((select min(t.create_time) from unnest($1::bigint[]) x(id) join task t on t.id = any (array[x.id])),
    (select min(b.create_time) from unnest($2::bigint[]) x(id) join batch b on b.id = any (array[x.id]))) "time"`,
};

/** When the first of some tasks and batches was created; undefined where none of them exists. */
export async function firstCreation(
  db: Pick<Database, "read">,
  { taskIds, batchIds }: { readonly taskIds: Iterable<bigint>; readonly batchIds: Iterable<bigint> },
): Promise<Micros | undefined> {
  const [row] = await db.read<{ time: Micros | null }>(creationStatement, [[...taskIds], [...batchIds]]);
  return row?.time ?? undefined;
}

const commitFromStatement: Statement = {
  name: "commit_from",
  text: 'select seq, commit_time "time" from event_tx where seq >= $1 order by seq limit 1',
};

/** The first commit whose number is not below one. */
export async function commitFrom(
  db: Pick<Database, "read">,
  seq: bigint,
): Promise<{ readonly seq: bigint; readonly time: Micros } | undefined> {
  return (await db.read<{ seq: bigint; time: Micros }>(commitFromStatement, [seq]))[0];
}

const seenStatement: Statement = {
  name: "events_seen_after",
  text: "select seq from event_tx where seq > $1 order by seq",
};

/** The numbers of commits after one that a snapshot can see. */
export async function visibleAfter(db: Pick<Database, "read">, after: bigint): Promise<bigint[]> {
  return (await db.read<{ seq: bigint }>(seenStatement, [after])).map((row) => row.seq);
}

const eventTasksStatement: Statement = {
  name: "event_tasks",
  text: `select t.id, t.key, t.name, coalesce(cardinality(t.parents), 0) "parentCount", h.priority
    from unnest($1::bigint[]) x(id) join task t on t.id = any (array[x.id]) join task_state h on h.id = any (array[x.id])`,
};

/** Reads what creation events tell of tasks. */
export function eventTasks(db: Pick<Database, "readByKey">, ids: readonly bigint[]): Promise<CreatedTask[]> {
  return db.readByKey<CreatedTask>(eventTasksStatement, [ids]);
}

const attemptsStatement: Statement = {
  name: "event_attempts",
  text: `select a.task_id "taskId", a.attempt, a.status, a.cause, a.parent_id culprit, a.message, a.code, a.details, a.output
    from unnest($1::bigint[], $2::integer[]) x(id, attempt) join task_attempt a on a.task_id = any (array[x.id]) and a.attempt = x.attempt`,
};

/** Reads what attempts left. */
export function eventAttempts(
  db: Pick<Database, "readByKey">,
  ids: readonly bigint[],
  attempts: readonly number[],
): Promise<AttemptResult[]> {
  return db.readByKey<AttemptResult>(attemptsStatement, [ids, attempts]);
}

const idsWithMetadataStatement: Statement = {
  name: "ids_with_metadata",
  text: `select t.id from unnest($1::bigint[]) x(id) join task t on t.id = any (array[x.id]) where coalesce(t.metadata, '{}') @> $2::jsonb
    union all select b.id from unnest($1::bigint[]) x(id) join batch b on b.id = any (array[x.id]) where b.metadata @> $2::jsonb`,
};

/** Which of some tasks and batches contain a piece of metadata. */
export async function idsWithMetadata(
  db: Pick<Database, "read">,
  ids: readonly bigint[],
  metadata: string,
): Promise<Set<bigint>> {
  return new Set((await db.read<{ id: bigint }>(idsWithMetadataStatement, [ids, metadata])).map((row) => row.id));
}

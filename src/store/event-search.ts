import type { Database, Statement } from "./database.ts";
import { type CommitRow, columnsOfCommits, wholeCommit } from "./events.ts";

/** What events are looked for. Empty sets and undefined select everything; metadata is containment, as JSON. */
export interface WantedEvents {
  readonly batchIds: ReadonlySet<bigint>;
  readonly taskIds: ReadonlySet<bigint>;
  readonly kinds: ReadonlySet<string>;
  readonly statuses: ReadonlySet<number>;
  readonly metadata: string | undefined;
}

/** What one search looks at, at most: so many commits, and about so many bytes of ids of tasks (8 each), but at least one commit. */
const scanned = { commits: 10_000, bytes: 4 * 1024 * 1024 };
/** As `scanned`, where each task's metadata is looked up. */
const scannedWithMetadata = { commits: 1_000, bytes: 256 * 1024 };

/** Nothing is asked of a column whose parameter is null. The list is hashed once, and each array is walked once, however long both are. */
const holds = (column: string, parameter: string, list = `select unnest(${parameter})`): string =>
  `(${parameter} is null or exists (select from unnest(e.${column}) x(n) where (x.n in (${list})) is true))`;

const ofTasks =
  "exists (select from unnest(e.task_ids) x(id) join task t on t.id = any (array[x.id]) where coalesce(t.metadata, '{}') @> $10::jsonb)";
const ofBatches =
  "0 = any (e.task_ids) and exists (select from unnest(e.batch_ids) x(id) join batch b on b.id = any (array[x.id]) where b.metadata @> $10::jsonb)";

/** An array of a commit ends where all that follows would repeat its last element: what is in it is the same. */
const searchStatement: Statement = {
  name: "search_events",
  text: `select s.up_to, e.* from (
      select case when coalesce(bool_and(fits), true) and count(*) < $3 then $2::bigint else max(seq) filter (where fits) end up_to from (
        select seq, row_number() over past = 1 or sum(size) over past <= $4::bigint fits from (
          select seq, pg_column_size(task_ids) size from event_tx where seq > $1 and seq <= $2 order by seq limit $3
        ) c window past as (order by seq rows unbounded preceding)
      ) c
    ) s left join lateral (
      select ${columnsOfCommits} from event_tx e where seq > $1 and seq <= s.up_to
        and ${holds("batch_ids", "$6::bigint[]")} and ${holds("task_ids", "$7::bigint[]")} and ${holds("to_statuses", "$8::smallint[]")}
        and ${holds("queues", "$9::text[]", "select id from queue where kind = any ($9)")}
        and ($10::jsonb is null or ${ofTasks} or ${ofBatches})
      order by seq limit $5
    ) e on true order by e.seq`,
};

/** Tells whether something is left out by what is looked for. */
export function isSelective({ batchIds, taskIds, kinds, statuses, metadata }: WantedEvents): boolean {
  return batchIds.size + taskIds.size + kinds.size + statuses.size > 0 || metadata !== undefined;
}

/**
 * Looks in the commits after a number, up to another, for such as may hold what is wanted: each of the conditions holds for some of their changes, not for the same
 * one perhaps. It answers at most `limit`, in order, and up to where it looked: one call looks at a bounded part of the table, so it may find nothing though
 * there is something further on. No index helps: one on what commits are of would be written with each of them.
 */
export async function searchEvents(
  db: Pick<Database, "readByKey">,
  wanted: WantedEvents,
  { after, upTo, limit }: { readonly after: bigint; readonly upTo: bigint; readonly limit: number },
): Promise<{ readonly commits: readonly CommitRow[]; readonly upTo: bigint }> {
  const list = <Item>(items: ReadonlySet<Item>): Item[] | null => (items.size === 0 ? null : [...items]);
  const { commits: commitsMax, bytes } = wanted.metadata === undefined ? scanned : scannedWithMetadata;
  const { batchIds, taskIds, statuses, kinds, metadata } = wanted;
  const rows = await db.readByKey<{ up_to: bigint; seq: bigint | null }>(searchStatement, [
    ...[after, upTo, commitsMax, bytes, limit],
    ...[list(batchIds), list(taskIds), list(statuses), list(kinds), metadata ?? null],
  ]);
  const commits = rows.flatMap((row) => (row.seq === null ? [] : [wholeCommit(row as unknown as CommitRow)]));
  const last = commits.at(-1);
  return { commits, upTo: last !== undefined && commits.length === limit ? last.seq : (rows[0]?.up_to ?? upTo) };
}

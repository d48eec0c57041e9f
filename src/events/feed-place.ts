import type { Database } from "../store/database.ts";
import { commitFrom, eventFloor, eventRange, firstCreation } from "../store/events.ts";
import type { EventFilter } from "./event-filter.ts";

/** Numbers of commits and their times run together but for what a writer may be held up between the two. */
const marginMicros = 60_000_000;

/**
 * A number behind which everything stands that a filter by tasks or batches can select: nothing is known of them before they were created. For
 * other filters, the number up to which nothing is kept. So a history is read from its beginning, not from that of the feed.
 */
export async function beginningOf(db: Pick<Database, "read">, filter: EventFilter): Promise<bigint> {
  const floor = await eventFloor(db);
  if (filter.taskIds.size === 0 && filter.batchIds.size === 0) return floor;
  const ids =
    filter.taskIds.size > 0 ? { taskIds: filter.taskIds, batchIds: [] } : { taskIds: [], batchIds: filter.batchIds };
  const created = await firstCreation(db, ids);
  const range = created === undefined ? undefined : await eventRange(db);
  if (created === undefined || range === undefined) return floor;
  // Binary search: the last number known to be too early, and the first known not to be.
  let [early, late] = [range.oldest - 1n, range.newest];
  while (late - early > 1n) {
    const middle = early + (late - early) / 2n;
    const commit = await commitFrom(db, middle);
    if (commit === undefined || commit.time >= created - marginMicros) late = middle;
    else early = commit.seq < late ? commit.seq : late - 1n;
  }
  return early < floor ? floor : early;
}

import { ChangeType, type FeedEvent } from "../domain/feed-event.ts";
import type { Database } from "../store/database.ts";
import { type CommitRow, idsWithMetadata } from "../store/events.ts";
import type { EventReader } from "./event-reader.ts";

/** Which events somebody wants to see. Empty lists select everything; metadata is containment, as JSON. */
export interface EventFilter {
  readonly batchIds: ReadonlySet<bigint>;
  readonly taskIds: ReadonlySet<bigint>;
  readonly kinds: ReadonlySet<string>;
  readonly statuses: ReadonlySet<number>;
  readonly metadata: string | undefined;
}

/**
 * Selects of the events of a commit those of one window, from a place on; `next` is where the window ends. Reads details only where something may match.
 */
export async function selectFrom(
  source: { readonly db: Database; readonly reader: EventReader },
  filter: EventFilter,
  commit: CommitRow,
  from: number,
): Promise<{ readonly events: readonly FeedEvent[]; readonly next: number }> {
  if (!mayMatch(filter, commit)) return { events: [], next: commit.types.length };
  const events = await source.reader.events(commit, from);
  const matching = events.filter((event) => matches(filter, event));
  return { events: await containing(source.db, filter, matching), next: from + events.length };
}

/** Those of some events whose task or batch has the metadata that a filter asks for. */
async function containing(
  db: Database,
  { metadata }: EventFilter,
  events: readonly FeedEvent[],
): Promise<readonly FeedEvent[]> {
  if (metadata === undefined || events.length === 0) return events;
  const subject = (event: FeedEvent): bigint => (event.taskId === 0n ? event.batchId : event.taskId);
  const ids = await idsWithMetadata(db, events.map(subject), metadata);
  return events.filter((event) => ids.has(subject(event)));
}

/** Whether a filter may select something of a commit, as far as its numbers tell. */
export function mayMatch(filter: EventFilter, commit: CommitRow): boolean {
  if (filter.batchIds.size > 0 && !commit.batch_ids.some((id) => filter.batchIds.has(id))) return false;
  if (filter.taskIds.size > 0 && !commit.task_ids.some((id) => filter.taskIds.has(id))) return false;
  return filter.statuses.size === 0 || commit.to_statuses.some((status) => filter.statuses.has(status));
}

function matches(filter: EventFilter, event: FeedEvent): boolean {
  if (filter.batchIds.size > 0 && !filter.batchIds.has(event.batchId)) return false;
  if (filter.taskIds.size > 0 && !filter.taskIds.has(event.taskId)) return false;
  if (filter.kinds.size > 0 && !filter.kinds.has(event.kind)) return false;
  if (filter.statuses.size === 0) return true;
  return !sameStatus.has(event.type) && filter.statuses.has(event.to);
}

/** Changes that leave every task in its status. */
const sameStatus: ReadonlySet<number> = new Set([ChangeType.BATCH, ChangeType.COUNTS, ChangeType.UPDATED]);

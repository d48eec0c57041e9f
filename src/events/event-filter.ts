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

/** Selects the events of a commit from a place on; reads its details only where something may match. */
export async function selectEvents(
  source: { readonly db: Database; readonly reader: EventReader },
  filter: EventFilter,
  commit: CommitRow,
  fromIndex: number,
): Promise<FeedEvent[]> {
  if (!mayMatch(filter, commit)) return [];
  const events = (await source.reader.events(commit)).filter(
    (event) => event.index >= fromIndex && matches(filter, event),
  );
  if (filter.metadata === undefined || events.length === 0) return events;
  const ids = events.map((event) => (event.taskId === 0n ? event.batchId : event.taskId));
  const containing = await idsWithMetadata(source.db, ids, filter.metadata);
  return events.filter((event) => containing.has(event.taskId === 0n ? event.batchId : event.taskId));
}

function mayMatch(filter: EventFilter, commit: CommitRow): boolean {
  if (filter.batchIds.size > 0 && !commit.batch_ids.some((id) => filter.batchIds.has(id))) return false;
  if (filter.taskIds.size > 0 && !commit.task_ids.some((id) => filter.taskIds.has(id))) return false;
  return filter.statuses.size === 0 || commit.to_statuses.some((status) => filter.statuses.has(status));
}

function matches(filter: EventFilter, event: FeedEvent): boolean {
  if (filter.batchIds.size > 0 && !filter.batchIds.has(event.batchId)) return false;
  if (filter.taskIds.size > 0 && !filter.taskIds.has(event.taskId)) return false;
  if (filter.kinds.size > 0 && !filter.kinds.has(event.kind)) return false;
  if (filter.statuses.size === 0) return true;
  return event.type !== ChangeType.BATCH && event.type !== ChangeType.COUNTS && filter.statuses.has(event.to);
}

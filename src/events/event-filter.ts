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
 * Selects of the events of a commit those of one window, from a place on; `next` is where the window ends. Reads details only where something may match: what comes
 * before is passed over.
 */
export async function selectFrom(
  source: { readonly db: Database; readonly reader: EventReader },
  filter: EventFilter,
  commit: CommitRow,
  from: number,
): Promise<{ readonly events: readonly FeedEvent[]; readonly next: number }> {
  const queues = filter.kinds.size === 0 ? undefined : await source.reader.queuesOfKinds(commit, filter.kinds);
  const first = firstCandidate(filter, commit, { from, queues });
  if (first === -1) return { events: [], next: commit.types.length };
  const events = await source.reader.events(commit, first);
  const matching = events.filter((event) => matches(filter, event));
  return { events: await containing(source.db, filter, matching), next: first + events.length };
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
  return firstCandidate(filter, commit, { from: 0, queues: undefined }) !== -1;
}

/** The first change of a commit, from a place on, that a filter may select as far as its numbers tell; -1: none. */
function firstCandidate(
  { batchIds, taskIds, statuses }: EventFilter,
  commit: CommitRow,
  { from, queues }: { readonly from: number; readonly queues: ReadonlySet<number> | undefined },
): number {
  for (let n = from; n < commit.types.length; n += 1) {
    if (batchIds.size > 0 && !batchIds.has(commit.batch_ids[n] as bigint)) continue;
    if (taskIds.size > 0 && !taskIds.has(commit.task_ids[n] as bigint)) continue;
    if (queues !== undefined && !queues.has(commit.queues[n] as number)) continue;
    if (statuses.size === 0) return n;
    if (!sameStatus.has(commit.types[n] as number) && statuses.has(commit.to_statuses[n] as number)) return n;
  }
  return -1;
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

import { MillpondError } from "../domain/errors.ts";
import type { FeedEvent } from "../domain/feed-event.ts";
import type { Batch, Task } from "../domain/task.ts";
import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import { visibleAfter } from "../store/events.ts";
import { snapshotBatches, snapshotTasks } from "../store/snapshot.ts";
import { type Cursor, cursorAfter, isSeen, rangesOf } from "./cursor.ts";
import { type EventFilter, selectEvents } from "./event-filter.ts";
import type { EventReader } from "./event-reader.ts";
import type { Feed } from "./feed.ts";

/** One message of a watch. The cursor is the place to resume from after it. */
export type WatchItem =
  | {
      readonly case: "snapshot";
      readonly cursor: Cursor | undefined;
      readonly tasks: readonly Task[];
      readonly batches: readonly Batch[];
    }
  | { readonly case: "snapshotDone"; readonly cursor: Cursor }
  | { readonly case: "events"; readonly cursor: Cursor; readonly events: readonly FeedEvent[]; readonly more: boolean }
  | { readonly case: "checkpoint"; readonly cursor: Cursor };

/** What watches read from, and their bounds. */
export interface WatchSource {
  readonly db: Database;
  readonly dictionaries: Dictionaries;
  readonly feed: Feed;
  readonly reader: EventReader;
  /** A message at least this often, so that proxies keep idle streams and resuming stays cheap. */
  readonly checkpointMs: number;
  readonly snapshotTasksMax: number;
}

const commitsPerRead = 100;
const eventsPerMessageMax = 1000;
/** Outputs in one message, well below what gRPC clients accept; a single event may be larger. */
const messageBytesMax = 2 * 1024 * 1024;
const rowsPerPartMax = 500;
/** What a dependency takes in a message. */
const uuidBytes = 44;

/** Where a watch without a cursor begins: behind everything that has been committed until now. */
export async function currentCursor(source: Pick<WatchSource, "db" | "feed">): Promise<Cursor> {
  const settled = source.feed.settled;
  return cursorAfter(settled, rangesOf(await visibleAfter(source.db, settled)));
}

/** Streams every change from a cursor on, in commit order, until `signal` is aborted or the feed stops. Reads at the pace of its consumer. */
export async function* follow(
  source: WatchSource,
  filter: EventFilter,
  from: Cursor,
  signal: AbortSignal,
): AsyncGenerator<WatchItem> {
  let cursor = from;
  let lastMessageMs = Date.now();
  while (!signal.aborted) {
    const commits = await source.feed.next(cursor.seq, { limit: commitsPerRead, waitMs: source.checkpointMs, signal });
    for (const commit of commits) {
      const next = cursorAfter(commit.seq, cursor.seen);
      const events = isSeen(cursor, commit.seq) ? [] : await selectEvents(source, filter, commit, cursor.index);
      for (let n = 0; n < events.length; ) {
        const part = fitting(events.slice(n, n + eventsPerMessageMax), {
          bytesMax: messageBytesMax,
          atLeast: 1,
          bytesOf: outputBytes,
        });
        n += part.length;
        const more = n < events.length;
        const place = more ? { seq: commit.seq - 1n, index: (part.at(-1)?.index ?? 0) + 1, seen: cursor.seen } : next;
        yield { case: "events", cursor: place, events: part, more };
        lastMessageMs = Date.now();
      }
      cursor = next;
    }
    if (commits.length === 0 && (signal.aborted || source.feed.stopped)) return;
    if (Date.now() - lastMessageMs >= source.checkpointMs) {
      yield { case: "checkpoint", cursor };
      lastMessageMs = Date.now();
    }
  }
}

/**
 * Streams the current state of what a filter selects, then every change since, without gap or repetition.
 * The state is read in one snapshot of the database; commits that it saw and that the feed has not settled yet are left out of what follows.
 */
export async function* snapshotAndFollow(
  source: WatchSource,
  filter: EventFilter,
  signal: AbortSignal,
): AsyncGenerator<WatchItem> {
  const settled = source.feed.settled;
  await source.dictionaries.refreshQueues();
  const queues =
    filter.kinds.size === 0
      ? undefined
      : source.dictionaries.queuesWhere((queue) => filter.kinds.has(queue.kind)).map((queue) => queue.id);
  const state = await source.db.readSnapshot(async (read) => {
    const on = { read };
    const selection = { ...filter, queues };
    const seen = await visibleAfter(on, settled);
    const tasks = await snapshotTasks(on, selection, source.snapshotTasksMax + 1);
    const batches =
      filter.taskIds.size > 0 || filter.kinds.size > 0 || filter.statuses.size > 0
        ? []
        : await snapshotBatches(on, selection, source.snapshotTasksMax + 1);
    return { seen, tasks, batches };
  });
  const size = Math.max(state.tasks.length, state.batches.length);
  if (size > source.snapshotTasksMax) throw tooLarge(source.snapshotTasksMax);
  const half = { bytesMax: messageBytesMax / 2, atLeast: 1 };
  for (let t = 0, b = 0; t < state.tasks.length || b < state.batches.length; ) {
    if (signal.aborted) return;
    const tasks = fitting(state.tasks.slice(t, t + rowsPerPartMax), { ...half, bytesOf: taskBytes });
    const batches = fitting(state.batches.slice(b, b + rowsPerPartMax), { ...half, bytesOf: batchBytes });
    t += tasks.length;
    b += batches.length;
    yield { case: "snapshot", cursor: undefined, tasks, batches };
  }
  const cursor = cursorAfter(settled, rangesOf(state.seen));
  yield { case: "snapshotDone", cursor };
  yield* follow(source, filter, cursor, signal);
}

function tooLarge(max: number): MillpondError {
  return new MillpondError(
    "LIMIT_EXCEEDED",
    `the filter selects more than ${max} tasks or batches, too many for a snapshot; narrow it (by batch_ids, for example)`,
    {
      metadata: { limit: String(max) },
    },
  );
}

/**
 * Reads a page of events after a cursor, what was committed before the call among them; waits up to `waitMs` for the first. The answer's cursor is
 * where the next page begins.
 */
export async function listEvents(
  source: WatchSource,
  filter: EventFilter,
  page: { readonly from: Cursor; readonly size: number; readonly waitMs: number; readonly signal: AbortSignal },
): Promise<{ events: readonly FeedEvent[]; cursor: Cursor }> {
  const deadline = Date.now() + page.waitMs;
  await source.feed.catchUp();
  const events: FeedEvent[] = [];
  let bytes = 0;
  let cursor = page.from;
  while (!page.signal.aborted) {
    const waitMs = events.length > 0 ? 0 : Math.max(deadline - Date.now(), 0);
    const commits = await source.feed.next(cursor.seq, { limit: commitsPerRead, waitMs, signal: page.signal });
    for (const commit of commits) {
      const found = isSeen(cursor, commit.seq) ? [] : await selectEvents(source, filter, commit, cursor.index);
      const part = fitting(found.slice(0, page.size - events.length), {
        bytesMax: messageBytesMax - bytes,
        atLeast: events.length > 0 ? 0 : 1,
        bytesOf: outputBytes,
      });
      events.push(...part);
      bytes += part.reduce((sum, event) => sum + outputBytes(event), 0);
      if (part.length === 0 && found.length > 0) return { events, cursor };
      if (found.length > part.length)
        return { events, cursor: { seq: commit.seq - 1n, index: (events.at(-1)?.index ?? 0) + 1, seen: cursor.seen } };
      cursor = cursorAfter(commit.seq, cursor.seen);
      if (events.length === page.size) return { events, cursor };
    }
    if (commits.length === 0 && (events.length > 0 || Date.now() >= deadline || source.feed.stopped)) break;
  }
  return { events, cursor };
}

/** The leading items that fit in a message, but at least so many. */
function fitting<Item>(
  items: readonly Item[],
  bounds: { bytesMax: number; atLeast: number; bytesOf: (item: Item) => number },
): readonly Item[] {
  let bytes = 0;
  const end = items.findIndex((item, n) => {
    bytes += bounds.bytesOf(item);
    return bytes > bounds.bytesMax && n >= bounds.atLeast;
  });
  return end === -1 ? items : items.slice(0, end);
}

function outputBytes({ result }: FeedEvent): number {
  return (result?.output?.length ?? 0) + (result?.details?.length ?? 0);
}

function taskBytes({ metadata, spec, progress, details, parents }: Task): number {
  const texts = [spec, progress, details].reduce((sum, text) => sum + (text?.length ?? 0), 0);
  return texts + batchBytes({ metadata: metadata ?? {} }) + (parents?.length ?? 0) * uuidBytes;
}

function batchBytes({ metadata }: Pick<Batch, "metadata">): number {
  return JSON.stringify(metadata).length;
}

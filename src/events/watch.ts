import { MillpondError } from "../domain/errors.ts";
import type { FeedEvent } from "../domain/feed-event.ts";
import type { Batch, Task } from "../domain/task.ts";
import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import { type CommitRow, visibleAfter } from "../store/events.ts";
import { snapshotBatches, snapshotTasks } from "../store/snapshot.ts";
import { type Cursor, cursorAfter, isSeen, rangesOf } from "./cursor.ts";
import { type EventFilter, selectEvents } from "./event-filter.ts";
import type { EventReader } from "./event-reader.ts";
import type { Feed } from "./feed.ts";
import { beginningOf } from "./feed-place.ts";

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
/** Texts in one message, well below what gRPC clients accept; a single event may be larger. */
const messageBytesMax = 2 * 1024 * 1024;
const rowsPerPartMax = 500;
/** What a dependency takes in a message. */
const uuidBytes = 44;

/** Where a watch without a cursor begins: behind everything that has been committed until now. */
export async function currentCursor(source: Pick<WatchSource, "db" | "feed">): Promise<Cursor> {
  // What is not settled has to be named in the cursor.
  await source.feed.catchUp();
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
      const groups = isSeen(cursor, commit.seq) ? [] : selectEvents(source, filter, commit, cursor.index);
      for await (const { part, more } of messagesOf(groups)) {
        const end = more ? (part.at(-1)?.index ?? 0) + 1 : commit.types.length;
        yield { case: "events", cursor: placeIn(commit, end, cursor.seen), events: part, more };
        lastMessageMs = Date.now();
      }
      cursor = cursorAfter(commit.seq, cursor.seen);
    }
    if (commits.length === 0 && (signal.aborted || source.feed.stopped)) return;
    if (Date.now() - lastMessageMs >= source.checkpointMs) {
      yield { case: "checkpoint", cursor };
      lastMessageMs = Date.now();
    }
  }
}

/** Cuts the events of one commit into messages, and says of each whether another follows. */
async function* messagesOf(
  groups: AsyncIterable<readonly FeedEvent[]> | readonly (readonly FeedEvent[])[],
): AsyncGenerator<{ part: readonly FeedEvent[]; more: boolean }> {
  const bounds = { bytesMax: messageBytesMax, atLeast: 1, bytesOf: textBytes };
  let held: readonly FeedEvent[] = [];
  for await (const group of groups) {
    held = held.length === 0 ? group : [...held, ...group];
    for (;;) {
      const part = fitting(held.slice(0, eventsPerMessageMax), bounds);
      if (part.length === held.length) break;
      yield { part, more: true };
      held = held.slice(part.length);
    }
  }
  if (held.length > 0) yield { part: held, more: false };
}

/** The place in a commit before the change with an index. */
function placeIn(commit: CommitRow, index: number, seen: Cursor["seen"]): Cursor {
  return index < commit.types.length ? { seq: commit.seq - 1n, index, seen } : cursorAfter(commit.seq, seen);
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
  // What is not settled has to be named in the cursor.
  await source.feed.catchUp();
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
  let cursor = page.from.seq === 0n ? { ...page.from, seq: await beginningOf(source.db, filter) } : page.from;
  while (!page.signal.aborted) {
    const waitMs = events.length > 0 ? 0 : Math.max(deadline - Date.now(), 0);
    const commits = await source.feed.next(cursor.seq, { limit: commitsPerRead, waitMs, signal: page.signal });
    for (const commit of commits) {
      const groups = isSeen(cursor, commit.seq) ? [] : selectEvents(source, filter, commit, cursor.index);
      for await (const found of groups) {
        const part = fitting(found.slice(0, page.size - events.length), {
          bytesMax: messageBytesMax - bytes,
          atLeast: events.length > 0 ? 0 : 1,
          bytesOf: textBytes,
        });
        events.push(...part);
        bytes += part.reduce((sum, event) => sum + textBytes(event), 0);
        const last = part.at(-1);
        if (last !== undefined) cursor = placeIn(commit, last.index + 1, cursor.seen);
        if (part.length < found.length || events.length === page.size) return { events, cursor };
      }
      cursor = cursorAfter(commit.seq, cursor.seen);
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

/** What the texts of an event take in a message. */
function textBytes({ result, created }: FeedEvent): number {
  const texts = [result?.output, result?.details, created?.key, created?.name];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ""), 0);
}

function taskBytes({ metadata, spec, progress, details, parents }: Task): number {
  const texts = [spec, progress, details].reduce((sum, text) => sum + (text?.length ?? 0), 0);
  return texts + batchBytes({ metadata: metadata ?? {} }) + (parents?.length ?? 0) * uuidBytes;
}

function batchBytes({ metadata }: Pick<Batch, "metadata">): number {
  return JSON.stringify(metadata).length;
}

import type { FeedEvent } from "../domain/feed-event.ts";
import type { CommitRow } from "../store/events.ts";
import { type Cursor, cursorAfter, indexIn, isSeen } from "./cursor.ts";
import { type EventFilter, selectFrom } from "./event-filter.ts";
import { beginningOf } from "./feed-place.ts";
import { fitting, messageBytesMax, placeIn, textBytes } from "./watch-item.ts";
import type { WatchSource } from "./watch-source.ts";

const commitsPerRead = 100;
/** How long, and over how many commits, a call that does not catch up with the feed goes on: what it has found by then is its answer, if it is nothing. */
const scanMaxMs = 1_000;
const scanCommitsMax = 100_000n;

/** A page of events, the place behind it, and whether there is more behind that which has not been looked at. */
export interface EventPage {
  readonly events: readonly FeedEvent[];
  readonly cursor: Cursor;
  readonly more: boolean;
}

/** Which page of events is asked for. */
export interface EventPageRequest {
  readonly from: Cursor | undefined;
  readonly size: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Reads a page of events after a cursor, or from the oldest that is kept; what was committed before the call among them. Waits up to `waitMs` for the first, but
 * looks at a bounded part of the feed: what lies far behind may take several calls, whose pages are empty. The answer's cursor is where the next page begins. Fails
 * with CURSOR_EXPIRED.
 */
export async function listEvents(
  source: WatchSource,
  filter: EventFilter,
  { from, size, waitMs, signal }: EventPageRequest,
): Promise<EventPage> {
  const deadline = Date.now() + waitMs;
  await source.feed.catchUp();
  const page = new Page(size, from ?? cursorAfter(await beginningOf(source.db, filter)));
  let scan = { from: page.cursor.seq, endMs: Date.now() + scanMaxMs };
  for (;;) {
    const before = page.cursor.seq;
    const options = { limit: commitsPerRead, waitMs: Math.max(deadline - Date.now(), 0), signal };
    const { commits, upTo, more } = await source.feed.search(before, filter, options);
    for (const commit of commits) if (!(await page.add(source, filter, commit))) return page.end(true);
    page.moveTo(upTo);
    const isOver = signal.aborted || (!more && (Date.now() >= deadline || source.feed.stopped));
    if (isOver || (!more && page.events.length > 0)) return page.end(more);
    if (!more) scan = { from: upTo, endMs: Date.now() + scanMaxMs };
    else if (Date.now() >= scan.endMs || upTo - scan.from >= scanCommitsMax) return page.end(true);
  }
}

/** Page is what has been found, in order, and the place up to which it was looked for. */
class Page {
  readonly events: FeedEvent[] = [];
  cursor: Cursor;
  readonly #size: number;
  #bytes = 0;

  constructor(size: number, from: Cursor) {
    this.#size = size;
    this.cursor = from;
  }

  /** Adds what is selected of a commit; false: it did not all fit. */
  async add(source: WatchSource, filter: EventFilter, commit: CommitRow): Promise<boolean> {
    if (!isSeen(this.cursor, commit.seq)) {
      for (let index = indexIn(this.cursor, commit); index < commit.types.length; ) {
        const { events, next } = await selectFrom(source, filter, commit, index);
        index = next;
        if (!this.#take(events, commit)) return false;
      }
    }
    this.moveTo(commit.seq);
    return true;
  }

  /** Says that everything up to a commit has been looked at. */
  moveTo(seq: bigint): void {
    if (seq > this.cursor.seq) this.cursor = cursorAfter(seq, this.cursor.seen);
  }

  end(more: boolean): EventPage {
    return { events: this.events, cursor: this.cursor, more };
  }

  #take(found: readonly FeedEvent[], commit: CommitRow): boolean {
    const part = fitting(found.slice(0, this.#size - this.events.length), {
      bytesMax: messageBytesMax - this.#bytes,
      atLeast: this.events.length > 0 ? 0 : 1,
      bytesOf: textBytes,
    });
    this.events.push(...part);
    this.#bytes += part.reduce((sum, event) => sum + textBytes(event), 0);
    const last = part.at(-1);
    if (last !== undefined) this.cursor = placeIn(commit, last.index + 1, this.cursor.seen);
    return part.length === found.length && this.events.length < this.#size;
  }
}

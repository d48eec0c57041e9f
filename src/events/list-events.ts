import type { FeedEvent } from "../domain/feed-event.ts";
import { type Cursor, cursorAfter, isSeen } from "./cursor.ts";
import { type EventFilter, selectFrom } from "./event-filter.ts";
import { beginningOf } from "./feed-place.ts";
import { fitting, messageBytesMax, placeIn, textBytes } from "./watch-item.ts";
import type { WatchSource } from "./watch-source.ts";

const commitsPerRead = 100;
/** A page that holds something is answered after so long, though more may follow. */
const scanMaxMs = 1_000;

/**
 * Reads a page of events after a cursor, or from the oldest that is kept; what was committed before the call among them. Waits up to `waitMs` for the first. The
 * answer's cursor is where the next page begins. Fails with CURSOR_EXPIRED.
 */
export async function listEvents(
  source: WatchSource,
  filter: EventFilter,
  page: {
    readonly from: Cursor | undefined;
    readonly size: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  },
): Promise<{ events: readonly FeedEvent[]; cursor: Cursor }> {
  const deadline = Date.now() + page.waitMs;
  const scanEnd = Date.now() + scanMaxMs;
  await source.feed.catchUp();
  const events: FeedEvent[] = [];
  let bytes = 0;
  let cursor = page.from ?? cursorAfter(await beginningOf(source.db, filter));
  while (!page.signal.aborted) {
    const waitMs = events.length > 0 ? 0 : Math.max(deadline - Date.now(), 0);
    const commits = await source.feed.next(cursor.seq, { limit: commitsPerRead, waitMs, signal: page.signal });
    for (const commit of commits) {
      for (let index = cursor.index; index < commit.types.length && !isSeen(cursor, commit.seq); ) {
        const { events: found, next } = await selectFrom(source, filter, commit, index);
        index = next;
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
    if (events.length > 0 && Date.now() >= scanEnd) break;
    if (commits.length === 0 && (events.length > 0 || Date.now() >= deadline || source.feed.stopped)) break;
  }
  return { events, cursor };
}

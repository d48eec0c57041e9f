import type { Sink } from "../lib/pushed-stream.ts";
import type { CommitRow } from "../store/events.ts";
import { type Cursor, cursorAfter, indexIn, isSeen } from "./cursor.ts";
import type { EventFilter } from "./event-filter.ts";
import { readSnapshot } from "./read-snapshot.ts";
import { type Selection, selectionOf } from "./selection.ts";
import type { WatchItem } from "./watch-item.ts";
import type { WatcherPlace, WatchSource } from "./watch-source.ts";

/** What somebody watches, and from where: a place, now, or the state as it stands. */
export interface WatchRequest {
  readonly filter: EventFilter;
  readonly from: Cursor | "now" | "snapshot";
}

const commitsPerRead = 100;

/**
 * Writes the snapshot that was asked for, then every change, in commit order, until `signal` is aborted, the stream is too old, or the feed stops; the last message
 * is a checkpoint with the place to resume from. It reads at the pace of its consumer: while that keeps up, together with all others who do.
 */
export function watchEvents(
  source: WatchSource,
  request: WatchRequest,
  { sink, signal }: { readonly sink: Sink<WatchItem>; readonly signal: AbortSignal },
): Promise<void> {
  return new Watcher(source, request, sink).run(signal);
}

class Watcher {
  readonly #source: WatchSource;
  readonly #request: WatchRequest;
  readonly #sink: Sink<WatchItem>;
  readonly #selection: Selection;
  readonly #end = (): void => {
    this.#isOver = true;
    this.#wake?.();
  };
  #isOver = false;
  /** Ends what it waits for. */
  #wake: (() => void) | undefined;
  #lastMessageMs = performance.now();
  readonly #place: WatcherPlace;

  constructor(source: WatchSource, request: WatchRequest, sink: Sink<WatchItem>) {
    this.#source = source;
    this.#request = request;
    this.#sink = sink;
    this.#selection = selectionOf(request.filter);
    this.#place = { seq: typeof request.from === "string" ? source.feed.settled : request.from.seq };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { ages, places } = this.#source;
    ages.add(this.#end);
    places.add(this.#place);
    signal.addEventListener("abort", this.#end, { once: true });
    if (signal.aborted) this.#end();
    try {
      let cursor = await this.#start();
      while (cursor !== undefined && !this.#isGone()) {
        cursor = await this.#readOn(cursor, signal);
        if (!this.#isGone()) cursor = await this.#keepUp(cursor);
      }
      if (cursor !== undefined) this.#sink.write([{ case: "checkpoint", cursor }]);
    } finally {
      ages.delete(this.#end);
      places.delete(this.#place);
      signal.removeEventListener("abort", this.#end);
    }
  }

  #isGone(): boolean {
    return this.#isOver || this.#source.feed.stopped;
  }

  /** The first place from which it can be resumed; undefined: it ended before. */
  async #start(): Promise<Cursor | undefined> {
    const { from, filter } = this.#request;
    if (from !== "snapshot") {
      const cursor = from === "now" ? await this.#source.currentCursor() : from;
      // The first message tells the place at once: from then on nothing can be missed.
      await this.#write([{ case: "checkpoint", cursor }]);
      return cursor;
    }
    for await (const item of readSnapshot(this.#source, filter)) {
      if (this.#isGone()) return undefined;
      await this.#write([item]);
      if (item.case === "snapshotDone") return item.cursor;
    }
    return undefined;
  }

  async #write(items: readonly WatchItem[]): Promise<void> {
    this.#lastMessageMs = performance.now();
    if (this.#sink.write(items) || this.#isOver) return;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      this.#sink.ready().then(resolve, reject);
    });
    this.#wake = undefined;
  }

  /**
   * Reads on its own until it has caught up; behind a snapshot, or with a place from another server that was further than this one, until the feed has settled what
   * was seen before its turn: the hub never is ahead of the feed. Answers its place.
   */
  async #readOn(from: Cursor, signal: AbortSignal): Promise<Cursor> {
    const { feed, checkpointMs } = this.#source;
    let cursor = from;
    while (!this.#isGone()) {
      this.#place.seq = cursor.seq;
      const untilDueMs = Math.max(this.#lastMessageMs + checkpointMs - performance.now(), 0);
      const isAlone = cursor.seen.length > 0 || cursor.seq > feed.settled;
      const waitMs = isAlone ? untilDueMs : 0;
      const options = { limit: commitsPerRead, waitMs, signal };
      const { commits, upTo, more } = await feed.search(cursor.seq, this.#request.filter, options);
      for (const commit of commits) {
        cursor = await this.#tell(commit, cursor);
        if (this.#isGone()) return cursor;
      }
      if (upTo > cursor.seq) cursor = cursorAfter(upTo, cursor.seen);
      if (performance.now() - this.#lastMessageMs >= checkpointMs) await this.#write([{ case: "checkpoint", cursor }]);
      if (!more && !isAlone) break;
    }
    return cursor;
  }

  /** Tells what is selected of a commit, and answers the place behind it, or where it was left. */
  async #tell(commit: CommitRow, from: Cursor): Promise<Cursor> {
    const { seen } = from;
    let cursor = from;
    for (let index = indexIn(from, commit); index < commit.types.length && !isSeen(from, commit.seq); ) {
      const { item, next } = await this.#source.selections.step(this.#selection, commit, index);
      if (this.#isGone()) return cursor;
      if (item !== undefined) {
        const own = seen.length === 0 ? item : { ...item, cursor: withSeen(item.cursor, seen) };
        cursor = own.cursor;
        await this.#write([own]);
      }
      index = next;
      if (this.#isGone() && index < commit.types.length) return cursor;
    }
    return cursorAfter(commit.seq, seen);
  }

  /** Is told with all others what comes, until it cannot take more, or is over. Answers its place. */
  async #keepUp(cursor: Cursor): Promise<Cursor> {
    const { hub, feed } = this.#source;
    const joined = await hub.join({ sink: this.#sink, selection: this.#selection }, cursor.seq);
    if (joined === undefined) {
      // Whatever it is that has to come first, it gets its turn.
      await new Promise((resolve) => setImmediate(resolve));
      return cursor;
    }
    this.#place.seq = undefined;
    this.#wake = () => joined.leave();
    if (this.#isGone()) joined.leave();
    const left = await joined.left;
    this.#place.seq = left.seq;
    this.#wake = undefined;
    this.#lastMessageMs = performance.now();
    if (!this.#isOver && !feed.stopped) await this.#untilReady();
    return left;
  }

  async #untilReady(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      this.#sink.ready().then(resolve, reject);
    });
    this.#wake = undefined;
  }
}

function withSeen(cursor: Cursor, seen: Cursor["seen"]): Cursor {
  return { ...cursor, seen: seen.filter((range) => range.last > cursor.seq) };
}

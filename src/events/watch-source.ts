import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import { visibleAfter } from "../store/events.ts";
import { type Cursor, cursorAfter, rangesOf } from "./cursor.ts";
import type { EventReader } from "./event-reader.ts";
import type { Feed } from "./feed.ts";
import { Selections } from "./selection.ts";
import { StreamAges } from "./stream-ages.ts";
import { WatchHub } from "./watch-hub.ts";

/** What a {@link WatchSource} is made of. */
export interface WatchSourceOptions {
  readonly db: Database;
  readonly dictionaries: Dictionaries;
  readonly feed: Feed;
  readonly reader: EventReader;
  /** A message at least this often, and up to a second later, so that proxies keep idle streams and resuming stays cheap. */
  readonly checkpointMs: number;
  readonly snapshotTasksMax: number;
  /** How old the next stream may become. */
  readonly streamAgeMs: () => number;
}

/** How far a watcher is that reads on its own. */
export interface WatcherPlace {
  /** undefined: it is carried together with the others. */
  seq: bigint | undefined;
}

/** How many watchers there are, and how far the slowest of them is behind what is settled. */
export interface WatchFigures {
  readonly together: number;
  readonly alone: number;
  readonly commitsBehind: number;
}

/** WatchSource is what watches read from: one for all of a server. */
export class WatchSource {
  readonly db: Database;
  readonly dictionaries: Dictionaries;
  readonly feed: Feed;
  readonly reader: EventReader;
  readonly checkpointMs: number;
  readonly snapshotTasksMax: number;
  readonly selections: Selections;
  readonly hub: WatchHub;
  readonly ages: StreamAges;
  /** Of each watcher. */
  readonly places = new Set<WatcherPlace>();
  #current: Promise<Cursor> | undefined;
  #next: Promise<Cursor> | undefined;

  constructor(options: WatchSourceOptions) {
    const { db, dictionaries, feed, reader, checkpointMs, snapshotTasksMax, streamAgeMs } = options;
    [this.db, this.dictionaries, this.feed, this.reader] = [db, dictionaries, feed, reader];
    [this.checkpointMs, this.snapshotTasksMax] = [checkpointMs, snapshotTasksMax];
    this.selections = new Selections({ db, reader });
    this.hub = new WatchHub({ feed, dictionaries, selections: this.selections, checkpointMs });
    this.ages = new StreamAges(streamAgeMs);
  }

  /** Where a watch without a cursor begins: behind everything that was committed before this call. All who ask while somebody is being answered are answered together. */
  currentCursor(): Promise<Cursor> {
    this.#next ??= (this.#current ?? Promise.resolve()).then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  /** What there is to tell of the watchers. */
  figures(): WatchFigures {
    let slowest = this.feed.settled;
    let alone = 0;
    for (const { seq } of this.places) {
      if (seq === undefined) continue;
      alone += 1;
      if (seq < slowest) slowest = seq;
    }
    if (this.hub.size > 0 && this.hub.seq < slowest) slowest = this.hub.seq;
    return { together: this.places.size - alone, alone, commitsBehind: Number(this.feed.settled - slowest) };
  }

  #begin(): Promise<Cursor> {
    const current = this.#readCurrent();
    [this.#current, this.#next] = [current, undefined];
    return current;
  }

  async #readCurrent(): Promise<Cursor> {
    // What is not settled has to be named in the cursor.
    await this.feed.catchUp();
    const { settled } = this.feed;
    return cursorAfter(settled, rangesOf(await visibleAfter(this.db, settled)));
  }
}

import { hash } from "node:crypto";
import type { FeedEvent } from "../domain/feed-event.ts";
import type { Database } from "../store/database.ts";
import type { CommitRow } from "../store/events.ts";
import { type EventFilter, mayMatch, selectFrom } from "./event-filter.ts";
import type { EventReader } from "./event-reader.ts";
import { fitting, messageBytesMax, placeIn, textBytes, type WatchItem } from "./watch-item.ts";

/** One message of what a filter selects of a commit, if there is any more, and the change before which the next one begins. */
export interface SelectionStep {
  readonly item: Extract<WatchItem, { case: "events" }> | undefined;
  readonly next: number;
}

const eventsPerMessageMax = 1000;
/** How much of what was selected lately is kept, and what an event takes beside its texts: as it was read, as a message and as bytes. */
const keptBytesMax = 32 * 1024 * 1024;
const keptStepsMax = 10_000;
const eventBytes = 1_500;
const stepBytes = 300;

/** Selection is a filter, the same object for all who have an equal one. */
export interface Selection {
  readonly filter: EventFilter;
  readonly key: string;
}

/** Selections reads what filters select, once for all whose filters are equal: they get the very same messages. */
export class Selections {
  readonly #source: { readonly db: Database; readonly reader: EventReader };
  readonly #kept = new Map<string, { readonly step: Promise<SelectionStep>; bytes: number }>();
  #keptBytes = 0;

  constructor(source: { readonly db: Database; readonly reader: EventReader }) {
    this.#source = source;
  }

  /** The next message of a commit from a change on. */
  step(selection: Selection, commit: CommitRow, from: number): Promise<SelectionStep> {
    if (!mayMatch(selection.filter, commit)) return Promise.resolve({ item: undefined, next: commit.types.length });
    const key = `${commit.seq} ${from} ${selection.key}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known.step;
    const entry = { step: this.#read(selection.filter, commit, from), bytes: stepBytes + key.length };
    this.#kept.set(key, entry);
    this.#keptBytes += entry.bytes;
    entry.step.then(
      ({ item }) => this.#weigh(key, entry, item?.events ?? []),
      () => this.#forget(key, entry),
    );
    return entry.step;
  }

  async #read(filter: EventFilter, commit: CommitRow, from: number): Promise<SelectionStep> {
    const bounds = { bytesMax: messageBytesMax, atLeast: 1, bytesOf: textBytes };
    let held: readonly FeedEvent[] = [];
    for (let index = from; index < commit.types.length; ) {
      const { events, next } = await selectFrom(this.#source, filter, commit, index);
      index = next;
      held = held.length === 0 ? events : [...held, ...events];
      const part = fitting(held.slice(0, eventsPerMessageMax), bounds);
      if (part.length === held.length) continue;
      const end = (part.at(-1)?.index ?? 0) + 1;
      return { item: { case: "events", cursor: placeIn(commit, end), events: part, more: true }, next: end };
    }
    const next = commit.types.length;
    if (held.length === 0) return { item: undefined, next };
    return { item: { case: "events", cursor: placeIn(commit, next), events: held, more: false }, next };
  }

  #weigh(
    key: string,
    entry: { readonly step: Promise<SelectionStep>; bytes: number },
    events: readonly FeedEvent[],
  ): void {
    if (this.#kept.get(key) !== entry) return;
    // Texts are kept as they were read, in a message and as bytes.
    const bytes = events.reduce((sum, event) => sum + eventBytes + 3 * textBytes(event), 0);
    entry.bytes += bytes;
    this.#keptBytes += bytes;
    for (const [oldest, { bytes: freed }] of this.#kept) {
      if (this.#keptBytes <= keptBytesMax && this.#kept.size <= keptStepsMax) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= freed;
    }
  }

  #forget(key: string, entry: { readonly bytes: number }): void {
    if (this.#kept.get(key) !== entry) return;
    this.#kept.delete(key);
    this.#keptBytes -= entry.bytes;
  }
}

/** Names a filter: equal ones have the same name. */
export function selectionOf(filter: EventFilter): Selection {
  const sorted = (items: ReadonlySet<bigint | number | string>): string[] => [...items].map(String).sort();
  const { batchIds, taskIds, kinds, statuses, metadata } = filter;
  const text = JSON.stringify([...[batchIds, taskIds, kinds, statuses].map(sorted), metadata ?? null]);
  return { filter, key: hash("sha256", text, "base64") };
}

import type { FeedEvent } from "../domain/feed-event.ts";
import type { Batch, Task } from "../domain/task.ts";
import type { RowNames } from "../queries/row-names.ts";
import type { CommitRow } from "../store/events.ts";
import { type Cursor, cursorAfter } from "./cursor.ts";

/** One message of a watch. The cursor is the place to resume from after it. Watchers share it: it is never changed. */
export type WatchItem =
  | {
      readonly case: "snapshot";
      readonly cursor: undefined;
      readonly tasks: readonly Task[];
      readonly batches: readonly Batch[];
      /** What the numbers of the tasks stand for. */
      readonly names: RowNames;
    }
  | { readonly case: "snapshotDone"; readonly cursor: Cursor }
  | { readonly case: "events"; readonly cursor: Cursor; readonly events: readonly FeedEvent[]; readonly more: boolean }
  | { readonly case: "checkpoint"; readonly cursor: Cursor };

/** Texts in one message, well below what gRPC clients accept; a single event may be larger. */
export const messageBytesMax = 2 * 1024 * 1024;

/** The place in a commit before the change with an index. */
export function placeIn(commit: CommitRow, index: number, seen: Cursor["seen"] = []): Cursor {
  return index < commit.types.length ? { seq: commit.seq - 1n, index, seen } : cursorAfter(commit.seq, seen);
}

/** The leading items that fit in a message, but at least so many. */
export function fitting<Item>(
  items: readonly Item[],
  bounds: { readonly bytesMax: number; readonly atLeast: number; readonly bytesOf: (item: Item) => number },
): readonly Item[] {
  let bytes = 0;
  const end = items.findIndex((item, n) => {
    bytes += bounds.bytesOf(item);
    return bytes > bounds.bytesMax && n >= bounds.atLeast;
  });
  return end === -1 ? items : items.slice(0, end);
}

/** What the texts of an event take in a message. */
export function textBytes({ result, created }: FeedEvent): number {
  const texts = [result?.output, result?.details, created?.key, created?.name];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ""), 0);
}

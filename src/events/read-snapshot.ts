import { MillpondError } from "../domain/errors.ts";
import type { Batch, Task } from "../domain/task.ts";
import { loadRowNames } from "../queries/row-names.ts";
import { visibleAfter } from "../store/events.ts";
import { snapshotBatches, snapshotTasks } from "../store/snapshot.ts";
import { cursorAfter, rangesOf } from "./cursor.ts";
import type { EventFilter } from "./event-filter.ts";
import { fitting, messageBytesMax, type WatchItem } from "./watch-item.ts";
import type { WatchSource } from "./watch-source.ts";

const rowsPerPartMax = 500;
/** What a dependency takes in a message. */
const uuidBytes = 44;

/**
 * Reads the current state of what a filter selects, in parts, and the place behind it: commits that the snapshot saw and that the feed has not settled yet are
 * named in the cursor, and left out of what follows. Fails with LIMIT_EXCEEDED where it is too large.
 */
export async function* readSnapshot(source: WatchSource, filter: EventFilter): AsyncGenerator<WatchItem> {
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
    const tasks = fitting(state.tasks.slice(t, t + rowsPerPartMax), { ...half, bytesOf: taskBytes });
    const batches = fitting(state.batches.slice(b, b + rowsPerPartMax), { ...half, bytesOf: batchBytes });
    t += tasks.length;
    b += batches.length;
    const names = await loadRowNames(source.dictionaries, tasks);
    yield { case: "snapshot", cursor: undefined, tasks, batches, names };
  }
  yield { case: "snapshotDone", cursor: cursorAfter(settled, rangesOf(state.seen)) };
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

function taskBytes({ metadata, spec, progress, details, parents }: Task): number {
  const texts = [spec, progress, details].reduce((sum, text) => sum + (text?.length ?? 0), 0);
  return texts + batchBytes({ metadata: metadata ?? {} }) + (parents?.length ?? 0) * uuidBytes;
}

function batchBytes({ metadata }: Pick<Batch, "metadata">): number {
  return JSON.stringify(metadata).length;
}

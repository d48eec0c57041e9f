import { type AttemptResult, ChangeType, type CreatedTask, type FeedEvent } from "../domain/feed-event.ts";
import type { Batch } from "../domain/task.ts";
import { getBatches } from "../store/batches.ts";
import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import { type CommitRow, eventAttempts, eventTasks } from "../store/events.ts";

/** How much of what was read lately is kept for other watchers, and what an event takes beside its output. */
const keptBytesMax = 32 * 1024 * 1024;
const eventBytes = 400;

/**
 * Reads what the numbers of a commit stand for. Watchers that keep up share one reading of each commit, whatever their number: what it reads
 * never changes after the commit, but for details of a batch, which are as of the time of reading.
 */
export class EventReader {
  readonly #db: Database;
  readonly #dictionaries: Dictionaries;
  /** What was read lately, oldest first, with its size. */
  readonly #read = new Map<CommitRow, { readonly events: Promise<readonly FeedEvent[]>; bytes: number }>();
  #readBytes = 0;

  constructor(db: Database, dictionaries: Dictionaries) {
    this.#db = db;
    this.#dictionaries = dictionaries;
  }

  /** The changes of a commit, in order. */
  events(commit: CommitRow): Promise<readonly FeedEvent[]> {
    const known = this.#read.get(commit);
    if (known !== undefined) return known.events;
    const entry = { events: this.#hydrate(commit), bytes: 0 };
    this.#read.set(commit, entry);
    entry.events.then(
      (events) => this.#keep(commit, entry, events),
      () => this.#read.delete(commit),
    );
    return entry.events;
  }

  #keep(
    commit: CommitRow,
    entry: { readonly events: Promise<readonly FeedEvent[]>; bytes: number },
    events: readonly FeedEvent[],
  ): void {
    entry.bytes = events.reduce(
      (sum, { result }) => sum + eventBytes + (result?.output?.length ?? 0) + (result?.details?.length ?? 0),
      0,
    );
    if (this.#read.get(commit) !== entry) return;
    this.#readBytes += entry.bytes;
    for (const [oldest, { bytes }] of this.#read) {
      if (this.#readBytes <= keptBytesMax || oldest === commit) return;
      this.#read.delete(oldest);
      this.#readBytes -= bytes;
    }
  }

  async #hydrate(commit: CommitRow): Promise<readonly FeedEvent[]> {
    const places = (type: number): number[] => commit.types.flatMap((each, n) => (each === type ? [n] : []));
    const [created, results, batches, workers] = await Promise.all([
      this.#created(commit, places(ChangeType.CREATED)),
      this.#results(commit, places(ChangeType.STATUS_WITH_ATTEMPT)),
      this.#batches(commit, places(ChangeType.BATCH)),
      this.#dictionaries.workerNames(commit.workers),
    ]);
    const kinds = new Map<number, string>([[0, ""]]);
    for (const queue of new Set(commit.queues))
      if (queue !== 0) kinds.set(queue, (await this.#dictionaries.queue(queue)).kind);
    return commit.types.map((type, index) => {
      const taskId = commit.task_ids[index] ?? 0n;
      const batchId = commit.batch_ids[index] ?? 0n;
      const attempt = commit.attempts[index] ?? 0;
      return {
        ...{ seq: commit.seq, index, time: commit.commit_time, batchId, taskId, type, attempt },
        ...{ from: commit.from_statuses[index] ?? 0, to: commit.to_statuses[index] ?? 0 },
        kind: kinds.get(commit.queues[index] ?? 0) ?? "",
        worker: workers.get(commit.workers[index] ?? 0) ?? "",
        created: type === ChangeType.CREATED ? created.get(taskId) : undefined,
        result: type === ChangeType.STATUS_WITH_ATTEMPT ? results.get(`${taskId} ${attempt}`) : undefined,
        counts:
          type === ChangeType.COUNTS
            ? { success: commit.success_counts?.[index] ?? 0n, failure: commit.failure_counts?.[index] ?? 0n }
            : undefined,
        batch: type === ChangeType.BATCH ? batches.get(batchId) : undefined,
      };
    });
  }

  async #created(commit: CommitRow, places: readonly number[]): Promise<Map<bigint, CreatedTask>> {
    if (places.length === 0) return new Map();
    const ids = places.map((place) => commit.task_ids[place] as bigint);
    return new Map((await eventTasks(this.#db, ids)).map((row) => [row.id, row]));
  }

  async #results(commit: CommitRow, places: readonly number[]): Promise<Map<string, AttemptResult>> {
    if (places.length === 0) return new Map();
    const ids = places.map((place) => commit.task_ids[place] as bigint);
    const attempts = places.map((place) => commit.attempts[place] as number);
    return new Map((await eventAttempts(this.#db, ids, attempts)).map((row) => [`${row.taskId} ${row.attempt}`, row]));
  }

  async #batches(commit: CommitRow, places: readonly number[]): Promise<Map<bigint, Batch>> {
    if (places.length === 0) return new Map();
    const ids = [...new Set(places.map((place) => commit.batch_ids[place] as bigint))];
    return new Map((await getBatches(this.#db, undefined, ids)).map((row) => [row.id, row]));
  }
}

import { type AttemptResult, ChangeType, type CreatedTask, type FeedEvent } from "../domain/feed-event.ts";
import type { Batch } from "../domain/task.ts";
import { getBatches } from "../store/batches.ts";
import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import { type CommitRow, eventAttempts, eventTasks } from "../store/events.ts";

/** How much of what was read lately is kept for other watchers, and what an event takes beside its output. */
const keptBytesMax = 32 * 1024 * 1024;
const eventBytes = 400;

/** How many changes of a commit are read at once: a commit may have hundreds of thousands. */
const windowSize = 1000;

/**
 * Reads what the numbers of a commit stand for, a window at a time. Watchers share one reading of each window, whatever their number: what it
 * reads never changes after the commit, but for details of a batch, which are as of the time of reading.
 */
export class EventReader {
  readonly #db: Database;
  readonly #dictionaries: Dictionaries;
  /** What was read lately, by commit and window, oldest first, with its size. */
  readonly #read = new Map<string, { readonly events: Promise<readonly FeedEvent[]>; bytes: number }>();
  readonly #kinds = new WeakMap<CommitRow, Promise<ReadonlyMap<number, string>>>();
  #readBytes = 0;

  constructor(db: Database, dictionaries: Dictionaries) {
    this.#db = db;
    this.#dictionaries = dictionaries;
  }

  /** The changes of a commit from a place on to the end of its window, in order; none behind the last. */
  async events(commit: CommitRow, fromIndex: number): Promise<readonly FeedEvent[]> {
    if (fromIndex >= commit.types.length) return [];
    const start = fromIndex - (fromIndex % windowSize);
    const events = await this.#window(commit, start);
    return fromIndex === start ? events : events.slice(fromIndex - start);
  }

  /** Of the queues of a commit's tasks those of some kinds. */
  async queuesOfKinds(commit: CommitRow, kinds: ReadonlySet<string>): Promise<ReadonlySet<number>> {
    let known = this.#kinds.get(commit);
    if (known === undefined) {
      known = this.#kindsOf(commit);
      this.#kinds.set(commit, known);
      known.catch(() => this.#kinds.delete(commit));
    }
    return new Set([...(await known)].flatMap(([queue, kind]) => (kinds.has(kind) ? [queue] : [])));
  }

  async #kindsOf(commit: CommitRow): Promise<ReadonlyMap<number, string>> {
    const kinds = new Map<number, string>();
    for (const queue of new Set(commit.queues))
      if (queue !== 0) kinds.set(queue, (await this.#dictionaries.queue(queue)).kind);
    return kinds;
  }

  #window(commit: CommitRow, start: number): Promise<readonly FeedEvent[]> {
    const key = `${commit.seq} ${start}`;
    const known = this.#read.get(key);
    if (known !== undefined) return known.events;
    const entry = { events: this.#hydrate(windowOf(commit, start), start), bytes: 0 };
    this.#read.set(key, entry);
    entry.events.then(
      (events) => this.#keep(key, entry, events),
      () => this.#read.delete(key),
    );
    return entry.events;
  }

  #keep(
    key: string,
    entry: { readonly events: Promise<readonly FeedEvent[]>; bytes: number },
    events: readonly FeedEvent[],
  ): void {
    entry.bytes = events.reduce(
      (sum, { result }) => sum + eventBytes + (result?.output?.length ?? 0) + (result?.details?.length ?? 0),
      0,
    );
    if (this.#read.get(key) !== entry) return;
    this.#readBytes += entry.bytes;
    for (const [oldest, { bytes }] of this.#read) {
      if (this.#readBytes <= keptBytesMax || oldest === key) return;
      this.#read.delete(oldest);
      this.#readBytes -= bytes;
    }
  }

  async #hydrate(commit: CommitRow, start: number): Promise<readonly FeedEvent[]> {
    const places = (type: number): number[] => commit.types.flatMap((each, n) => (each === type ? [n] : []));
    const [created, results, batches, workers] = await Promise.all([
      this.#created(commit, places(ChangeType.CREATED)),
      this.#results(commit, [...places(ChangeType.STATUS_WITH_ATTEMPT), ...places(ChangeType.STATUS_OUTSIDE)]),
      this.#batches(commit, places(ChangeType.BATCH)),
      this.#dictionaries.workerNames(commit.workers.filter((_, n) => hasWorker(commit, n))),
    ]);
    const kinds = await this.#kindsOf(commit);
    return commit.types.map((type, n) => {
      const taskId = commit.task_ids[n] ?? 0n;
      const batchId = commit.batch_ids[n] ?? 0n;
      const attempt = commit.attempts[n] ?? 0;
      return {
        ...{ seq: commit.seq, index: start + n, time: commit.commit_time, batchId, taskId, type, attempt },
        ...{ from: commit.from_statuses[n] ?? 0, to: commit.to_statuses[n] ?? 0 },
        kind: kinds.get(commit.queues[n] ?? 0) ?? "",
        worker: hasWorker(commit, n) ? (workers.get(commit.workers[n] ?? 0) ?? "") : "",
        created: type === ChangeType.CREATED ? created.get(taskId) : undefined,
        result: results.get(`${taskId} ${attemptRow(commit, n)}`),
        counts:
          type === ChangeType.COUNTS
            ? { success: commit.success_counts?.[n] ?? 0n, failure: commit.failure_counts?.[n] ?? 0n }
            : undefined,
        batch: type === ChangeType.BATCH ? batches.get(batchId) : undefined,
        fields: type === ChangeType.UPDATED ? (commit.workers[n] ?? 0) : 0,
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
    const attempts = places.map((place) => attemptRow(commit, place) as number);
    return new Map((await eventAttempts(this.#db, ids, attempts)).map((row) => [`${row.taskId} ${row.attempt}`, row]));
  }

  async #batches(commit: CommitRow, places: readonly number[]): Promise<Map<bigint, Batch>> {
    if (places.length === 0) return new Map();
    const ids = [...new Set(places.map((place) => commit.batch_ids[place] as bigint))];
    return new Map((await getBatches(this.#db, undefined, ids)).map((row) => [row.id, row]));
  }
}

/** Which row of task_attempt tells more of a change; none does of most. */
function attemptRow(commit: CommitRow, place: number): number | undefined {
  const type = commit.types[place];
  if (type === ChangeType.STATUS_WITH_ATTEMPT) return commit.attempts[place];
  return type === ChangeType.STATUS_OUTSIDE ? -(commit.workers[place] ?? 0) : undefined;
}

function hasWorker(commit: CommitRow, place: number): boolean {
  const type = commit.types[place];
  return type !== ChangeType.STATUS_OUTSIDE && type !== ChangeType.UPDATED;
}

/** The changes of a commit in one window, as a commit. */
function windowOf(commit: CommitRow, start: number): CommitRow {
  if (commit.types.length <= windowSize) return commit;
  const cut = <Item>(items: readonly Item[]): readonly Item[] => items.slice(start, start + windowSize);
  return {
    ...{ seq: commit.seq, commit_time: commit.commit_time, types: cut(commit.types) },
    ...{ batch_ids: cut(commit.batch_ids), task_ids: cut(commit.task_ids), attempts: cut(commit.attempts) },
    ...{ from_statuses: cut(commit.from_statuses), to_statuses: cut(commit.to_statuses) },
    ...{ queues: cut(commit.queues), workers: cut(commit.workers) },
    success_counts: commit.success_counts && cut(commit.success_counts),
    failure_counts: commit.failure_counts && cut(commit.failure_counts),
  };
}

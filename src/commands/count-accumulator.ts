import { MillpondError } from "../domain/errors.ts";
import { wait } from "../lib/wait.ts";
import { type AddedCounts, countRefusal, type NewCounts, type RefusedCounts } from "../store/counts.ts";
import { CountMerge, type CountMergeBounds, type CountMessage, type CountStream } from "./count-merge.ts";

/** What became of counts that are durable now. */
export type CountOutcome =
  /** `refused` is of all that was written together. */
  | { readonly case: "added"; readonly refused: RefusedCounts }
  /** They were counted before; of a producer, with all up to a number. */
  | { readonly case: "repeated"; readonly last: bigint };

/** What of a flush is counted. */
export interface CountFlush {
  readonly tasks: number;
  readonly items: number;
  readonly refusedItems: number;
}

/** What a {@link CountAccumulator} is made of. */
export interface CountAccumulatorOptions {
  readonly write: (counts: NewCounts) => Promise<AddedCounts>;
  /** Whether a write that failed so is tried again in halves, until the message that is to blame fails alone: nothing of it has been written. */
  readonly isOneToBlame: (error: unknown) => boolean;
  /** How many items may wait; beyond it streams are not read, and calls are refused. Each stream may be one message over. */
  readonly itemsMax: number;
  /** How much is written at once. */
  readonly flush: CountMergeBounds;
  /** How long it waits before it writes again what could not be written because the database was away. */
  readonly retryMs: number;
  readonly onFlush: (flush: CountFlush) => void;
  /** Told of each write that failed and whose messages wait to be written again. */
  readonly onRetry: (error: unknown) => void;
}

interface Entry extends CountMessage {
  readonly resolve: (outcome: CountOutcome) => void;
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
}

/**
 * CountAccumulator merges counts that come while a write is in flight, of all streams and calls, into the next one: one row version per task and write.
 * One write is in flight, as the messages of a producer must be written in their order, without a gap. What it holds is bounded: who finds no room waits.
 *
 *     waits ──► in a write ──► added, or found to be in already
 *       ▲            │ the database is away: messages of streams wait again, calls fail
 *       └────────────┘
 */
export class CountAccumulator {
  readonly #options: CountAccumulatorOptions;
  readonly #stop = new AbortController();
  #waiting: Entry[] = [];
  #items = 0;
  #running: Promise<void> | undefined;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(options: CountAccumulatorOptions) {
    this.#options = options;
  }

  /** How many items wait to be written, or are being written. */
  get items(): number {
    return this.#items;
  }

  /** Resolves when there is room again; undefined: there is. */
  room(): Promise<void> | undefined {
    if (this.#items < this.#options.itemsMax) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Adds counts; answers when they are durable. Calls fail with STORE_UNAVAILABLE and LIMIT_EXCEEDED. */
  submit(message: CountMessage): Promise<CountOutcome> {
    if (this.#stop.signal.aborted) return Promise.reject(stopping());
    if (message.producer?.stream.isOver === true) return Promise.reject(streamOver());
    if (message.producer === undefined && this.room() !== undefined) return Promise.reject(this.#tooMany());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...message, resolve, reject, isSettled: false });
      this.#items += message.counts.ids.length;
      this.#running ??= this.#run();
    });
  }

  /** Lets go of what a stream has submitted and is not being written: whoever has sent it will send it again. */
  forget(stream: CountStream): void {
    stream.isOver = true;
    const left = this.#waiting.filter((entry) => entry.producer?.stream !== stream);
    if (left.length === this.#waiting.length) return;
    const gone = this.#waiting.filter((entry) => entry.producer?.stream === stream);
    this.#waiting = left;
    for (const entry of gone) this.#fail(entry, streamOver());
  }

  /** Ends after the write that is in flight. What waits fails with STORE_UNAVAILABLE. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What comes in the same turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0 && !this.#stop.signal.aborted) {
      const merge = this.#take();
      try {
        await this.#flush(merge);
      } catch (error) {
        const left = merge.messages.filter((entry) => !entry.isSettled);
        const isAway = error instanceof MillpondError && error.reason === "STORE_UNAVAILABLE";
        for (const entry of left) if (!isAway || entry.producer === undefined) this.#fail(entry, error);
        const again = left.filter((entry) => !entry.isSettled && !this.#dropOver(entry));
        this.#waiting = [...again, ...this.#waiting];
        if (again.length > 0) this.#options.onRetry(error);
        if (isAway) await wait(this.#options.retryMs, this.#stop.signal);
      }
    }
    for (const entry of this.#waiting.splice(0)) this.#fail(entry, stopping());
    this.#running = undefined;
  }

  /** Takes what is written next, in the order in which it came. */
  #take(): CountMerge<Entry> {
    const merge = new CountMerge<Entry>(this.#options.flush);
    let count = 0;
    while (count < this.#waiting.length && merge.add(this.#waiting[count] as Entry)) count += 1;
    this.#waiting.splice(0, count);
    return merge;
  }

  async #flush(merge: CountMerge<Entry>): Promise<void> {
    for (let left = merge; left.messages.length > 0; ) {
      const counts = left.counts();
      let added: AddedCounts;
      try {
        added = await this.#options.write(counts);
      } catch (error) {
        if (!this.#options.isOneToBlame(error)) throw error;
        await this.#flushApart(left.messages, error);
        return;
      }
      if (added.case === "added") {
        this.#settleAdded(left, counts, added.refused);
        return;
      }
      left = merged(left.messages.filter((entry) => !this.#settleRepeated(entry, added)));
    }
  }

  /** Finds what is to blame for a write that failed, by writing halves of it, and refuses that. */
  async #flushApart(entries: readonly Entry[], error: unknown): Promise<void> {
    const [entry] = entries;
    if (entries.length > 1) {
      const half = Math.ceil(entries.length / 2);
      for (const part of [entries.slice(0, half), entries.slice(half)])
        await this.#flush(merged(part.filter((each) => !this.#dropOver(each))));
    } else if (entry !== undefined && error instanceof MillpondError && error.reason === "INVALID_FIELD") {
      // The counters of its batch would be beyond 64 bits. That it is refused is its answer, for ever: its number is kept.
      const merge = merged([entry]);
      const counts = merge.counts();
      const added = await this.#options.write({ ...counts, ids: [], successes: [], failures: [] });
      const refused = new Map(counts.ids.map((id) => [id, countRefusal.beyond64Bits]));
      if (added.case === "added") this.#settleAdded(merge, counts, refused);
      else this.#settleRepeated(entry, added);
    } else if (entry !== undefined) this.#fail(entry, error);
  }

  #settleAdded(merge: CountMerge<Entry>, { beyond, ids }: MergedCounts, refused: RefusedCounts): void {
    const all = new Map(refused);
    for (const id of beyond) all.set(id, countRefusal.beyond64Bits);
    let [items, refusedItems] = [0, 0];
    for (const entry of merge.messages) {
      const last = merge.repeats.get(entry);
      if (last === undefined) {
        items += entry.counts.ids.length;
        if (all.size > 0) for (const id of entry.counts.ids) if (all.has(id)) refusedItems += 1;
      }
      this.#settle(entry);
      entry.resolve(last === undefined ? { case: "added", refused: all } : { case: "repeated", last });
    }
    this.#options.onFlush({ tasks: ids.length, items, refusedItems });
  }

  #settleRepeated(entry: Entry, found: Extract<AddedCounts, { case: "repeated" }>): boolean {
    const { producer, request } = entry;
    const last = producer === undefined ? undefined : found.producers.get(producer.id);
    const isRepeated = producer === undefined ? false : last !== undefined && producer.sequence <= last;
    if (!isRepeated && (request === undefined || !found.requestIds.has(request.requestId))) return false;
    this.#settle(entry);
    entry.resolve({ case: "repeated", last: last ?? 0n });
    return true;
  }

  /** Lets go of an entry of a stream that is over. */
  #dropOver(entry: Entry): boolean {
    if (entry.producer?.stream.isOver !== true) return false;
    this.#fail(entry, streamOver());
    return true;
  }

  #fail(entry: Entry, error: unknown): void {
    if (entry.isSettled) return;
    // What follows in its stream must not be written before it.
    if (entry.producer !== undefined) entry.producer.stream.isOver = true;
    this.#settle(entry);
    entry.reject(error);
  }

  #settle(entry: Entry): void {
    entry.isSettled = true;
    this.#items -= entry.counts.ids.length;
    if (this.#items >= this.#options.itemsMax) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  #tooMany(): MillpondError {
    const { itemsMax } = this.#options;
    const message = `${itemsMax} counts wait to be written already (MILLPOND_COUNTS_WAITING_MAX); try again later`;
    return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(itemsMax) }, retryDelayMs: 1_000 });
  }
}

type MergedCounts = ReturnType<CountMerge<Entry>["counts"]>;

/** What is left of a write that is tried again. */
function merged(entries: readonly Entry[]): CountMerge<Entry> {
  const merge = new CountMerge<Entry>({ tasksMax: Number.POSITIVE_INFINITY, itemsMax: Number.POSITIVE_INFINITY });
  for (const entry of entries) merge.add(entry);
  return merge;
}

function stopping(): MillpondError {
  return new MillpondError("STORE_UNAVAILABLE", "the server is stopping; send the counts again", {
    retryDelayMs: 1_000,
  });
}

function streamOver(): MillpondError {
  return new MillpondError("STORE_UNAVAILABLE", "the stream is over; send again what was not acknowledged");
}

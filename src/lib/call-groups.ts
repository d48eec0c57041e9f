/** A group of items that are handled together: `add` takes an item, or refuses it for this group, where it would be too much or does not go with the others. */
export interface Group<Item> {
  add(item: Item): boolean;
}

/** Failure is the result of an item of a group that failed alone. */
export class Failure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** What came of some work: its result, or a {@link Failure}. */
export function failureOf<Result>(work: Promise<Result>): Promise<Result | Failure> {
  return work.catch((error: unknown) => new Failure(error));
}

/** What a {@link CallGroups} does and its bounds. */
export interface CallGroupsOptions<Item, Result> {
  /** Handles items by one call and answers a result for each, in their order. Where it rejects, none of them has been handled, or it is not known whether. */
  readonly run: (items: readonly Item[]) => Promise<readonly (Result | Failure)[]>;
  /** Begins a group; the first item of a group is never refused. */
  readonly begin: () => Group<Item>;
  /** How many calls are in flight at once, beside slow ones. */
  readonly inFlightMax: number;
  /** After so long a call counts as slow: others go on without it. */
  readonly patienceMs: number;
  /** How many slow calls others go on without. */
  readonly slowMax: number;
  /** How many items may wait; more are refused with `overflow()`. */
  readonly waitingMax: number;
  readonly overflow: () => Error;
  /** Whether the items of a group that failed so are tried again in halves, until the one that is to blame fails alone: none of them has been handled. */
  readonly isOneToBlame: (error: unknown) => boolean;
  /** For how many turns of the event loop a group waits for what goes with it, unless one that was in flight ends before. Default 1: the turn in which it began. */
  readonly turns?: number;
  /**
   * Where so many wait, each of the calls that are free takes the same part of them, not the first one all: callers who wait for an answer before they ask again would else
   * all wait for the same call, with the others idle. Undefined: a group takes whatever waits.
   */
  readonly shareFrom?: number;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * CallGroups merges what is asked for while a call is in flight into the next one; of writes, that is group commit (DeWitt et al., "Implementation Techniques
 * for Main Memory Database Systems", 1984). There is no timer: a group is whatever came meanwhile, or in the same turn of the event loop (or `turns` of them). Each caller is
 * answered on its own.
 */
export class CallGroups<Item, Result> {
  readonly #options: CallGroupsOptions<Item, Result>;
  #waiting: Entry<Item, Result>[] = [];
  #inFlight = 0;
  #slow = 0;
  #isScheduled = false;

  constructor(options: CallGroupsOptions<Item, Result>) {
    this.#options = options;
  }

  /** How many items wait for a group. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Handles an item together with others that are asked for at the same time. */
  submit(item: Item): Promise<Result> {
    if (this.#waiting.length >= this.#options.waitingMax) return Promise.reject(this.#options.overflow());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isScheduled || this.#inFlight >= this.#options.inFlightMax) return;
      this.#isScheduled = true;
      this.#runAfter(this.#options.turns ?? 1);
    });
  }

  #runAfter(turns: number): void {
    setImmediate(() => {
      if (turns > 1) return this.#runAfter(turns - 1);
      this.#isScheduled = false;
      this.#runNext();
    });
  }

  #runNext(): void {
    while (this.#inFlight < this.#options.inFlightMax && this.#waiting.length > 0) void this.#runGroup(this.#take());
  }

  /** Runs a group. One that takes long makes room for another one, while few do. */
  async #runGroup(entries: readonly Entry<Item, Result>[]): Promise<void> {
    let isSlow = false;
    this.#inFlight += 1;
    const timer = setTimeout(() => {
      if (this.#slow >= this.#options.slowMax) return;
      isSlow = true;
      this.#slow += 1;
      this.#inFlight -= 1;
      this.#runNext();
    }, this.#options.patienceMs);
    await this.#run(entries);
    clearTimeout(timer);
    if (isSlow) this.#slow -= 1;
    else this.#inFlight -= 1;
    this.#runNext();
  }

  /** How many of those that wait the next group may take. */
  #share(): number {
    const waiting = this.#waiting.length;
    if (waiting < (this.#options.shareFrom ?? Number.POSITIVE_INFINITY)) return waiting;
    return Math.ceil(waiting / (this.#options.inFlightMax - this.#inFlight));
  }

  #take(): Entry<Item, Result>[] {
    const group = this.#options.begin();
    const most = this.#share();
    let count = 0;
    while (count < most && (group.add((this.#waiting[count] as Entry<Item, Result>).item) || count === 0)) count += 1;
    return this.#waiting.splice(0, count);
  }

  async #run(entries: readonly Entry<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(entries.map((entry) => entry.item));
      for (const [n, entry] of entries.entries()) {
        const result = results[n];
        if (result instanceof Failure) entry.reject(result.error);
        else entry.resolve(result as Result);
      }
    } catch (error) {
      if (entries.length > 1 && this.#options.isOneToBlame(error)) {
        const half = Math.ceil(entries.length / 2);
        await this.#run(entries.slice(0, half));
        await this.#run(entries.slice(half));
      } else {
        for (const entry of entries) entry.reject(error);
      }
    }
  }
}

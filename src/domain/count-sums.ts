/** What is to be added to counters: arrays of equal length, in the order of the caller. A task may come more than once. */
export interface Counts {
  readonly ids: BigInt64Array;
  readonly successes: BigInt64Array;
  readonly failures: BigInt64Array;
}

/** The id that no task has: what stands for one that cannot be read. */
export const noTask = 0n;

/** The largest number that a counter holds. */
export const countMax = 2n ** 63n - 1n;

interface Sum {
  success: bigint;
  failure: bigint;
}

/** CountSums adds up what is to be added to each task. */
export class CountSums {
  readonly #sums = new Map<bigint, Sum>();

  /** How many tasks there are. */
  get tasks(): number {
    return this.#sums.size;
  }

  /** Adds counts. */
  add({ ids, successes, failures }: Counts): void {
    for (let n = 0; n < ids.length; n += 1) {
      const id = ids[n] as bigint;
      const success = successes[n] as bigint;
      const failure = failures[n] as bigint;
      const sum = this.#sums.get(id);
      if (sum === undefined) {
        this.#sums.set(id, { success, failure });
        continue;
      }
      if (success !== 0n) sum.success += success;
      if (failure !== 0n) sum.failure += failure;
    }
  }

  /** The tasks in the order of ids with their sums, without those whose sum no counter can hold: these are `beyond`. */
  columns(): { ids: bigint[]; successes: bigint[]; failures: bigint[]; beyond: bigint[] } {
    const columns = {
      ids: [] as bigint[],
      successes: [] as bigint[],
      failures: [] as bigint[],
      beyond: [] as bigint[],
    };
    for (const id of BigInt64Array.from(this.#sums.keys()).sort()) {
      const { success, failure } = this.#sums.get(id) as Sum;
      if (success > countMax || failure > countMax) {
        columns.beyond.push(id);
        continue;
      }
      columns.ids.push(id);
      columns.successes.push(success);
      columns.failures.push(failure);
    }
    return columns;
  }
}

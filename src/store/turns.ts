/** How many sets of queues are remembered. */
const setsMax = 10_000;

/** Turns remembers where the last claim from each set of queues stopped. A server that starts begins with whoever comes first. */
export class Turns {
  readonly #last = new Map<string, unknown>();

  /** Where the last claim from these queues stopped, as the database has put it; null: there was none, or nobody takes turns there. */
  of(queues: readonly number[]): unknown {
    return this.#last.get(queues.join()) ?? null;
  }

  /** Notes where a claim stopped; null: nobody takes turns. */
  note(queues: readonly number[], turns: unknown): void {
    const key = queues.join();
    this.#last.delete(key);
    if (turns === null) return;
    this.#last.set(key, turns);
    if (this.#last.size > setsMax) this.#last.delete(this.#last.keys().next().value as string);
  }
}

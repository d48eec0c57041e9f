const tickMs = 1_000;

/** StreamAges ends streams that have become too old: one timer for all of them, which says so up to a second late. */
export class StreamAges {
  readonly #ageMs: () => number;
  readonly #ends = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;

  /** @param ageMs how old the next stream may become; drawn anew for each, so that those that began together do not end together */
  constructor(ageMs: () => number) {
    this.#ageMs = ageMs;
  }

  /** How many streams there are. */
  get size(): number {
    return this.#ends.size;
  }

  /** Has something called once its stream is too old, until it is deleted. */
  add(end: () => void): void {
    this.#ends.set(end, performance.now() + this.#ageMs());
    this.#timer ??= setInterval(() => this.#tick(), tickMs).unref();
  }

  /** Lets go of a stream. */
  delete(end: () => void): void {
    this.#ends.delete(end);
    if (this.#ends.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const [end, endMs] of this.#ends) if (endMs <= nowMs) end();
  }
}

const bucketsPerMs = 10;
const msMax = 120_000;

/** Histogram keeps times of milliseconds to a tenth, however many. What is longer than two minutes counts as two minutes. */
export class Histogram {
  readonly #buckets = new Float64Array(msMax * bucketsPerMs + 1);
  #size = 0;

  add(ms: number): void {
    const bucket = Math.min(Math.max(Math.round(ms * bucketsPerMs), 0), msMax * bucketsPerMs);
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.#size++;
  }

  /** The smallest time that at least a share (0 to 1) of all do not exceed. */
  percentile(share: number): number {
    if (this.#size === 0) throw new RangeError("there is no percentile of no samples");
    let left = Math.max(1, Math.ceil(share * this.#size));
    const bucket = this.#buckets.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return bucket / bucketsPerMs;
  }
}

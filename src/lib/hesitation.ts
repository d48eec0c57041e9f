/** How many are passed over at most before the next one asks. */
const passedOverMax = 63;

/**
 * Hesitation asks less often for what is refused each time: at once after the first refusal, then every second time, every fourth, and so on, up to every
 * 64th. What is granted is asked for each time again.
 */
export class Hesitation {
  #afterNext = 0;
  #toPassOver = 0;

  /** Whether to ask this time. */
  asks(): boolean {
    if (this.#toPassOver === 0) return true;
    this.#toPassOver -= 1;
    return false;
  }

  /** Notes that it was refused. */
  refused(): void {
    this.#toPassOver = this.#afterNext;
    this.#afterNext = Math.min(2 * this.#afterNext + 1, passedOverMax);
  }

  /** Notes that it was granted. */
  granted(): void {
    this.#afterNext = 0;
    this.#toPassOver = 0;
  }
}

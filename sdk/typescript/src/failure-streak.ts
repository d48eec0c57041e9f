/** The longest delay before a stream is made anew; a stream that has lived for so long has not failed at once. */
const livedMs = 5_000;

/**
 * FailureStreak counts the failures in a row of a stream that is made anew whenever it ends. That the server has welcomed one ends no streak: a server that welcomes each
 * and breaks it at once would be called again without a pause. What the stream is for ends it, or that the stream has gone on for 5 s after its welcome.
 */
export class FailureStreak {
  readonly #nowMs: () => number;
  #failures = 0;
  #welcomedAtMs: number | undefined;

  /** `nowMs` is a monotonic clock. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Says that the server has spoken. */
  welcomed(): void {
    this.#welcomedAtMs ??= this.#nowMs();
  }

  /** Says that the stream has brought what it is for. */
  progressed(): void {
    this.#failures = 0;
  }

  /** Says that the stream has ended, and answers the number of failures in a row, from 1. */
  ended(): number {
    if (this.#welcomedAtMs !== undefined && this.#nowMs() - this.#welcomedAtMs >= livedMs) this.#failures = 0;
    this.#welcomedAtMs = undefined;
    this.#failures += 1;
    return this.#failures;
  }
}

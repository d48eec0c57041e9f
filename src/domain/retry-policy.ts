/** RetryPolicy is how failed attempts are repeated, with every default filled in. `mp_retry_delay` has its formula. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly multiplier: number;
  readonly incrementMs: number;
  readonly maxBackoffMs: number;
  /** The share of a delay that is drawn at random, from 0 to 1. */
  readonly jitter: number;
  /** The causes that are repeated, ascending; none: every one but DEPENDENCY and TOTAL_TIMEOUT. */
  readonly causes: readonly number[];
  /** Sorted. */
  readonly nonRetryableCodes: readonly string[];
}

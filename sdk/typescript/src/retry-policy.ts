/** RetryPolicyOptions bounds the repeats of one call. */
export interface RetryPolicyOptions {
  /** How often the call is made at most, the first time included. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** The ceiling of the first delay; it doubles from repeat to repeat. Default 100. */
  readonly initialBackoffMs?: number | undefined;
  /** The ceiling of every delay that the server has not asked for. Default 5,000. */
  readonly maxBackoffMs?: number | undefined;
  /** The longest delay asked for by the server that is waited for; beyond it the call fails. Default 30,000. */
  readonly maxRequestedDelayMs?: number | undefined;
}

/** RetryPolicy is {@link RetryPolicyOptions} with every default filled in. */
export type RetryPolicy = { readonly [Name in keyof RetryPolicyOptions]-?: number };

/** retryPolicy fills in the defaults. */
export function retryPolicy(options: RetryPolicyOptions = {}): RetryPolicy {
  return {
    maxAttempts: options.maxAttempts ?? 5,
    initialBackoffMs: options.initialBackoffMs ?? 100,
    maxBackoffMs: options.maxBackoffMs ?? 5_000,
    maxRequestedDelayMs: options.maxRequestedDelayMs ?? 30_000,
  };
}

/**
 * backoffMs draws the delay after the n-th failure in a row (n from 1): uniform between 0 and a ceiling that doubles up
 * to a maximum ("full jitter", M. Brooker, "Exponential Backoff And Jitter", 2015), so that clients which failed
 * together do not come back together.
 */
export function backoffMs(policy: Pick<RetryPolicy, "initialBackoffMs" | "maxBackoffMs">, failures: number): number {
  const ceilingMs = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** Math.min(failures - 1, 30));
  return Math.random() * ceilingMs;
}

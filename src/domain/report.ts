/** What a report says. The numbers are those of the database function that takes them. */
export const ReportAction = { STARTED: 1, HEARTBEAT: 2, SUCCESS: 3, FAILURE: 4 } as const;

/** A report of an executor on an attempt. JSON parts are texts. */
export interface Report {
  readonly id: bigint;
  /** 0: whatever the current attempt is. */
  readonly attempt: number;
  readonly action: number;
  readonly output: string | null;
  readonly cause: number | null;
  readonly message: string | null;
  readonly code: string | null;
  readonly details: string | null;
  readonly progress: string | null;
  readonly successCount: bigint;
  readonly failureCount: bigint;
  /** A failure that no policy repeats. */
  readonly nonRetryable: boolean;
  /** The delay before the next attempt, instead of the policy's. */
  readonly retryDelayMs: number | null;
  /** What to call if the attempt is canceled or times out: a Webhook as ProtoJSON. */
  readonly cancelWebhook: string | null;
}

/** What a report says beside its attempt and action, where it says nothing else. */
export const plainReport = {
  ...{ output: null, cause: null, message: null, code: null, details: null, progress: null },
  ...{ successCount: 0n, failureCount: 0n, nonRetryable: false, retryDelayMs: null, cancelWebhook: null },
} as const satisfies Partial<Report>;

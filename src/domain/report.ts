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
}

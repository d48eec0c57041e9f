import type { Batch, Micros } from "./task.ts";

/**
 * What kind of change an entry of the feed is. The numbers are those of the tables. STATUS_WITH_ATTEMPT: the row of the attempt in task_attempt holds more.
 * STATUS_OUTSIDE: a task ended while no attempt of it was under way; row -n of task_attempt holds more, where n stands in the place of the worker. UPDATED:
 * the bits of the fields stand there.
 */
export const ChangeType = {
  CREATED: 1,
  STATUS: 2,
  STATUS_WITH_ATTEMPT: 3,
  COUNTS: 4,
  BATCH: 5,
  UPDATED: 6,
  STATUS_OUTSIDE: 7,
} as const;

/** What a creation tells of its task. */
export interface CreatedTask {
  readonly id: bigint;
  readonly key: string | null;
  readonly name: string;
  readonly parentCount: number;
  readonly priority: number;
}

/** What an ended attempt left. JSON parts are texts. */
export interface AttemptResult {
  readonly taskId: bigint;
  readonly attempt: number;
  readonly status: number | null;
  readonly cause: number | null;
  readonly culprit: bigint | null;
  readonly message: string | null;
  readonly code: string | null;
  readonly details: string | null;
  readonly output: string | null;
}

/** A change of the feed with all that a client learns of it. */
export interface FeedEvent {
  readonly seq: bigint;
  readonly index: number;
  readonly time: Micros;
  readonly batchId: bigint;
  /** 0n for a change of the batch itself. */
  readonly taskId: bigint;
  readonly type: number;
  readonly from: number;
  readonly to: number;
  readonly attempt: number;
  readonly kind: string;
  readonly worker: string;
  readonly created: CreatedTask | undefined;
  readonly result: AttemptResult | undefined;
  readonly counts: { readonly success: bigint; readonly failure: bigint } | undefined;
  readonly batch: Pick<Batch, "stopReason" | "open"> | undefined;
  /** The bits of the fields that a call has changed; 0 for other changes. */
  readonly fields: number;
}

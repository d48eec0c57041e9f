import type { Micros } from "./task.ts";

/** What a delivery tells of. The numbers are those of the API and of the tables. */
export const DeliveryTrigger = { SUCCESS: 1, FAILURE: 2, CANCELED: 3, BATCH_COMPLETE: 4, STOP: 5 } as const;

/** Where a delivery stands. The numbers are those of the API and of the tables. */
export const DeliveryState = { PENDING: 1, DELIVERED: 2, EXHAUSTED: 3 } as const;

/** Stands among the ready queues of a commit for "it has written deliveries": no queue has this id. */
export const deliveriesWake = 0;
/** Stands among them, in the same way, for "it may have ended attempts without a word of their workers". */
export const attemptsWake = -1;

/** A delivery as it is listed. */
export interface Delivery {
  readonly id: bigint;
  /** 0n: it tells of the batch. */
  readonly taskId: bigint;
  readonly batchId: bigint;
  readonly trigger: number;
  readonly position: number;
  /** Where its webhook is: the task's spec, the batch's list of webhooks, or the webhook itself; ProtoJSON. */
  readonly source: string | null;
  readonly state: number;
  /** All attempts that were made, also before it was replayed. */
  readonly attempts: number;
  readonly lastStatusCode: number;
  readonly lastError: string | null;
  readonly createTime: Micros;
  readonly lastAttemptTime: Micros | null;
  readonly due: Micros;
  readonly deliverTime: Micros | null;
}

/** A delivery that was taken in order to be made, with what its call tells. JSON parts are texts. */
export interface ClaimedDelivery {
  readonly id: bigint;
  readonly namespaceId: number;
  /** Where its webhook leads, as `hostKey` says. */
  readonly host: string;
  /** The token of who has it: a result with another one changes nothing. */
  readonly fence: number;
  /** Attempts of this budget, this one included. */
  readonly attemptCount: number;
  readonly createTime: Micros;
  readonly attemptTime: Micros;
  readonly taskId: bigint;
  readonly batchId: bigint;
  readonly trigger: number;
  readonly position: number;
  readonly source: string | null;
  /** The attempt of the task that it tells of; 0 for a batch, and for a task that ended before any. */
  readonly attempt: number;
  /** The queue of its task; null for a batch. */
  readonly queue: number | null;
  readonly worker: number | null;
  readonly key: string | null;
  /** The name of its task, or of its batch. */
  readonly name: string | null;
  /** The status and attempt of the task as it stands; null for a batch. */
  readonly taskStatus: number | null;
  readonly taskAttempt: number | null;
  /** How the attempt ended, where that is kept. */
  readonly attemptStatus: number | null;
  readonly endTime: Micros | null;
  readonly cause: number | null;
  readonly culprit: bigint | null;
  readonly message: string | null;
  readonly code: string | null;
  readonly details: string | null;
  readonly output: string | null;
  readonly batchStatus: number;
  readonly stopReason: string | null;
}

/**
 * What an attempt to deliver came to.
 *
 *     delivered  2xx
 *     failed     anything else, also no answer at all (status 0): repeated while the budget lasts
 *     refused    410 Gone, or a webhook that may not be called: not repeated
 */
export type DeliveryOutcome =
  | { readonly kind: "delivered"; readonly status: number }
  | {
      readonly kind: "failed";
      readonly status: number;
      readonly message: string;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly kind: "refused"; readonly status: number; readonly message: string };

/** What is recorded of an attempt to deliver. */
export interface DeliveryResult {
  readonly id: bigint;
  readonly fence: number;
  readonly state: number;
  /** When to try again, from now; only for what stays PENDING. */
  readonly delayMs: number;
  readonly statusCode: number;
  readonly error: string | null;
}

/** How often a delivery is tried before it is EXHAUSTED, and up to which age. A replayed one has only the first bound. */
export const deliveryBudget = { attempts: 20, ageMs: 24 * 60 * 60 * 1000 } as const;

/** The wait between two attempts: doubles from the first to the second, half of it by chance. */
const backoffMs = { first: 2_000, max: 10 * 60 * 1000 };
/** How long a receiver may ask to be left alone. */
const retryAfterMsMax = 60 * 60 * 1000;
const errorLengthMax = 1_000;

/** Decides what follows from an attempt. `chance` is a random number from 0 to 1. */
export function deliveryResult(
  delivery: Pick<ClaimedDelivery, "id" | "fence" | "attemptCount" | "createTime" | "attemptTime">,
  outcome: DeliveryOutcome,
  chance: number,
): DeliveryResult {
  const { id, fence, attemptCount } = delivery;
  const result = { id, fence, delayMs: 0, statusCode: outcome.status };
  if (outcome.kind === "delivered") return { ...result, state: DeliveryState.DELIVERED, error: null };
  const error = storableText(outcome.message);
  if (outcome.kind === "refused" || isBudgetUsedUp(delivery)) {
    return { ...result, state: DeliveryState.EXHAUSTED, error };
  }
  const backoff = Math.min(backoffMs.first * 2 ** (attemptCount - 1), backoffMs.max) * (0.5 + chance / 2);
  const asked = Math.min(outcome.retryAfterMs ?? 0, retryAfterMsMax);
  return { ...result, state: DeliveryState.PENDING, delayMs: Math.ceil(Math.max(backoff, asked)), error };
}

function isBudgetUsedUp({
  attemptCount,
  fence,
  createTime,
  attemptTime,
}: Pick<ClaimedDelivery, "attemptCount" | "fence" | "createTime" | "attemptTime">): boolean {
  if (attemptCount >= deliveryBudget.attempts) return true;
  // Only a replay begins to count attempts anew: then its age says nothing.
  const isReplayed = fence > attemptCount;
  return !isReplayed && attemptTime - createTime >= deliveryBudget.ageMs * 1000;
}

/** Text cut to what is kept of an error; what PostgreSQL does not know is replaced. */
function storableText(text: string): string {
  return text.slice(0, errorLengthMax).replaceAll("\0", "\ufffd").toWellFormed();
}

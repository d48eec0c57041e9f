import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import { TaskStatus } from "../domain/task-status.ts";
import { retryTaken } from "../store/requests.ts";
import { retry } from "../store/retries.ts";
import type { BatchCommand } from "./change-batch.ts";
import { distinctIds, illegal, itemResults } from "./change-tasks.ts";
import type { Engine } from "./engine.ts";
import { finish } from "./follow-ups.ts";
import type { ItemResult } from "./report-tasks.ts";

/** RetryTasks: `undefined` ids are those that no task can have. */
export interface RetryTasks {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly ids: readonly (bigint | undefined)[];
  /** Also what they brought down. */
  readonly withDependents: boolean;
}

/**
 * Runs tasks again that have ended, in one transaction. Results per item, in the order of the ids: TASK_NOT_FOUND, ILLEGAL_TRANSITION for one that has
 * not ended, or that a dependency which stays as it ended would bring down again (metadata.blocked_by: its id). Fails whole with REQUEST_ID_REUSED.
 */
export async function retryTasks(engine: Engine, command: RetryTasks): Promise<ItemResult[]> {
  const { requestId, bodyHash, withDependents } = command;
  const request = { namespaceId: engine.namespaceId, requestId, bodyHash };
  const what = { ids: distinctIds(command.ids), batchId: undefined, withDependents };
  const { taken, refused, blockers, ...outcome } = await retryTaken(() => retry(engine.db, request, what));
  await finish(engine, outcome);
  return itemResults(engine, command.ids, (id) =>
    taken.has(id) ? undefined : refusal(refused.get(id) ?? 0, blockers.get(id)),
  );
}

/** What of a batch runs again. */
export interface RetriedBatch {
  readonly batch: Batch;
  readonly retriedCount: number;
}

/** Runs again what of a batch failed or was canceled, and what that brought down in it. Fails with BATCH_NOT_FOUND, REQUEST_ID_REUSED. */
export async function retryBatch(engine: Engine, command: BatchCommand): Promise<RetriedBatch> {
  const request = { ...command, namespaceId: engine.namespaceId };
  const what = { ids: [], batchId: command.batchId, withDependents: true };
  const { count, batch, ...outcome } = await retryTaken(() => retry(engine.db, request, what));
  await finish(engine, outcome);
  if (batch === undefined) throw new Error("a batch was not answered");
  return { batch, retriedCount: count };
}

function refusal(status: number, blocker: bigint | undefined): MillpondError {
  if (blocker === undefined)
    return illegal(status, TaskStatus.PENDING, "it has not ended; only what has ended can run again");
  const why =
    "a task on which it depends, and which stays as it ended, would bring it down again; retry that task with_dependents";
  const { reason, message, metadata } = illegal(status, TaskStatus.PENDING, why);
  return new MillpondError(reason, message, { metadata: { ...metadata, blocked_by: String(blocker) } });
}

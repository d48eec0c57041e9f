import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import { batchHasEnded, batchStatusName } from "../domain/task-status.ts";
import { type BatchRulesChange, changeBatchRules, type RuledTask, type RuledTaskRow } from "../store/batch-rules.ts";
import { retryTaken } from "../store/requests.ts";
import type { Engine } from "./engine.ts";

/** UpdateBatchRules. `edit` makes of a task what it is to be, and throws what does not go with it. */
export interface UpdateBatchRules {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly batchId: bigint;
  readonly kind: string;
  /** The rules as a ProtoJSON list, and why they change: for the history. */
  readonly rules: string;
  readonly reason: string;
  readonly validateOnly: boolean;
  /** Refuses a batch that is not as its caller has read it. */
  readonly checkEtag: (batch: Batch) => void;
  readonly edit: (task: RuledTask) => RuledTaskRow;
}

/**
 * Replaces the rules of all tasks of a kind in a batch that have not ended, in one transaction; who holds a slot keeps it. Fails with BATCH_NOT_FOUND,
 * ETAG_MISMATCH, REQUEST_ID_REUSED, and ILLEGAL_TRANSITION when the batch has ended.
 */
export async function updateBatchRules(engine: Engine, command: UpdateBatchRules): Promise<BatchRulesChange> {
  const { requestId, bodyHash, batchId, kind, validateOnly } = command;
  await engine.dictionaries.refreshStaleQueues();
  const queues = engine.dictionaries.queuesOfKinds(engine.namespaceId, [kind]).map(({ id }) => id);
  const request = { namespaceId: engine.namespaceId, requestId: validateOnly ? undefined : requestId, bodyHash };
  const changed = await retryTaken(() =>
    changeBatchRules(engine.db, request, {
      ...{ batchId, queues, commit: !validateOnly },
      note: { kind, rules: command.rules, reason: command.reason },
      edit: (batch, tasks) => {
        command.checkEtag(batch);
        if (batchHasEnded(batch.status)) {
          const from = batchStatusName(batch.status);
          const message = `the batch has ended as ${from}; RetryBatch runs it again`;
          throw new MillpondError("ILLEGAL_TRANSITION", message, { metadata: { from, to: from } });
        }
        return tasks.map(command.edit);
      },
    }),
  );
  if (!validateOnly) engine.committed(changed.readyQueues);
  return changed;
}

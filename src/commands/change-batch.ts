import type { Batch } from "../domain/task.ts";
import {
  type StoppedBatch,
  holdBatch as writeHold,
  sealBatch as writeSeal,
  stopBatch as writeStop,
} from "../store/batches.ts";
import { retryTaken } from "../store/requests.ts";
import type { Engine } from "./engine.ts";
import { ending, finish } from "./follow-ups.ts";

/** A change of a whole batch. */
export interface BatchCommand {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly batchId: bigint;
}

/** Cancels what of a batch has not ended and ends it. Fails with BATCH_NOT_FOUND, REQUEST_ID_REUSED. */
export async function stopBatch(
  engine: Engine,
  command: BatchCommand & { readonly reason: string },
): Promise<StoppedBatch> {
  const stopped = await retryTaken(() =>
    writeStop(engine.db, { ...command, namespaceId: engine.namespaceId }, command),
  );
  await finish(engine, ending(stopped));
  return stopped;
}

/** Closes an open batch for new tasks; ends it where nothing is left to do. Fails with BATCH_NOT_FOUND, REQUEST_ID_REUSED. */
export async function sealBatch(engine: Engine, command: BatchCommand): Promise<Batch> {
  const { batch, ...outcome } = await retryTaken(() =>
    writeSeal(engine.db, { ...command, namespaceId: engine.namespaceId }, command.batchId),
  );
  await finish(engine, outcome);
  return batch;
}

/**
 * Holds every future start in a batch (`hold`), or lets it go on; what runs is not touched. Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it
 * has ended, REQUEST_ID_REUSED.
 */
export async function holdBatch(engine: Engine, command: BatchCommand & { readonly hold: boolean }): Promise<Batch> {
  const { batch, ...outcome } = await retryTaken(() =>
    writeHold(engine.db, { ...command, namespaceId: engine.namespaceId }, command),
  );
  await finish(engine, outcome);
  return batch;
}

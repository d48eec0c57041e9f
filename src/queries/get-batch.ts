import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import { getBatches } from "../store/batches.ts";
import type { Database } from "../store/database.ts";

/** Reads a batch with its maintained statistics. Fails with BATCH_NOT_FOUND. */
export async function getBatch(db: Database, namespaceId: number, id: bigint): Promise<Batch> {
  const [batch] = await getBatches(db, namespaceId, [id]);
  if (batch === undefined) throw new MillpondError("BATCH_NOT_FOUND", "there is no such batch");
  return batch;
}

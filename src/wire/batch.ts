import { create } from "@bufbuild/protobuf";
import type { IdCodec } from "../domain/ids.ts";
import type { Batch } from "../domain/task.ts";
import { taskStatusNames } from "../domain/task-status.ts";
import { type Batch as BatchMessage, BatchSchema } from "../gen/millpond/v1/batch_pb.ts";
import { optionalTimestamp, timestamp } from "./time.ts";

/** Writes a batch. Statistics name only statuses that some task has. */
export function encodeBatch(batch: Batch, ids: IdCodec): BatchMessage {
  const endTime = optionalTimestamp(batch.endTime);
  const byStatus: Record<string, bigint> = {};
  for (const [n, count] of batch.byStatus.entries())
    if (count !== 0) byStatus[taskStatusNames[n] as string] = BigInt(count);
  return create(BatchSchema, {
    batchId: ids.encode(batch.id),
    name: batch.name,
    metadata: batch.metadata as never,
    status: batch.status as never,
    open: batch.open,
    stats: {
      total: BigInt(batch.total),
      byStatus,
      successCount: batch.successCount,
      failureCount: batch.failureCount,
      ...(batch.expectedCount === null ? {} : { expectedCount: batch.expectedCount }),
    },
    createTime: timestamp(batch.createTime),
    ...(endTime === undefined ? {} : { endTime }),
    stopReason: batch.stopReason ?? "",
    etag: etagOfBatch(batch),
  });
}

/** Changes whenever the batch's own fields or its tasks' statuses do. */
export function etagOfBatch({ status, open, byStatus }: Batch): string {
  return `${status}-${open ? 1 : 0}-${byStatus.join("-")}`;
}

import type { JsonValue } from "@bufbuild/protobuf";
import type { IdCodec } from "../domain/ids.ts";
import type { Batch } from "../domain/task.ts";
import { taskStatusNames } from "../domain/task-status.ts";
import { etagOfBatch } from "./batch.ts";
import type { ProtoWriter } from "./proto-writer.ts";
import { writeStruct, writeTimestamp } from "./task-bytes.ts";

/** Writes a batch in a field, as `encodeBatch` and the library do: the fields of Batch by their numbers in millpond/v1/batch.proto. */
export function writeBatch(
  writer: ProtoWriter,
  field: number,
  { batch, ids }: { readonly batch: Batch; readonly ids: IdCodec },
): void {
  const start = writer.begin(field);
  writer.string(1, ids.encode(batch.id));
  writer.string(2, batch.name);
  writeStruct(writer, 3, batch.metadata as Record<string, JsonValue>);
  writer.int32(4, batch.status);
  writer.int32(5, batch.open ? 1 : 0);
  writeStats(writer, 6, batch);
  writeTimestamp(writer, 7, batch.createTime);
  if (batch.endTime !== null) writeTimestamp(writer, 8, batch.endTime);
  writer.string(9, batch.stopReason ?? "");
  writer.string(10, etagOfBatch(batch));
  writer.end(start);
}

function writeStats(writer: ProtoWriter, field: number, batch: Batch): void {
  const start = writer.begin(field);
  writer.int64(1, BigInt(batch.total));
  for (const [n, count] of batch.byStatus.entries()) {
    if (count === 0) continue;
    const entry = writer.begin(2);
    writer.string(1, taskStatusNames[n] as string);
    writer.int64(2, BigInt(count));
    writer.end(entry);
  }
  writer.int64(3, batch.successCount);
  writer.int64(4, batch.failureCount);
  if (batch.expectedCount !== null) writer.int64(5, batch.expectedCount, { always: true });
  writer.end(start);
}

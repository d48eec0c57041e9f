import type { UnknownField } from "@bufbuild/protobuf";
import type { IdCodec } from "../domain/ids.ts";
import type { Batch } from "../domain/task.ts";
import { writeBatch } from "./batch-bytes.ts";
import { ProtoWriter } from "./proto-writer.ts";
import { writtenEntries } from "./written-entries.ts";

/** What of a CreatedTask is told; its id is empty where it has none yet. */
export interface CreatedTaskFields {
  readonly key: string;
  readonly taskId: string;
  readonly status: number;
  readonly deduplicated: boolean;
}

/** An id of 36 bytes, a short key, and what else there is. */
const bytesOfEntry = 64;
/** A batch with a short name and little metadata. */
const bytesOfBatch = 256;

/** Writes a CreateTasksResponse, the batch (field 1) and the tasks (field 2), as the library would: a graph has thousands, and nobody looks at them as message objects. */
export function writeCreatedTasks(
  batch: { readonly batch: Batch; readonly ids: IdCodec },
  tasks: readonly CreatedTaskFields[],
): UnknownField[] {
  const writer = new ProtoWriter(bytesOfBatch + tasks.length * bytesOfEntry);
  writeBatch(writer, 1, batch);
  for (const { key, taskId, status, deduplicated } of tasks) {
    const entry = writer.begin(2);
    writer.string(1, key);
    writer.string(2, taskId);
    writer.int32(3, status);
    writer.int32(4, deduplicated ? 1 : 0);
    writer.end(entry);
  }
  return writtenEntries(1, writer.finish());
}

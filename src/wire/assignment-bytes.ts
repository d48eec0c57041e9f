import { type JsonValue, toBinary } from "@bufbuild/protobuf";
import type { Parent, Task } from "../domain/task.ts";
import { AssignmentSchema } from "../gen/millpond/v1/worker_pb.ts";
import { ProtoWriter } from "./proto-writer.ts";
import { encodeAssignment, type Names } from "./task.ts";
import { isPlainTask, type TaskNames, writeTask, writeTimestamp, writeValue } from "./task-bytes.ts";

/** What an assignment with little input comes to. */
const bytesOfAssignment = 512;

/**
 * Writes assignments as entries of `ClaimTasksResponse.assignments` (field 1), without its first tag: what a message with that one unknown field becomes. The same
 * as {@link encodeAssignment} and the library make, at a third of the cost: an assignment is handed out for every attempt. Tasks that are
 * seldom handed out so, such as those left of earlier attempts, are for the library.
 */
export function writeAssignments(
  assignments: readonly { readonly task: Task; readonly parents: readonly Parent[] }[],
  names: TaskNames,
): Uint8Array {
  const writer = new ProtoWriter(assignments.length * bytesOfAssignment);
  for (const { task, parents } of assignments) {
    if (!isPlainTask(task) || task.endTime !== null) {
      writer.bytes(1, toBinary(AssignmentSchema, encodeAssignment(task, parents, names)));
      continue;
    }
    const start = writer.begin(1);
    writeTask(writer, 1, { task, names });
    writer.int32(2, task.attempt);
    if (task.leaseUntil !== null) writeTimestamp(writer, 3, task.leaseUntil);
    for (const parent of parents) writeParent(writer, { parent, batchId: task.batchId, names });
    writer.end(start);
  }
  // The tag of the first entry is one byte.
  return writer.finish().subarray(1);
}

/** An entry of Assignment.parents: the key, and ParentResult. */
function writeParent(
  writer: ProtoWriter,
  { parent, batchId, names }: { parent: Parent; batchId: bigint; names: Names },
): void {
  const taskId = names.ids.encode(parent.id);
  const key = parent.batchId === batchId ? (parent.key ?? "") : "";
  const entry = writer.begin(4);
  writer.string(1, key === "" ? taskId : key);
  const result = writer.begin(2);
  writer.string(1, taskId);
  writer.string(2, parent.key ?? "");
  writer.int32(3, parent.status);
  if (parent.output !== null) writeValue(writer, 4, JSON.parse(parent.output) as JsonValue);
  writer.int32(5, parent.outputOmitted ? 1 : 0);
  writer.end(result);
  writer.end(entry);
}

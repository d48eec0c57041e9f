import { type JsonValue, toBinary } from "@bufbuild/protobuf";
import type { Micros, Parent, Task } from "../domain/task.ts";
import { Execution } from "../domain/task-status.ts";
import { AssignmentSchema } from "../gen/millpond/v1/worker_pb.ts";
import { ProtoWriter } from "./proto-writer.ts";
import type { SpecFieldsCache } from "./spec-fields.ts";
import { encodeAssignment, etagOf, type Names } from "./task.ts";

/** What names the numbers of rows, and keeps what is written of specs. */
export interface AssignmentNames extends Names {
  readonly specs: SpecFieldsCache;
}

/** What an assignment with little input comes to. */
const bytesOfAssignment = 512;

/**
 * Writes assignments as entries of `ClaimTasksResponse.assignments` (field 1), without its first tag: what a message with that one unknown field becomes. The same
 * as {@link encodeAssignment} and the library make, at a third of the cost: an assignment is handed out for every attempt. Tasks that are
 * seldom handed out so, such as those left of earlier attempts, are for the library.
 */
export function writeAssignments(
  assignments: readonly { readonly task: Task; readonly parents: readonly Parent[] }[],
  names: AssignmentNames,
): Uint8Array {
  const writer = new ProtoWriter(assignments.length * bytesOfAssignment);
  for (const { task, parents } of assignments) {
    if (!isPlain(task)) {
      writer.bytes(1, toBinary(AssignmentSchema, encodeAssignment(task, parents, names)));
      continue;
    }
    const start = writer.begin(1);
    writeTask(writer, task, names);
    writer.int32(2, task.attempt);
    if (task.leaseUntil !== null) writeTimestamp(writer, 3, task.leaseUntil);
    for (const parent of parents) writeParent(writer, { parent, batchId: task.batchId, names });
    writer.end(start);
  }
  // The tag of the first entry is one byte.
  return writer.finish().subarray(1);
}

/** Whether a task is a worker's, and nothing is left of earlier attempts. */
function isPlain(task: Task): boolean {
  return (
    task.cause === null &&
    task.cancelReason === null &&
    task.progress === null &&
    task.endTime === null &&
    task.execution === Execution.WORKER
  );
}

/** The fields of Task by their numbers in millpond/v1/task.proto. */
function writeTask(writer: ProtoWriter, task: Task, { ids, kindOf, workerOf, specs }: AssignmentNames): void {
  const start = writer.begin(1);
  writer.string(1, ids.encode(task.id));
  writer.string(2, ids.encode(task.batchId));
  writer.string(3, task.key ?? "");
  writer.string(4, task.name);
  writer.string(5, kindOf(task.queue));
  for (const [n, parent] of (task.parents ?? []).entries()) {
    const dependency = writer.begin(6);
    writer.string(2, ids.encode(parent));
    writer.int32(3, task.parentConditions?.[n] ?? 1);
    writer.end(dependency);
  }
  writer.int32(7, task.unmetPolicy);
  if (task.metadata !== null) writeStruct(writer, 8, task.metadata as Record<string, JsonValue>);
  if (task.input !== null) writeValue(writer, 9, JSON.parse(task.input) as JsonValue);
  writer.int32(10, task.priority);
  if (task.expectedCount !== null) writer.int64(11, task.expectedCount, { always: true });
  if (task.startTime !== null) writeTimestamp(writer, 12, task.startTime);
  writeGiven(writer, task, specs);
  writer.int32(30, task.status);
  writer.int32(31, task.attempt);
  writer.int64(32, task.successCount);
  writer.int64(33, task.failureCount);
  writeTimestamp(writer, 36, task.createTime);
  if (task.claimTime !== null) writeTimestamp(writer, 37, task.claimTime);
  if (task.runTime !== null) writeTimestamp(writer, 38, task.runTime);
  if (task.activityTime !== null) writeTimestamp(writer, 39, task.activityTime);
  if (task.worker !== null) writer.string(41, workerOf(task.worker));
  writer.string(42, etagOf(task));
  if (task.leaseUntil !== null) writeTimestamp(writer, 45, task.leaseUntil);
  writer.end(start);
}

/** Fields 13 to 29: those of a spec, or the defaults. */
function writeGiven(writer: ProtoWriter, task: Task, specs: SpecFieldsCache): void {
  const given = task.spec === null ? undefined : specs.of(task.spec);
  if (given?.startTimeout !== undefined) writer.fields(given.startTimeout);
  else writeMillis(writer, 13, task.startTimeoutMs);
  if (given?.inactivityTimeout !== undefined) writer.fields(given.inactivityTimeout);
  else writeMillis(writer, 14, Number(task.inactivityTimeoutMs));
  if (given !== undefined) writer.fields(given.rest);
  else writer.end(writer.begin(21));
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

function writeTimestamp(writer: ProtoWriter, field: number, micros: Micros): void {
  const seconds = Math.floor(micros / 1_000_000);
  writer.time(field, seconds, (micros - seconds * 1_000_000) * 1000);
}

function writeMillis(writer: ProtoWriter, field: number, millis: number): void {
  const seconds = Math.floor(millis / 1000);
  writer.time(field, seconds, (millis - seconds * 1000) * 1_000_000);
}

/** A google.protobuf.Value. */
function writeValue(writer: ProtoWriter, field: number, json: JsonValue): void {
  const start = writer.begin(field);
  if (json === null) writer.int32(1, 0, { always: true });
  else if (typeof json === "number") writer.double(2, json);
  else if (typeof json === "string") writer.string(3, json, { always: true });
  else if (typeof json === "boolean") writer.int32(4, json ? 1 : 0, { always: true });
  else if (Array.isArray(json)) {
    const list = writer.begin(6);
    for (const item of json) writeValue(writer, 1, item);
    writer.end(list);
  } else writeStruct(writer, 5, json as Record<string, JsonValue>);
  writer.end(start);
}

/** A google.protobuf.Struct: a map of texts to Values. */
function writeStruct(writer: ProtoWriter, field: number, json: Readonly<Record<string, JsonValue>>): void {
  const start = writer.begin(field);
  for (const name of Object.keys(json)) {
    const entry = writer.begin(1);
    writer.string(1, name, { always: true });
    writeValue(writer, 2, json[name] as JsonValue);
    writer.end(entry);
  }
  writer.end(start);
}

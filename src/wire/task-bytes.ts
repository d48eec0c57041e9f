import { type JsonValue, toBinary, type UnknownField } from "@bufbuild/protobuf";
import type { Micros, Task } from "../domain/task.ts";
import { Execution, TaskStatus } from "../domain/task-status.ts";
import { type TaskAttempt, TaskAttemptSchema } from "../gen/millpond/v1/task_pb.ts";
import { ProtoWriter } from "./proto-writer.ts";
import type { SpecFieldsCache } from "./spec-fields.ts";
import { etagOf, type Names } from "./task.ts";
import { writtenEntries } from "./written-entries.ts";

/** What names the numbers of rows, and keeps what is written of specs. */
export interface TaskNames extends Names {
  readonly specs: SpecFieldsCache;
}

/** What a task with little input comes to. */
const bytesOfTask = 512;

/** Whether a task is a worker's, and neither failed nor canceled, now or in an earlier attempt: then {@link writeTask} writes it whole. */
export function isPlainTask(task: Task): boolean {
  return task.cause === null && task.cancelReason === null && task.execution === Execution.WORKER;
}

/** Writes `GetTaskResponse.task` (field 1) of a plain task, and the attempts (field 2) behind it. */
export function writeTaskAnswer(task: Task, attempts: readonly TaskAttempt[], names: TaskNames): UnknownField[] {
  const writer = new ProtoWriter(bytesOfTask);
  writeTask(writer, 1, { task, names });
  for (const attempt of attempts) writer.bytes(2, toBinary(TaskAttemptSchema, attempt));
  return writtenEntries(1, writer.finish());
}

/**
 * Writes a plain task in a field, as `encodeTask` and the library do, at a third of the cost: the fields of Task by their numbers in millpond/v1/task.proto.
 */
export function writeTask(writer: ProtoWriter, field: number, { task, names }: { task: Task; names: TaskNames }): void {
  const { ids, kindOf, workerOf, specs } = names;
  const start = writer.begin(field);
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
  if (task.status === TaskStatus.SUCCESS && task.output !== null)
    writeValue(writer, 34, JSON.parse(task.output) as JsonValue);
  writeTimestamp(writer, 36, task.createTime);
  if (task.claimTime !== null) writeTimestamp(writer, 37, task.claimTime);
  if (task.runTime !== null) writeTimestamp(writer, 38, task.runTime);
  if (task.activityTime !== null) writeTimestamp(writer, 39, task.activityTime);
  if (task.endTime !== null) writeTimestamp(writer, 40, task.endTime);
  if (task.worker !== null) writer.string(41, workerOf(task.worker));
  writer.string(42, etagOf(task));
  if (task.progress !== null) writeValue(writer, 44, JSON.parse(task.progress) as JsonValue);
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

/** A google.protobuf.Timestamp. */
export function writeTimestamp(writer: ProtoWriter, field: number, micros: Micros): void {
  const seconds = Math.floor(micros / 1_000_000);
  writer.time(field, seconds, (micros - seconds * 1_000_000) * 1000);
}

function writeMillis(writer: ProtoWriter, field: number, millis: number): void {
  const seconds = Math.floor(millis / 1000);
  writer.time(field, seconds, (millis - seconds * 1000) * 1_000_000);
}

/** A google.protobuf.Value. */
export function writeValue(writer: ProtoWriter, field: number, json: JsonValue): void {
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
export function writeStruct(writer: ProtoWriter, field: number, json: Readonly<Record<string, JsonValue>>): void {
  const start = writer.begin(field);
  for (const name of Object.keys(json)) {
    const entry = writer.begin(1);
    writer.string(1, name, { always: true });
    writeValue(writer, 2, json[name] as JsonValue);
    writer.end(entry);
  }
  writer.end(start);
}

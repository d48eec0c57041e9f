import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { Parent, Task } from "../domain/task.ts";
import { type WorkResponse, WorkResponseSchema } from "../gen/millpond/v1/worker_service_pb.ts";
import { writeAssignments } from "./assignment-bytes.ts";
import { ProtoWriter } from "./proto-writer.ts";
import { encodeItemResult, type ItemOutcome } from "./report.ts";
import { writeReportResults } from "./report-result-bytes.ts";
import { encodeAssignment, type Names } from "./task.ts";
import type { TaskNames } from "./task-bytes.ts";
import { duration } from "./time.ts";

type Loaded = { readonly task: Task; readonly parents: readonly Parent[] };

const assignmentsField = WorkResponseSchema.field.assignments.number;
const resultsField = 2;

function response(message: MessageInitShape<typeof WorkResponseSchema>): WorkResponse {
  return create(WorkResponseSchema, message);
}

/** How a worker goes on. */
export function welcome(heartbeatMs: number, leaseMs: number): WorkResponse {
  const value = { heartbeatInterval: duration(heartbeatMs), lease: duration(leaseMs) };
  return response({ message: { case: "welcome", value } });
}

/** No assignment: the stream lives. */
export function noAssignments(): WorkResponse {
  return response({ message: { case: "assignments", value: {} } });
}

/** Tasks to execute; as bytes for callers that take those, which are then the one field of the message, unknown to the library. */
export function assignmentList(loaded: readonly Loaded[], names: TaskNames, isJson: boolean): WorkResponse {
  if (isJson) {
    const assignments = loaded.map(({ task, parents }) => encodeAssignment(task, parents, names));
    return response({ message: { case: "assignments", value: { assignments } } });
  }
  const entries = writeAssignments(loaded, names);
  const list = new ProtoWriter(entries.length + 16);
  // The length of the list, its one tag, which `writeAssignments` leaves to its caller, and the entries.
  list.length(entries.length + 1);
  list.fields(listTag);
  list.fields(entries);
  const written = response({});
  written.$unknown = [{ no: assignmentsField, wireType: WireType.LengthDelimited, data: list.finish() }];
  return written;
}

/** The tag of AssignmentList.assignments. */
const listTag = Uint8Array.of(0x0a);

/** What became of reports. */
export function reportResults(
  sequence: bigint,
  results: readonly ItemOutcome[],
  { names, isJson }: { readonly names: Names; readonly isJson: boolean },
): WorkResponse {
  if (isJson) {
    const value = { sequence, results: results.map((result) => encodeItemResult(result, names)) };
    return response({ message: { case: "reportResults", value } });
  }
  const written = response({ message: { case: "reportResults", value: { sequence } } });
  // A message of its own kind: it takes what its type does not know.
  (written.message.value as { $unknown?: unknown }).$unknown = writeReportResults(results, names, resultsField);
  return written;
}

/** An attempt to stop. */
export function cancelAttempt(taskId: string, attempt: number, reason: string): WorkResponse {
  return response({
    message: { case: "cancel", value: { taskId, attempt, reason: reason.slice(0, 1_000).toWellFormed() } },
  });
}

/** An attempt that is no longer the worker's. */
export function leaseLost(taskId: string, attempt: number): WorkResponse {
  return response({ message: { case: "leaseLost", value: { lease: { taskId, attempt } } } });
}

/** Lines of log that are in. */
export function logsTaken(requestId: string, truncated: boolean): WorkResponse {
  return response({ message: { case: "logsTaken", value: { requestId, truncated } } });
}

/** The server stops. */
export function serverDrain(): WorkResponse {
  return response({ message: { case: "drain", value: {} } });
}

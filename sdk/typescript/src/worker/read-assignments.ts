import { create, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TaskSchema } from "../gen/millpond/v1/task_pb.js";
import { type Assignment, AssignmentSchema } from "../gen/millpond/v1/worker_pb.js";
import { type ClaimTasksResponse, ClaimTasksResponseSchema } from "../gen/millpond/v1/worker_service_pb.js";
import { LazyAssignment } from "./lazy-assignment.ts";

const assignmentsField = ClaimTasksResponseSchema.field.assignments.number;
const knownFields: ReadonlySet<number> = new Set(AssignmentSchema.fields.map((field) => field.number));
const taskField = AssignmentSchema.field.task.number;
const attemptField = AssignmentSchema.field.attempt.number;
const taskIdField = TaskSchema.field.taskId.number;
const inputField = TaskSchema.field.input.number;
const kindField = TaskSchema.field.kind.number;

/**
 * readAssignments reads the answer to a claim without decoding more than the heads of its assignments. What is passed over is
 * not looked at, nor made an object of: `skip` of the library does.
 */
export function readAssignments(bytes: Uint8Array): ClaimTasksResponse {
  const response = create(ClaimTasksResponseSchema);
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === assignmentsField && wireType === WireType.LengthDelimited) {
      const end = endOf(reader, bytes.length);
      response.assignments.push(readAssignment(reader, bytes, end));
    } else reader.skip(wireType, field);
  }
  return response;
}

/** What is found on the way through an assignment. */
interface Found {
  taskId: string;
  kind: string;
  attempt: number;
  inputStart: number;
  inputEnd: number;
  /** The task or its input comes in parts, or a field is not known: for the library to put together, and to keep. */
  unusual: boolean;
}

function readAssignment(reader: BinaryReader, answer: Uint8Array, end: number): Assignment {
  const start = reader.pos;
  const bytes = answer.subarray(start, end);
  const found: Found = { taskId: "", kind: "", attempt: 0, inputStart: 0, inputEnd: 0, unusual: false };
  let hasTask = false;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    found.unusual ||= !knownFields.has(field);
    if (field === attemptField && wireType === WireType.Varint) found.attempt = reader.int32();
    else if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === taskField) {
      found.unusual ||= hasTask;
      hasTask = true;
      readTask(reader, found, endOf(reader, end));
    } else reader.pos = endOf(reader, end);
  }
  if (found.unusual) return fromBinary(AssignmentSchema, bytes);
  const { taskId, kind, attempt, inputStart, inputEnd } = found;
  const input = inputStart === 0 ? undefined : { start: inputStart - start, end: inputEnd - start };
  return new LazyAssignment(bytes, { taskId, kind, attempt }, input);
}

/** Goes through all fields: of one that comes twice, the last counts. */
function readTask(reader: BinaryReader, found: Found, end: number): void {
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === taskIdField) found.taskId = reader.string();
    else if (field === kindField) found.kind = reader.string();
    else {
      const fieldEnd = endOf(reader, end);
      if (field === inputField) {
        found.unusual ||= found.inputStart !== 0;
        found.inputStart = reader.pos;
        found.inputEnd = fieldEnd;
      }
      reader.pos = fieldEnd;
    }
  }
}

/** Reads the length of what comes, and answers where it ends. */
function endOf(reader: BinaryReader, limit: number): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > limit) throw new RangeError(`a field of ${length} bytes ends after the message that it is in`);
  return end;
}

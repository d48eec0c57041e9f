import { create, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TaskSchema } from "../gen/millpond/v1/task_pb.js";
import { type Assignment, AssignmentSchema } from "../gen/millpond/v1/worker_pb.js";
import { type ClaimTasksResponse, ClaimTasksResponseSchema } from "../gen/millpond/v1/worker_service_pb.js";
import { type AssignmentHead, LazyAssignment } from "./lazy-assignment.ts";

const assignmentsField = ClaimTasksResponseSchema.field.assignments.number;
const taskField = AssignmentSchema.field.task.number;
const attemptField = AssignmentSchema.field.attempt.number;
const taskIdField = TaskSchema.field.taskId.number;
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

function readAssignment(reader: BinaryReader, answer: Uint8Array, end: number): Assignment {
  const bytes = answer.subarray(reader.pos, end);
  const head = { taskId: "", kind: "", attempt: 0 };
  let tasks = 0;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === attemptField && wireType === WireType.Varint) head.attempt = reader.int32();
    else if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === taskField) {
      readTask(reader, head, endOf(reader, end));
      tasks += 1;
    } else reader.pos = endOf(reader, end);
  }
  // A message in several parts is for the library to put together.
  return tasks > 1 ? fromBinary(AssignmentSchema, bytes) : new LazyAssignment(bytes, head);
}

/** Goes through all fields: of one that comes twice, the last counts. */
function readTask(
  reader: BinaryReader,
  head: { -readonly [Name in keyof AssignmentHead]: AssignmentHead[Name] },
  end: number,
): void {
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === taskIdField) head.taskId = reader.string();
    else if (field === kindField) head.kind = reader.string();
    else reader.pos = endOf(reader, end);
  }
}

/** Reads the length of what comes, and answers where it ends. */
function endOf(reader: BinaryReader, limit: number): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > limit) throw new RangeError(`a field of ${length} bytes ends after the message that it is in`);
  return end;
}

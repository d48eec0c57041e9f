import { create, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { AssignmentListSchema, type WorkResponse, WorkResponseSchema } from "../gen/millpond/v1/worker_service_pb.js";
import { readAssignments } from "./read-assignments.ts";

const assignmentsField = WorkResponseSchema.field.assignments.number;

/** readWorkResponse reads what comes by a worker's stream; of assignments, as {@link readAssignments} does, no more than their heads. */
export function readWorkResponse(bytes: Uint8Array): WorkResponse {
  const reader = new BinaryReader(bytes);
  const [field, wireType] = bytes.length === 0 ? [0, WireType.Varint] : reader.tag();
  if (field !== assignmentsField || wireType !== WireType.LengthDelimited) return fromBinary(WorkResponseSchema, bytes);
  const length = reader.uint32();
  // Anything beside the list is for the library to put together.
  if (reader.pos + length !== bytes.length) return fromBinary(WorkResponseSchema, bytes);
  // The list is written as the answer to a claim is.
  const { assignments } = readAssignments(bytes.subarray(reader.pos));
  const value = create(AssignmentListSchema);
  value.assignments = assignments;
  const response = create(WorkResponseSchema);
  response.message = { case: "assignments", value };
  return response;
}

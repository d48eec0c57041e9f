import { create, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type ReportResult, ReportResultSchema } from "../gen/millpond/v1/report_pb.js";
import { type ReportTasksResponse, ReportTasksResponseSchema } from "../gen/millpond/v1/task_service_pb.js";

const resultsField = ReportTasksResponseSchema.field.results.number;
const taskField = ReportResultSchema.field.task.number;

/** Of every report that was taken and whose attempt goes on. Nobody changes what is answered to a worker's reports. */
const taken: ReportResult = create(ReportResultSchema);

/**
 * readOutcomes reads the answer to reports for a caller that looks at what was refused only: where nothing was, the result
 * is left unset instead of a task that nobody reads. To decode it costs about as much as all else that a worker does with an answer.
 */
export function readOutcomes(bytes: Uint8Array): ReportTasksResponse {
  const response = create(ReportTasksResponseSchema);
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === resultsField && wireType === WireType.LengthDelimited) {
      const length = reader.uint32();
      const start = reader.pos;
      const end = start + length;
      response.results.push(isTaken(reader, end) ? taken : fromBinary(ReportResultSchema, bytes.subarray(start, end)));
      reader.pos = end;
    } else reader.skip(wireType, field);
  }
  if (reader.pos > reader.len) throw new RangeError("the last result ends after the answer that it is in");
  return response;
}

/** Whether a task is all that the result tells which the reader is at. */
function isTaken(reader: BinaryReader, end: number): boolean {
  if (reader.pos === end) return false;
  const [field, wireType] = reader.tag();
  if (field !== taskField || wireType !== WireType.LengthDelimited) return false;
  const length = reader.uint32();
  return reader.pos + length === end;
}

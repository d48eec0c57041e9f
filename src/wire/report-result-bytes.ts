import { toBinary, type UnknownField } from "@bufbuild/protobuf";
import { ReportResultSchema } from "../gen/millpond/v1/report_pb.ts";
import { ProtoWriter } from "./proto-writer.ts";
import { encodeItemResult, type ItemOutcome } from "./report.ts";
import type { Names } from "./task.ts";
import { writtenEntries } from "./written-entries.ts";

/** A brief result: an id of 36 bytes, two small numbers and their tags. */
const bytesOfBriefResult = 50;

/**
 * Writes results as entries of `ReportTasksResponse.results` (field 1), or of another field, as {@link encodeItemResult} and the library make them. What a worker is told of a report
 * that was taken is three fields of Task's forty: a message object has all of them.
 */
export function writeReportResults(results: readonly ItemOutcome[], names: Names, field = 1): UnknownField[] {
  const writer = new ProtoWriter(results.length * bytesOfBriefResult);
  for (const result of results) {
    const { state, reported, error } = result;
    if (error !== undefined || state !== undefined || reported === undefined) {
      writer.bytes(field, toBinary(ReportResultSchema, encodeItemResult(result, names)));
      continue;
    }
    const entry = writer.begin(field);
    const task = writer.begin(1);
    writer.string(1, names.ids.encode(reported.id));
    writer.int32(30, reported.status);
    writer.int32(31, reported.attempt);
    writer.end(task);
    writer.end(entry);
  }
  return writtenEntries(field, writer.finish());
}

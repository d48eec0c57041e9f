import { create } from "@bufbuild/protobuf";
import { LogLevel, type LogLine } from "../domain/log.ts";
import { type LogEntry, LogEntrySchema } from "../gen/millpond/v1/log_pb.ts";
import { microsOf, optionalTimestamp } from "./time.ts";

/** Reads a line of log; what is below a microsecond of its time is cut. */
export function decodeLogEntry({ logTime, level, message }: LogEntry): LogLine {
  return { time: logTime && microsOf(logTime), level: level || LogLevel.INFO, message };
}

/** Writes a line of log. */
export function encodeLogLine({ time, level, message }: LogLine): LogEntry {
  // The numbers are those of the contract.
  const entry = create(LogEntrySchema, { level: level as LogEntry["level"], message });
  const logTime = optionalTimestamp(time);
  if (logTime !== undefined) entry.logTime = logTime;
  return entry;
}

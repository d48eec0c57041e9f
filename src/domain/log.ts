import type { Micros } from "./task.ts";

/** How important a line of log is; the numbers are those of the contract. */
export const LogLevel = { DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4 } as const;

/** A line of an attempt's log. */
export interface LogLine {
  /** When it was written; undefined in a line that is appended: when it arrives. */
  readonly time: Micros | undefined;
  readonly level: number;
  readonly message: string;
}

/** What a task's log may hold, of all attempts together. */
export interface LogBounds {
  readonly linesMax: number;
  /** Of the messages, in UTF-8. */
  readonly bytesMax: number;
}

/** The line that stands where lines were dropped, at the end of what was kept of an attempt. */
export function droppedMarker(dropped: bigint, time: Micros): LogLine {
  const lines = dropped === 1n ? "1 line was" : `${dropped} lines were`;
  return { time, level: LogLevel.WARN, message: `${lines} dropped: the log of the task is at the server's bound` };
}

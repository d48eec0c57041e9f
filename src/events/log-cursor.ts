import { createHash } from "node:crypto";
import { invalidField } from "../domain/errors.ts";
import type { Micros } from "../domain/task.ts";

/** A place in the log of an attempt. It means the same on every server, for as long as the log is kept. */
export interface LogCursor {
  /** When the task's log began: which log it is; 0: it had none yet. */
  readonly beginTime: Micros;
  /** 0: the task had had none. */
  readonly attempt: number;
  /** The number of the next line. */
  readonly line: number;
  /** Of how many dropped lines has been told. */
  readonly told: bigint;
}

/** Writes a cursor as the opaque text that clients keep; it is bound to the task. */
export function formatLogCursor(taskId: bigint, { beginTime, attempt, line, told }: LogCursor): string {
  return `l${markOf(taskId)}-${beginTime}-${attempt}-${line}-${told}`;
}

const pattern = /^l([0-9a-f]{8})-(\d{1,16})-(\d{1,10})-(\d{1,10})-(\d{1,18})$/;

/** Attempts and lines are numbered in 31 bits. */
const numberMax = 2 ** 31 - 1;

/** Reads a cursor; INVALID_FIELD for a text that {@link formatLogCursor} has not made for this task. */
export function parseLogCursor(taskId: bigint, text: string): LogCursor {
  const match = pattern.exec(text);
  const [attempt, line] = [Number(match?.[3]), Number(match?.[4])];
  if (match === null || match[1] !== markOf(taskId) || Math.max(attempt, line) > numberMax)
    throw invalidField(
      "cursor",
      `"${text.slice(0, 100)}" is not a cursor of this task's log; use one from an earlier answer, or none`,
    );
  return { beginTime: Number(match[2]), attempt, line, told: BigInt(match[5] ?? 0) };
}

function markOf(taskId: bigint): string {
  return createHash("sha256").update(`log ${taskId}`).digest("hex").slice(0, 8);
}

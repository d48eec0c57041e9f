import { invalidField, MillpondError } from "../domain/errors.ts";
import { droppedMarker, type LogLine } from "../domain/log.ts";
import type { Micros } from "../domain/task.ts";
import { hasEnded } from "../domain/task-status.ts";
import type { Database } from "../store/database.ts";
import { getLogEnd, getLogHeads, getLogParts, type LogHead, type LogPart } from "../store/logs.ts";
import { formatLogCursor, type LogCursor } from "./log-cursor.ts";
import { isUnderWay, type LogFollowers } from "./log-followers.ts";

/** What ListLogs reads from. */
export interface LogSource {
  readonly db: Pick<Database, "readByKey">;
  readonly namespaceId: number;
  readonly followers: LogFollowers;
}

/** Which page of a log is asked for. */
export interface LogPageRequest {
  readonly id: bigint;
  /** 0: that of the cursor; without one, the newest. */
  readonly attempt: number;
  readonly cursor: LogCursor | undefined;
  readonly size: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** A page of the log of an attempt. */
export interface LogPage {
  readonly lines: readonly LogLine[];
  readonly next: LogCursor;
  readonly truncated: boolean;
  /** Nothing of it is under way any more, as of before the lines were read. */
  readonly over: boolean;
}

/** A page ends where its messages would be larger than this, below what gRPC clients accept in one message; a single line is smaller. */
const pageBytesMax = 2 * 1024 * 1024;
/** How long a call waits for late lines of an attempt that is over: who follows a log comes again, and hears the end. */
const lateLinesMs = 1_000;
/** What a line takes in a message beside its text. */
const lineBytes = 24;

/**
 * Reads a page of the log of an attempt, from a cursor on; waits up to `waitMs` for the first line, but not beyond the end of the attempt if that comes
 * meanwhile, and a second at most where it has come before. Where lines were dropped, a marker is the last line, once; for those who go on from behind it once more when the attempt is over and more were.
 * Fails with TASK_NOT_FOUND, CURSOR_EXPIRED and, where too many wait, LIMIT_EXCEEDED.
 */
export async function listLogs(source: LogSource, request: LogPageRequest): Promise<LogPage> {
  const askedAt = Date.now();
  const pinned = pinnedAttempt(request);
  let wasOver: boolean | undefined;
  for (;;) {
    const { heard } = source.followers;
    const [head] = await getLogHeads(source.db, source.namespaceId, [request.id]);
    if (head === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
    const page = await readPage(source, request, { head, attempt: pinned || head.attempt });
    const waitMs = page.over ? Math.min(request.waitMs, lateLinesMs) : request.waitMs;
    const leftMs = askedAt + waitMs - Date.now();
    const hasEndedMeanwhile = page.over && wasOver === false;
    wasOver ??= page.over;
    const isToWait = page.lines.length === 0 && leftMs > 0 && !hasEndedMeanwhile;
    if (!isToWait || request.signal.aborted || source.followers.stopped) return page;
    await source.followers.wait(head, { heard, waitMs: leftMs, signal: request.signal });
  }
}

function pinnedAttempt({ attempt, cursor }: LogPageRequest): number {
  if (cursor === undefined || cursor.attempt === 0) return attempt;
  if (attempt !== 0 && attempt !== cursor.attempt)
    throw invalidField("cursor", `it is a place in the log of attempt ${cursor.attempt}, not of attempt ${attempt}`);
  return cursor.attempt;
}

async function readPage(
  source: LogSource,
  { id, cursor, size }: LogPageRequest,
  { head, attempt }: { readonly head: LogHead; readonly attempt: number },
): Promise<LogPage> {
  const from = placeIn(id, head, cursor);
  const over = isOver(head, attempt);
  const at = (line: number, told: bigint): LogCursor => ({ beginTime: head.beginTime ?? 0, attempt, line, told });
  if (head.beginTime === null || head.logAttempt === null || attempt > head.logAttempt)
    return { lines: [], next: at(from.line, from.told), truncated: false, over };
  // Before the lines: what is dropped stands behind all of them.
  const cut = await readCut(source, head, attempt);
  const read = { id, attempt, fromLine: from.line, partsMax: size + 1, bytesMax: pageBytesMax };
  const { lines, next } = linesOf(await getLogParts(source.db, read), { from: from.line, size });
  const truncated = cut !== undefined;
  const isBehindAll = cut !== undefined && next >= cut.end && lines.length < size;
  if (!isBehindAll || !(from.told === 0n || (over && cut.dropped > from.told)))
    return { lines, next: at(next, from.told), truncated, over };
  return { lines: [...lines, droppedMarker(cut.dropped, cut.time)], next: at(next, cut.dropped), truncated, over };
}

/** How many lines of an attempt were dropped, when the first was, and the number behind the last one that is kept; undefined: none were. */
async function readCut(
  source: LogSource,
  { id, logAttempt, dropped, cutTime }: LogHead,
  attempt: number,
): Promise<{ dropped: bigint; time: Micros; end: number } | undefined> {
  const isNewest = attempt === logAttempt;
  if (isNewest && dropped === 0n) return undefined;
  const last = await getLogEnd(source.db, id, attempt);
  const [lost, time] = isNewest ? [dropped, cutTime] : [last?.dropped, last?.time];
  return lost ? { dropped: lost, time: time ?? 0, end: last?.end ?? 0 } : undefined;
}

function isOver(head: LogHead, attempt: number): boolean {
  if (attempt !== head.attempt) return attempt < head.attempt || hasEnded(head.status);
  return !isUnderWay(head) && isAnyOver(head);
}

/** A task that has had no attempt, and may get one, is not over. */
function isAnyOver({ attempt, status }: LogHead): boolean {
  return attempt > 0 || hasEnded(status);
}

/** Where to begin. A place in a log that is forgotten has expired; one from before the first line is the beginning. */
function placeIn(id: bigint, head: LogHead, cursor: LogCursor | undefined): { line: number; told: bigint } {
  if (cursor === undefined || cursor.beginTime === 0) return { line: 0, told: 0n };
  if (cursor.beginTime === head.beginTime) return cursor;
  const beginning: LogCursor = { beginTime: head.beginTime ?? 0, attempt: cursor.attempt, line: 0, told: 0n };
  throw new MillpondError(
    "CURSOR_EXPIRED",
    "the log that the cursor is a place in is not kept any more; begin without a cursor",
    { metadata: { oldest_cursor: formatLogCursor(id, beginning) } },
  );
}

/** The lines of a page, and the number of the next one. */
function linesOf(
  parts: readonly LogPart[],
  { from, size }: { readonly from: number; readonly size: number },
): { lines: LogLine[]; next: number } {
  const lines: LogLine[] = [];
  let next = from;
  let bytes = 0;
  for (const part of parts) {
    for (const [n, line] of part.lines.entries()) {
      const number = part.firstLine + n;
      if (number < from) continue;
      bytes += Buffer.byteLength(line.message) + lineBytes;
      if (lines.length === size || (bytes > pageBytesMax && lines.length > 0)) return { lines, next };
      lines.push(line);
      next = number + 1;
    }
  }
  return { lines, next };
}

import type { LogBounds, LogLine } from "../domain/log.ts";
import type { Micros } from "../domain/task.ts";
import { arrayText } from "./array-text.ts";
import type { Database, Statement } from "./database.ts";
import { formatMicros, parseMicros } from "./pg-types.ts";
import { checkReplay, type RequestKey } from "./requests.ts";

/** Lines for the log of an attempt, of one call. */
export interface NewLines {
  readonly request: RequestKey;
  readonly id: bigint;
  /** 0: the newest. */
  readonly attempt: number;
  readonly lines: readonly LogLine[];
  /** Of the messages, in UTF-8. */
  readonly bytes: number;
}

/** What became of the lines of a call. */
export interface AppendedLines {
  /** As the task stands; undefined: there is none. */
  readonly state: { readonly status: number; readonly attempt: number } | undefined;
  /** undefined: they were refused, as the attempt is not the newest; `replayed`: they were appended before. */
  readonly appended: { readonly kept: number; readonly truncated: boolean; readonly replayed: boolean } | undefined;
  /** Why the call is refused although its attempt is not: REQUEST_ID_REUSED. */
  readonly error: unknown;
}

const appendStatement: Statement = {
  name: "append_logs",
  text: "select * from mp_append_logs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
};

/**
 * Appends the lines of several calls in one transaction, ordered by task; of one task in the order given. No two of them have the same request_id, and all are of
 * one namespace.
 */
export async function appendLogs(
  db: Database,
  calls: readonly NewLines[],
  { linesMax, bytesMax }: LogBounds,
): Promise<AppendedLines[]> {
  interface Row {
    o_statuses: (number | null)[];
    o_attempts: (number | null)[];
    o_kept: (number | null)[];
    o_truncated: (boolean | null)[];
    o_answered: string[] | null;
    o_hashes: Buffer[] | null;
    o_answers: (boolean | null)[] | null;
  }
  const isRepeatable = calls.some(({ request }) => request.requestId !== undefined);
  const [row] = await db.write<Row>(appendStatement, [
    ...[calls[0]?.request.namespaceId, calls.map(({ id }) => id), calls.map(({ attempt }) => attempt)],
    ...[calls.map(({ lines }) => lines.length), calls.map(({ bytes }) => bytes)],
    ...[calls.map(({ lines }) => timesText(lines)), calls.map(({ lines }) => levelsText(lines))],
    calls.map(({ lines }) => arrayText(lines.map(({ message }) => message))),
    isRepeatable ? calls.map(({ request }) => request.requestId ?? null) : null,
    isRepeatable ? calls.map(({ request }) => (request.requestId === undefined ? null : request.bodyHash)) : null,
    ...[linesMax, bytesMax],
  ]);
  if (row === undefined) throw new Error("mp_append_logs answered nothing");
  const answered = new Map(row.o_answered?.map((requestId, n) => [requestId, n]));
  return calls.map(({ request }, n) => {
    const status = row.o_statuses[n] ?? undefined;
    const state = status === undefined ? undefined : { status, attempt: row.o_attempts[n] ?? 0 };
    const before = request.requestId === undefined ? undefined : answered.get(request.requestId);
    if (before !== undefined) {
      const error = replayError(request, row.o_hashes?.[before] ?? null);
      return { state, error, appended: { kept: 0, truncated: row.o_answers?.[before] ?? false, replayed: true } };
    }
    const kept = row.o_kept[n] ?? undefined;
    const appended = kept === undefined ? undefined : { kept, truncated: row.o_truncated[n] === true, replayed: false };
    return { state, appended, error: undefined };
  });
}

function replayError(request: RequestKey, hash: Buffer | null): unknown {
  try {
    checkReplay(request, hash);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Without what would repeat its last element. */
function trimmed<Item>(items: readonly Item[]): readonly Item[] {
  const last = items.at(-1);
  return items.slice(0, items.findLastIndex((item) => item !== last) + 2);
}

function timesText(lines: readonly LogLine[]): string | null {
  if (lines.every(({ time }) => time === undefined)) return null;
  return arrayText(trimmed(lines.map(({ time }) => (time === undefined ? null : formatMicros(time)))));
}

function levelsText(lines: readonly LogLine[]): string {
  return arrayText(trimmed(lines.map(({ level }) => level)));
}

/** Where a task and its log stand. */
export interface LogHead {
  readonly id: bigint;
  readonly status: number;
  /** The newest of the task; 0: it has had none. */
  readonly attempt: number;
  /** When its log began: which log it is; null: there is none. What follows is null then, too. */
  readonly beginTime: Micros | null;
  /** The newest attempt that has logged. */
  readonly logAttempt: number | null;
  readonly nextLine: number | null;
  /** How many lines of that attempt were dropped, and when the first was. */
  readonly dropped: bigint | null;
  readonly cutTime: Micros | null;
}

const headsStatement: Statement = {
  name: "log_heads",
  text: `select h.id, h.status, h.attempt, l.begin_time "beginTime", l.attempt "logAttempt", l.next_line "nextLine", l.dropped, l.cut_time "cutTime"
    from unnest($1::bigint[]) x(id) join task t on t.id = any (array[x.id]) join task_state h on h.id = any (array[x.id])
      left join task_log l on l.task_id = any (array[x.id]) where t.namespace_id = $2`,
};

/** Reads where tasks and their logs stand; tasks that do not exist are left out. */
export function getLogHeads(
  db: Pick<Database, "readByKey">,
  namespaceId: number,
  ids: readonly bigint[],
): Promise<LogHead[]> {
  return db.readByKey<LogHead>(headsStatement, [ids, namespaceId]);
}

/** Lines of one call. */
export interface LogPart {
  readonly firstLine: number;
  readonly lines: readonly LogLine[];
}

const partsStatement: Statement = {
  name: "log_parts",
  text: `select first_line "firstLine", append_time "time", times::text[] times, levels, messages from (
      select p.*, sum(bytes) over (order by first_line) - bytes bytes_before from (
        select * from log_part where task_id = $1 and attempt = $2 and first_line >= coalesce((
          select first_line from log_part where task_id = $1 and attempt = $2 and first_line <= $3 order by first_line desc limit 1), 0)
        order by first_line limit $4
      ) p
    ) p where bytes_before < $5 order by first_line`,
};

/** Reads what is kept of the log of an attempt, from the call on that a line is of: at most so many calls, and as few as reach `bytesMax`. */
export async function getLogParts(
  db: Pick<Database, "readByKey">,
  read: { id: bigint; attempt: number; fromLine: number; partsMax: number; bytesMax: number },
): Promise<LogPart[]> {
  interface Row {
    firstLine: number;
    time: Micros;
    times: (string | null)[] | null;
    levels: number[];
    messages: string[];
  }
  const values = [read.id, read.attempt, read.fromLine, read.partsMax, read.bytesMax];
  const rows = await db.readByKey<Row>(partsStatement, values);
  return rows.map(({ firstLine, time, times, levels, messages }) => ({
    firstLine,
    lines: messages.map((message, n) => {
      const written = times?.[Math.min(n, times.length - 1)] ?? undefined;
      const level = levels[Math.min(n, levels.length - 1)] ?? 0;
      return { time: written === undefined ? time : parseMicros(written), level, message };
    }),
  }));
}

const endStatement: Statement = {
  name: "log_end",
  text: `select dropped, append_time "time", case when dropped is null then first_line + lines else coalesce((
        select b.first_line + b.lines from log_part b where b.task_id = $1 and b.attempt = $2 and b.lines > 0 order by b.first_line desc limit 1), 0) end "end"
    from log_part where task_id = $1 and attempt = $2 order by first_line desc limit 1`,
};

/** Where the log of an attempt ends: the number behind its last line; how many lines were dropped there, and when, of an attempt that is not the newest. */
export async function getLogEnd(
  db: Pick<Database, "readByKey">,
  id: bigint,
  attempt: number,
): Promise<{ readonly end: number; readonly dropped: bigint | null; readonly time: Micros } | undefined> {
  const rows = await db.readByKey<{ end: number; dropped: bigint | null; time: Micros }>(endStatement, [id, attempt]);
  return rows[0];
}

const forgetStatement: Statement = { name: "forget_logs", text: "select * from mp_forget_logs($1, $2, $3, $4, $5)" };

/**
 * Forgets logs of tasks that ended longer than `keepMs` ago, a bounded step: of tasks with ids between two. Answers how many, and behind which id to go on;
 * undefined: that was all, or another server is about it.
 */
export async function forgetLogs(
  db: Database,
  step: { keepMs: number; after: bigint; below: bigint; tasksMax: number; linesMax: number },
): Promise<{ readonly forgotten: number; readonly after: bigint | undefined }> {
  const values = [step.keepMs, step.after, step.below, step.tasksMax, step.linesMax];
  const [row] = await db.write<{ o_after: bigint | null; o_forgotten: number }>(forgetStatement, values);
  return { forgotten: row?.o_forgotten ?? 0, after: row?.o_after ?? undefined };
}

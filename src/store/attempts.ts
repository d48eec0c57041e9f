import type { Place, PlacePool, StartedTask } from "../domain/places.ts";
import { plainReport, type Report } from "../domain/report.ts";
import type { Micros } from "../domain/task.ts";
import { column, shortColumn, sparseColumn } from "./columns.ts";
import { type Database, type Statement, sqlState } from "./database.ts";
import { type Outcome, type OutcomeRow, outcomeOf } from "./outcome.ts";
import { checkReplay, type RequestKey, requestValues } from "./requests.ts";
import { placeArrays, type StartedRow, slotsValue, startedOf } from "./slots.ts";

/** Which tasks a call changed, and what is to happen now. */
export interface Taken extends Outcome {
  readonly taken: ReadonlySet<bigint>;
}

/** What a report was taken to: the status and the attempt of its task then. */
export interface ReportedTask {
  readonly status: number;
  readonly attempt: number;
}

/** Which reports were taken, and what was started in the same transaction. */
export interface Reported extends Outcome {
  readonly taken: ReadonlyMap<bigint, ReportedTask>;
  readonly started: readonly StartedTask[];
}

interface ReportedRow extends OutcomeRow, StartedRow {
  o_taken: bigint[];
  o_statuses: number[] | null;
  o_attempts: number[] | null;
}

const reportStatement: Statement = {
  name: "report_tasks",
  text: `select r.*, mp_handed_over(r.o_started, r.o_started_attempts) o_handed_over
    from mp_report($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) r`,
};

/**
 * Writes reports and all that follows from them, in one transaction. At most one report per task; in the order of ids. What becomes ready takes
 * the places of `pools`.
 */
export async function reportTasks(
  db: Database,
  reports: readonly Report[],
  pools?: readonly PlacePool[],
): Promise<Reported> {
  const values = [
    column(reports, (report) => report.id),
    shortColumn(reports, (report) => report.attempt),
    shortColumn(reports, (report) => report.action),
    sparseColumn(reports, (report) => report.output, plainReport.output),
    sparseColumn(reports, (report) => report.cause, plainReport.cause),
    sparseColumn(reports, (report) => report.message, plainReport.message),
    sparseColumn(reports, (report) => report.code, plainReport.code),
    sparseColumn(reports, (report) => report.details, plainReport.details),
    sparseColumn(reports, (report) => report.progress, plainReport.progress),
    sparseColumn(reports, (report) => report.successCount, plainReport.successCount),
    sparseColumn(reports, (report) => report.failureCount, plainReport.failureCount),
    sparseColumn(reports, (report) => report.nonRetryable, plainReport.nonRetryable),
    sparseColumn(reports, (report) => report.retryDelayMs, plainReport.retryDelayMs),
    sparseColumn(reports, (report) => report.cancelWebhook, plainReport.cancelWebhook),
    slotsValue(pools),
  ];
  const [row] = await db.write<ReportedRow>(reportStatement, values);
  const taken = new Map(
    (row?.o_taken ?? []).map((id, n) => [
      id,
      { status: row?.o_statuses?.[n] ?? 0, attempt: row?.o_attempts?.[n] ?? 0 },
    ]),
  );
  return { taken, started: startedOf(row), ...outcomeOf(row) };
}

const changeStatements = {
  cancel: { name: "cancel_tasks", text: "select * from mp_cancel_tasks($1, $2, $3, $4, $5)" },
  pause: { name: "pause_tasks", text: "select * from mp_pause_tasks($1, $2, $3, $4)" },
  resume: { name: "resume_tasks", text: "select * from mp_resume_tasks($1, $2, $3, $4)" },
} as const satisfies Record<string, Statement>;

/** Which tasks a call took, and which it did not with the status that each had: as they stood then, also where the call is repeated. */
export interface ItemsTaken extends Taken {
  readonly refused: ReadonlyMap<bigint, number>;
}

/** The part of a database function's answer that {@link itemsTakenOf} reads. */
export interface ItemsTakenRow extends OutcomeRow {
  o_taken: bigint[];
  o_refused: bigint[];
  o_refused_statuses: number[];
  o_replayed_hash: Buffer | null;
}

/** Reads which tasks a call took; fails with REQUEST_ID_REUSED. */
export function itemsTakenOf(request: RequestKey, row: ItemsTakenRow): ItemsTaken {
  checkReplay(request, row.o_replayed_hash);
  const refused = new Map(row.o_refused.map((id, n) => [id, row.o_refused_statuses[n] as number]));
  return { taken: new Set(row.o_taken), refused, ...outcomeOf(row) };
}

/** Cancels, holds or lets go tasks, with all that follows, in one transaction. A `reason` is only for a cancellation. */
export async function changeTasks(
  db: Database,
  request: RequestKey,
  change: { case: keyof typeof changeStatements; ids: readonly bigint[]; reason: string },
): Promise<ItemsTaken> {
  const values = [...requestValues(request), change.ids, ...(change.case === "cancel" ? [change.reason] : [])];
  const rows = await db.write<ItemsTakenRow>(changeStatements[change.case], values);
  return itemsTakenOf(request, rows[0] as ItemsTakenRow);
}

const claimStatement: Statement = {
  name: "claim_tasks",
  text: "select * from mp_claim_tasks($1, $2, $3, $4, $5, $6)",
};

/** What a claim took, on which places, and whether a further look is worth while. */
export interface Claimed {
  readonly tasks: readonly StartedTask[];
  readonly more: boolean;
  /** When it was made, as the tasks have it; undefined: it took none. */
  readonly time: Micros | undefined;
  /** Those of which something is not as it was at their creation: by edits, counts or earlier attempts. */
  readonly changed: ReadonlySet<bigint>;
  /** Where it stopped among those who take turns in the queues, for the next claim from these; null: nobody does. */
  readonly turns: unknown;
}

/** Takes tasks that may start, the most urgent first: for workers, one for each place, or (a number) for so many calls of start webhooks. */
export async function claimTasks(
  db: Database,
  { queues, places, turns = null }: { queues: readonly number[]; places: readonly Place[] | number; turns?: unknown },
): Promise<Claimed> {
  interface Row {
    o_ids: bigint[];
    o_attempts: number[];
    o_places: number[];
    o_more: boolean;
    o_turns: unknown;
    o_time: Micros | null;
    o_changed: bigint[] | null;
  }
  const [max, arrays] =
    typeof places === "number" ? [places, { workers: null, leases: null }] : [places.length, placeArrays(places)];
  const values = [queues, max, arrays.workers, arrays.leases, turns === null ? null : JSON.stringify(turns)];
  const rows = await db.write<Row>(claimStatement, [...values, false]).catch((error: unknown) => {
    // What seemed to have plenty of room has been filled meanwhile.
    if (sqlState(error) !== "MP006") throw error;
    return db.write<Row>(claimStatement, [...values, true]);
  });
  const row = rows[0] as Row;
  const tasks = row.o_ids.map((id, n) => {
    const place = (row.o_places[n] ?? 1) - 1;
    return { id, attempt: row.o_attempts[n] ?? 0, place };
  });
  return {
    tasks: tasks.sort((a, b) => a.place - b.place),
    more: row.o_more,
    time: row.o_time ?? undefined,
    changed: new Set(row.o_changed ?? []),
    turns: row.o_turns,
  };
}

const extendStatement: Statement = { name: "extend_leases", text: "select * from mp_extend_leases($1, $2, $3, $4)" };

/** Extends leases; answers until when, for those that the worker still holds. */
export async function extendLeases(
  db: Database,
  extension: { ids: readonly bigint[]; attempts: readonly number[]; worker: number; leaseMs: number },
): Promise<Map<bigint, Micros>> {
  const rows = await db.write<{ o_task_id: bigint; o_lease_until: Micros }>(extendStatement, [
    extension.ids,
    extension.attempts,
    extension.worker,
    extension.leaseMs,
  ]);
  return new Map(rows.map((row) => [row.o_task_id, row.o_lease_until]));
}

const fireTimersStatement: Statement = { name: "fire_timers", text: "select * from mp_fire_timers($1, $2)" };

/** Looks at what is due, at most so many timers and tasks. Answers whether there is more, when the next timer is due, and what is to happen now. */
export async function fireTimers(
  db: Database,
  { rowsMax, tasksMax }: { rowsMax: number; tasksMax: number },
): Promise<Outcome & { readonly rows: number; readonly more: boolean; readonly next: Micros | undefined }> {
  interface Row extends OutcomeRow {
    o_rows: number | null;
    o_more: boolean | null;
    o_next: Micros | null;
  }
  const [row] = await db.write<Row>(fireTimersStatement, [rowsMax, tasksMax]);
  return { rows: row?.o_rows ?? 0, more: row?.o_more ?? false, next: row?.o_next ?? undefined, ...outcomeOf(row) };
}

const followUpStatement: Statement = { name: "follow_up", text: "select * from mp_follow_up($1)" };

/** Does what a change has left to be done; nothing where another one has done it. */
export async function followUp(db: Database, id: bigint): Promise<Outcome> {
  return outcomeOf((await db.write<OutcomeRow>(followUpStatement, [id]))[0]);
}

const pendingFollowUpsStatement: Statement = {
  name: "pending_follow_ups",
  text: "select id from follow_up order by id limit $1",
};

/** What is left to be done, the oldest first. */
export async function pendingFollowUps(db: Pick<Database, "read">, max: number): Promise<bigint[]> {
  return (await db.read<{ id: bigint }>(pendingFollowUpsStatement, [max])).map((row) => row.id);
}

const releaseStatement: Statement = { name: "release_tasks", text: "select * from mp_release($1, $2)" };

/** Gives back attempts that nobody has been told of; answers the queues that they are in again. */
export async function releaseTasks(
  db: Database,
  tasks: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<readonly number[]> {
  const sorted = tasks.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const rows = await db.write<{ o_ready: number[] | null }>(releaseStatement, [
    sorted.map((task) => task.id),
    sorted.map((task) => task.attempt),
  ]);
  return rows[0]?.o_ready ?? [];
}

const readyQueuesStatement: Statement = {
  name: "ready_queues",
  text: `select q.queue from unnest($1::integer[]) q(queue)
    where exists (select from ready r where r.queue = q.queue) or exists (select from ready_run r where r.queue = q.queue)`,
};

/** Which of some queues have something to start. */
export async function queuesWithReadyTasks(db: Database, queues: readonly number[]): Promise<number[]> {
  return (await db.read<{ queue: number }>(readyQueuesStatement, [queues])).map((row) => row.queue);
}

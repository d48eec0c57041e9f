import type { Report } from "../domain/report.ts";
import type { Micros } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";
import { checkReplay, type RequestKey, requestValues } from "./requests.ts";

/** Which tasks a call changed, and which queues have something to start. */
export interface Taken {
  readonly taken: ReadonlySet<bigint>;
  readonly readyQueues: readonly number[];
}

interface TakenRow {
  o_taken: bigint[];
  o_ready: number[] | null;
}

const reportStatement: Statement = {
  name: "report_tasks",
  text: "select * from mp_report($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
};

/** Writes reports and all that follows from them, in one transaction. At most one report per task; in the order of ids. */
export async function reportTasks(db: Database, reports: readonly Report[]): Promise<Taken> {
  const column = <K extends keyof Report>(name: K): Report[K][] => reports.map((report) => report[name]);
  const columns = [
    "id",
    "attempt",
    "action",
    "output",
    "cause",
    "message",
    "code",
    "details",
    "progress",
    "successCount",
    "failureCount",
  ] as const;
  return takenOf(await db.write<TakenRow>(reportStatement, columns.map(column)));
}

const cancelStatement: Statement = { name: "cancel_tasks", text: "select * from mp_cancel_tasks($1, $2, $3, $4, $5)" };

/** Cancels tasks and all that follows, in one transaction. */
export async function cancelTasks(
  db: Database,
  request: RequestKey,
  cancel: { ids: readonly bigint[]; reason: string },
): Promise<Taken> {
  const rows = await db.write<TakenRow & { o_replayed_hash: Buffer | null }>(cancelStatement, [
    ...requestValues(request),
    cancel.ids,
    cancel.reason,
  ]);
  checkReplay(request, rows[0]?.o_replayed_hash ?? null);
  return takenOf(rows);
}

function takenOf(rows: readonly TakenRow[]): Taken {
  return { taken: new Set(rows[0]?.o_taken), readyQueues: rows[0]?.o_ready ?? [] };
}

const claimStatement: Statement = { name: "claim_tasks", text: "select * from mp_claim($1, $2, $3, $4)" };

/** What a claim took, and whether a further look is worth while. */
export interface Claimed {
  readonly tasks: readonly { readonly id: bigint; readonly attempt: number }[];
  readonly more: boolean;
}

/** Takes tasks that may start: for a worker under a lease, or (without one) for their start webhooks. */
export async function claimTasks(
  db: Database,
  claim: { queues: readonly number[]; max: number; worker: number | undefined; leaseMs: number },
): Promise<Claimed> {
  interface Row {
    o_ids: bigint[];
    o_attempts: number[];
    o_more: boolean;
  }
  const rows = await db.write<Row>(claimStatement, [claim.queues, claim.max, claim.worker ?? null, claim.leaseMs]);
  const row = rows[0] as Row;
  return { tasks: row.o_ids.map((id, n) => ({ id, attempt: row.o_attempts[n] ?? 0 })), more: row.o_more };
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

const fireTimersStatement: Statement = { name: "fire_timers", text: "select * from mp_fire_timers($1)" };

/** Looks at what is due. Answers how many timers there were, and which queues have something to start. */
export async function fireTimers(
  db: Database,
  rowsMax: number,
): Promise<{ rows: number; readyQueues: readonly number[] }> {
  const rows = await db.write<{ o_rows: number | null; o_ready: number[] }>(fireTimersStatement, [rowsMax]);
  return { rows: rows[0]?.o_rows ?? 0, readyQueues: rows[0]?.o_ready ?? [] };
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
  text: "select q.queue from unnest($1::integer[]) q(queue) where exists (select from ready r where r.queue = q.queue)",
};

/** Which of some queues have something to start. */
export async function queuesWithReadyTasks(db: Database, queues: readonly number[]): Promise<number[]> {
  return (await db.read<{ queue: number }>(readyQueuesStatement, [queues])).map((row) => row.queue);
}

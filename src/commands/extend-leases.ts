import { MillpondError } from "../domain/errors.ts";
import { isToStop, type Micros, type TaskState } from "../domain/task.ts";
import { hasEnded, taskStatusName } from "../domain/task-status.ts";
import { extendLeases as writeExtension } from "../store/attempts.ts";
import { getTaskStates } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";
import { taskEnded } from "./report-tasks.ts";

/** ExtendLeases: `undefined` ids are those that no task can have. */
export interface ExtendLeases {
  readonly workerName: string;
  readonly leases: readonly { readonly id: bigint | undefined; readonly attempt: number }[];
  readonly leaseMs: number;
}

/** What became of one lease. */
export interface LeaseResult {
  readonly leaseUntil: Micros | undefined;
  readonly error: MillpondError | undefined;
  /** The status of the task, where the lease was not extended. */
  readonly status: number | undefined;
  readonly cancelRequested: boolean;
  /** Why the attempt is over, where that is known. */
  readonly reason?: string | undefined;
}

/**
 * Extends the leases that a worker holds, a sign of life. Results in order: TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, or LEASE_LOST where it
 * ran out or another worker has the task.
 */
export async function extendLeases(engine: Engine, command: ExtendLeases): Promise<LeaseResult[]> {
  const worker = await engine.dictionaries.internWorker(engine.namespaceId, command.workerName);
  const wanted = new Map<string, { id: bigint; attempt: number }>();
  for (const { id, attempt } of command.leases) if (id !== undefined) wanted.set(`${id} ${attempt}`, { id, attempt });
  const sorted = [...wanted.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const extended = await writeExtension(engine.db, {
    ids: sorted.map((lease) => lease.id),
    attempts: sorted.map((lease) => lease.attempt),
    worker,
    leaseMs: command.leaseMs,
  });
  // Of a task that was named with several attempts, the state tells which of them was extended.
  const known = new Set<bigint>();
  const unclear = sorted.flatMap(({ id }) => {
    const twice = known.has(id);
    known.add(id);
    return twice || !extended.has(id) ? [id] : [];
  });
  const rows = unclear.length === 0 ? [] : await getTaskStates(engine.db, engine.namespaceId, [...new Set(unclear)]);
  const states = new Map(rows.map((row) => [row.id, row]));
  return command.leases.map(({ id = 0n, attempt }) => {
    const state = states.get(id);
    const leaseUntil = extended.get(id);
    const isKept = leaseUntil !== undefined && (state === undefined || state.attempt === attempt);
    return isKept ? { ...kept, leaseUntil } : refusal(attempt, state);
  });
}

const kept = { error: undefined, status: undefined, cancelRequested: false };

/** Why a lease was not extended, from its task as it stands; undefined: there is none. */
export function refusal(attempt: number, state: TaskState | undefined): LeaseResult {
  if (state === undefined) {
    const error = new MillpondError("TASK_NOT_FOUND", "there is no such task");
    return { ...kept, leaseUntil: undefined, error };
  }
  const status = taskStatusName(state.status);
  const metadata = { status, current_attempt: String(state.attempt) };
  const cancelRequested = isToStop(state);
  const reason = state.cancelReason ?? state.message ?? undefined;
  const refused = { leaseUntil: undefined, status: state.status, cancelRequested, reason };
  if (attempt !== state.attempt) {
    const message = `attempt ${attempt} is not the task's any more (it is ${status}, attempt ${state.attempt}); stop working on it`;
    return { ...refused, error: new MillpondError("STALE_ATTEMPT", message, { metadata }) };
  }
  if (hasEnded(state.status)) return { ...refused, error: taskEnded(state.status) };
  const message = `the lease is not held any more: the task is ${status}, attempt ${state.attempt}; stop working on it`;
  return { ...refused, error: new MillpondError("LEASE_LOST", message, { metadata }) };
}

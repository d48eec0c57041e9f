import { MillpondError } from "../domain/errors.ts";
import { hasEnded, TaskStatus, taskStatusName } from "../domain/task-status.ts";
import { changeTasks as writeChange } from "../store/attempts.ts";
import { retryTaken } from "../store/requests.ts";
import { getTaskStates } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";
import { ending, finish } from "./follow-ups.ts";
import { type ItemResult, taskEnded } from "./report-tasks.ts";

/** CancelTasks, PauseTasks or ResumeTasks: `undefined` ids are those that no task can have. */
export interface ChangeTasks {
  readonly case: "cancel" | "pause" | "resume";
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly ids: readonly (bigint | undefined)[];
  /** Why they are canceled. */
  readonly reason: string;
}

/**
 * Cancels tasks that have not ended, holds those that are WAITING or PENDING, or lets held ones go, with all that follows, in one transaction.
 * Results per item, in the order of the ids: TASK_NOT_FOUND, TASK_ENDED, ILLEGAL_TRANSITION. Fails whole with REQUEST_ID_REUSED.
 */
export async function changeTasks(engine: Engine, command: ChangeTasks): Promise<ItemResult[]> {
  const ids = distinctIds(command.ids);
  const request = { namespaceId: engine.namespaceId, requestId: command.requestId, bodyHash: command.bodyHash };
  const { taken, refused, ...outcome } = await retryTaken(() => writeChange(engine.db, request, { ...command, ids }));
  await finish(engine, command.case === "cancel" ? ending(outcome) : outcome);
  return itemResults(engine, command.ids, (id) =>
    taken.has(id) ? undefined : refusals[command.case](refused.get(id) ?? 0),
  );
}

/** The ids of a call without repetitions and those that no task can have, in their order. */
export function distinctIds(ids: readonly (bigint | undefined)[]): bigint[] {
  return [...new Set(ids.filter((id) => id !== undefined))].sort((a, b) => (a < b ? -1 : 1));
}

/** What became of each item of a call, with its task as it stands; `refuse` says why one was refused. */
export async function itemResults(
  engine: Engine,
  ids: readonly (bigint | undefined)[],
  refuse: (id: bigint) => MillpondError | undefined,
): Promise<ItemResult[]> {
  const rows = await getTaskStates(engine.db, engine.namespaceId, distinctIds(ids));
  const states = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const state = id === undefined ? undefined : states.get(id);
    if (state === undefined) return { state, error: new MillpondError("TASK_NOT_FOUND", "there is no such task") };
    return { state, error: refuse(state.id) };
  });
}

const refusals: Record<ChangeTasks["case"], (status: number) => MillpondError> = {
  cancel: taskEnded,
  pause: (status) =>
    hasEnded(status)
      ? taskEnded(status)
      : illegal(status, TaskStatus.PAUSED, "only one that is WAITING or PENDING can be held; CancelTasks stops it"),
  resume: (status) =>
    hasEnded(status) ? taskEnded(status) : illegal(status, TaskStatus.PENDING, "it is not held; PauseTasks holds it"),
};

/** The refusal of a change that the state of a task does not allow. */
export function illegal(from: number, to: number, why: string): MillpondError {
  const [fromName, toName] = [taskStatusName(from), taskStatusName(to)];
  const what = from === to ? `the task is ${fromName}` : `a task that is ${fromName} cannot become ${toName}`;
  return new MillpondError("ILLEGAL_TRANSITION", `${what}: ${why}`, {
    metadata: { from: fromName, to: toName },
  });
}

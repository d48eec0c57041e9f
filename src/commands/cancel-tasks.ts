import { MillpondError } from "../domain/errors.ts";
import { cancelTasks as writeCancel } from "../store/attempts.ts";
import { retryTaken } from "../store/requests.ts";
import { getTaskStates } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";
import { type ItemResult, taskEnded } from "./report-tasks.ts";

/** CancelTasks: `undefined` ids are those that no task can have. */
export interface CancelTasks {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly ids: readonly (bigint | undefined)[];
  readonly reason: string;
}

/**
 * Cancels tasks that have not ended, and brings down what depends on them, in one transaction.
 * Results per item, in the order of the ids: TASK_NOT_FOUND, TASK_ENDED. Fails whole with REQUEST_ID_REUSED.
 */
export async function cancelTasks(engine: Engine, command: CancelTasks): Promise<ItemResult[]> {
  const ids = [...new Set(command.ids.filter((id) => id !== undefined))].sort((a, b) => (a < b ? -1 : 1));
  const request = { namespaceId: engine.namespaceId, requestId: command.requestId, bodyHash: command.bodyHash };
  const { taken, readyQueues } = await retryTaken(() =>
    writeCancel(engine.db, request, { ids, reason: command.reason }),
  );
  engine.committed(readyQueues);
  const states = new Map((await getTaskStates(engine.db, engine.namespaceId, ids)).map((row) => [row.id, row]));
  return command.ids.map((id) => {
    const state = id === undefined ? undefined : states.get(id);
    if (state === undefined) return { state, error: new MillpondError("TASK_NOT_FOUND", "there is no such task") };
    return { state, error: taken.has(state.id) ? undefined : taskEnded(state.status) };
  });
}

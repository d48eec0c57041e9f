import { MillpondError } from "../domain/errors.ts";
import type { LogLine } from "../domain/log.ts";
import { isToStop } from "../domain/task.ts";
import { TaskStatus, taskStatusName } from "../domain/task-status.ts";
import { type RequestKey, retryTaken } from "../store/requests.ts";
import { getTaskStates } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";

/** AppendLogs: an `undefined` id is one that no task can have. */
export interface AppendLogs {
  readonly request: Omit<RequestKey, "namespaceId">;
  readonly id: bigint | undefined;
  /** 0: the newest one. */
  readonly attempt: number;
  /** At least one. */
  readonly lines: readonly LogLine[];
}

/** What AppendLogs did: whether lines of the attempt have been dropped, and whether its executor should stop. */
export interface LogsAppended {
  readonly truncated: boolean;
  readonly cancelRequested: boolean;
}

/**
 * Appends lines to the log of the newest attempt of a task, all in one transaction that calls for other tasks may share; a sign of life while it runs. What is beyond
 * the bound of the task is dropped and counted. An attempt that is over still takes lines, until another one begins: why it ended is what its last lines tell.
 * Fails with TASK_NOT_FOUND, STALE_ATTEMPT, REQUEST_ID_REUSED, and LIMIT_EXCEEDED where too many calls wait.
 */
export async function appendLogs(engine: Engine, command: AppendLogs): Promise<LogsAppended> {
  const { id, attempt, lines } = command;
  if (id === undefined) throw taskNotFound();
  const request = { namespaceId: engine.namespaceId, ...command.request };
  const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line.message), 0);
  const { state, appended, error } = await retryTaken(() => engine.logs.submit({ request, id, attempt, lines, bytes }));
  if (error !== undefined) throw error;
  if (state === undefined) throw taskNotFound();
  if (appended === undefined) throw staleAttempt(attempt, state);
  const isUnderWay = state.status === TaskStatus.RUNNING || state.status === TaskStatus.CLAIMED;
  const [now] = isUnderWay ? [] : await getTaskStates(engine.db, engine.namespaceId, [id]);
  return { truncated: appended.truncated, cancelRequested: now !== undefined && isToStop(now) };
}

function taskNotFound(): MillpondError {
  return new MillpondError("TASK_NOT_FOUND", "there is no such task");
}

function staleAttempt(given: number, state: { readonly status: number; readonly attempt: number }): MillpondError {
  const status = taskStatusName(state.status);
  const metadata = { status, current_attempt: String(state.attempt) };
  const message =
    state.attempt === 0
      ? `the task has had no attempt yet (it is ${status}): there is nothing that could have logged`
      : `attempt ${given} is not the task's newest (it is ${status}, attempt ${state.attempt}); stop working on it`;
  return new MillpondError("STALE_ATTEMPT", message, { metadata });
}

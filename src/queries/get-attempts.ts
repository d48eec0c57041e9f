import type { AttemptRecord, Task } from "../domain/task.ts";
import { TaskStatus } from "../domain/task-status.ts";
import type { Database } from "../store/database.ts";
import { listAttempts } from "../store/tasks.ts";

const attemptsMax = 100;

/** The history of a task's attempts, the oldest first: the newest hundred. Of the current one nothing may be kept yet: it is as the task stands. */
export async function getAttempts(db: Database, task: Task): Promise<AttemptRecord[]> {
  const kept =
    task.attempt === 0 && task.edits === 0 && task.endTime === null ? [] : await listAttempts(db, task.id, attemptsMax);
  // A canceled task that was never claimed, and one that was brought down, have a record of how they ended.
  if (task.attempt === 0 || kept.some((record) => record.attempt === task.attempt)) return kept;
  const wasGivenBack = task.status === TaskStatus.PENDING || task.status === TaskStatus.WAITING;
  if (wasGivenBack || task.claimTime === null) return kept;
  const current: AttemptRecord = {
    ...{ attempt: task.attempt, status: task.endTime === null ? null : task.status, worker: task.worker },
    ...{
      claimTime: task.claimTime,
      startTime: task.runTime,
      endTime: task.endTime,
      cause: null,
      culprit: null,
      message: null,
      code: null,
    },
    ...{ details: null, progress: null },
  };
  return [...kept, current].slice(-attemptsMax);
}

import { MillpondError } from "../domain/errors.ts";
import type { Task } from "../domain/task.ts";
import { CallGroups } from "../lib/call-groups.ts";
import type { Database } from "../store/database.ts";
import { getTasks } from "../store/tasks.ts";

/** Reads of single tasks: those of several calls are one statement. */
export type TaskReads = CallGroups<bigint, Task | undefined>;

/** Each may have an input and an output of a megabyte. */
const tasksPerReadMax = 32;
const readsInFlightMax = 2;
const callsWaitingMax = 20_000;

/** Reads tasks of a namespace for calls that ask for one each. */
export function createTaskReads(db: Database, namespaceId: number): TaskReads {
  return new CallGroups({
    ...{ inFlightMax: readsInFlightMax, patienceMs: 1_000, slowMax: 1 },
    ...{ waitingMax: callsWaitingMax, isOneToBlame: () => false },
    overflow: () => {
      const message = `${callsWaitingMax} calls wait for a task already; try again later`;
      return new MillpondError("LIMIT_EXCEEDED", message, {
        metadata: { limit: String(callsWaitingMax) },
        retryDelayMs: 1_000,
      });
    },
    begin: () => {
      let count = 0;
      return { add: () => ++count <= tasksPerReadMax };
    },
    run: async (ids) => {
      const tasks = new Map((await getTasks(db, namespaceId, [...new Set(ids)])).map((task) => [task.id, task]));
      return ids.map((id) => tasks.get(id));
    },
  });
}

/** Reads a task. Fails with TASK_NOT_FOUND. */
export async function getTask(reads: TaskReads, id: bigint): Promise<Task> {
  const task = await reads.submit(id);
  if (task === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
  return task;
}

import { MillpondError } from "../domain/errors.ts";
import type { Task } from "../domain/task.ts";
import type { Database } from "../store/database.ts";
import { getTasks } from "../store/tasks.ts";

/** Reads a task. Fails with TASK_NOT_FOUND. */
export async function getTask(db: Database, namespaceId: number, id: bigint): Promise<Task> {
  const [task] = await getTasks(db, namespaceId, [id]);
  if (task === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
  return task;
}

import type { Parent, Task } from "../domain/task.ts";
import type { Database } from "../store/database.ts";
import { getParents, getTasks } from "../store/tasks.ts";

/** What an executor is handed for one attempt. */
export interface LoadedAssignment {
  readonly task: Task;
  readonly parents: readonly Parent[];
}

/**
 * Reads what was claimed, with what the parents left. An attempt that is over already (canceled meanwhile, or taken back) is left out.
 */
export async function loadAssignments(
  db: Database,
  namespaceId: number,
  claimed: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<LoadedAssignment[]> {
  const ids = claimed.map((task) => task.id);
  const [tasks, parents] = await Promise.all([getTasks(db, namespaceId, ids), getParents(db, ids)]);
  const attempts = new Map(claimed.map((task) => [task.id, task.attempt]));
  const byChild = new Map<bigint, Parent[]>();
  for (const parent of parents) {
    const siblings = byChild.get(parent.child) ?? [];
    siblings.push(parent);
    byChild.set(parent.child, siblings);
  }
  return tasks.flatMap((task) =>
    task.attempt === attempts.get(task.id) ? [{ task, parents: byChild.get(task.id) ?? [] }] : [],
  );
}

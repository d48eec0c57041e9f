import type { Workflow, WorkflowTask } from "./workflow-file.ts";

/** CriticalPath is the chain of a workflow that takes longest by the recorded run times: no number of slots beats it. */
export interface CriticalPath {
  readonly tasks: readonly WorkflowTask[];
  readonly seconds: number;
}

/**
 * criticalPath finds the longest chain in one pass in topological order. Tasks in a circle, and parents that do not
 * exist, are left out: the server refuses such a graph with an error that says more.
 */
export function criticalPath({ tasks }: Workflow): CriticalPath {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const children = new Map<string, WorkflowTask[]>();
  const waitsFor = new Map<string, number>();
  for (const task of tasks) {
    const parents = task.parents.filter((id) => byId.has(id));
    waitsFor.set(task.id, parents.length);
    for (const id of parents) {
      const siblings = children.get(id);
      if (siblings) siblings.push(task);
      else children.set(id, [task]);
    }
  }

  const longest = new Map<string, { seconds: number; previous: WorkflowTask | undefined }>();
  const queue = tasks.filter(({ id }) => waitsFor.get(id) === 0);
  let last: WorkflowTask | undefined;
  for (const task of queue) {
    const before = longest.get(task.id) ?? { seconds: 0, previous: undefined };
    const reached = { seconds: before.seconds + task.runtimeSeconds, previous: before.previous };
    longest.set(task.id, reached);
    if (!last || reached.seconds > (longest.get(last.id)?.seconds ?? 0)) last = task;
    for (const child of children.get(task.id) ?? []) {
      const known = longest.get(child.id);
      if (!known || reached.seconds > known.seconds) {
        longest.set(child.id, { seconds: reached.seconds, previous: task });
      }
      const left = (waitsFor.get(child.id) ?? 0) - 1;
      waitsFor.set(child.id, left);
      if (left === 0) queue.push(child);
    }
  }

  const path: WorkflowTask[] = [];
  for (let task = last; task; task = longest.get(task.id)?.previous) path.unshift(task);
  return { tasks: path, seconds: (last && longest.get(last.id)?.seconds) ?? 0 };
}

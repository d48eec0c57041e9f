import type { Parent, TaskAssignment } from "../domain/task.ts";
import { type AssignmentSource, getAssignedTasks, getParents } from "../store/assigned-tasks.ts";

/** A claimed attempt. */
export interface ClaimedTask {
  readonly id: bigint;
  readonly attempt: number;
  /** What is handed for it, where that is known already. */
  readonly assignment?: TaskAssignment | undefined;
}

const answerBytesMax = 3 * 1024 * 1024;
/** So many tasks that commits have told of, each up to 64 KiB, fit in an answer together. */
const handedOverMax = 32;
/** Of so few tasks the parents are read at the same time, whether or not they have any: that is quicker than to know. */
const fewTasks = 4;

/**
 * Reads what was claimed, with what the parents left, the most urgent first: as many as fit in an answer that every gRPC client accepts, at least one.
 * `left` are the others; they are to be given back (an attempt that is over meanwhile stays as it is).
 */
export async function loadAssignments(
  source: AssignmentSource,
  claimed: readonly ClaimedTask[],
): Promise<{ loaded: readonly TaskAssignment[]; left: readonly ClaimedTask[] }> {
  const handedOver = claimed.length > handedOverMax ? [] : claimed.flatMap(({ assignment }) => assignment ?? []);
  if (handedOver.length === claimed.length) return { loaded: handedOver, left: [] };
  const reading = getAssignedTasks(source, claimed);
  const isFew = claimed.length <= fewTasks;
  const [tasks, early] = await Promise.all([
    reading,
    isFew
      ? getParents(
          source.db,
          claimed.map(({ id }) => id),
        )
      : [],
  ]);
  const children = tasks.flatMap((task) => (task.parents === null ? [] : [task.id]));
  const byChild = new Map<bigint, { parents: Parent[]; total: bigint }>();
  for (const parent of isFew || children.length === 0 ? early : await getParents(source.db, children)) {
    const known = byChild.get(parent.child) ?? { parents: [], total: 0n };
    known.parents.push(parent);
    known.total = parent.total;
    byChild.set(parent.child, known);
  }
  let outputs = 0n;
  const end = tasks.findIndex((task, n) => {
    outputs = byChild.get(task.id)?.total ?? outputs;
    return n > 0 && task.total + Number(outputs) > answerBytesMax;
  });
  const fitting = end === -1 ? tasks : tasks.slice(0, end);
  const kept = new Set(fitting.map((task) => task.id));
  return {
    loaded: fitting.map((task) => ({ task, parents: byChild.get(task.id)?.parents ?? [] })),
    left: claimed.filter((task) => !kept.has(task.id)),
  };
}

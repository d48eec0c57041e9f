import type { KnownAssignment, Parent, TaskAssignment } from "../domain/task.ts";
import { type AssignmentSource, getAssignedTasks, getParents } from "../store/assigned-tasks.ts";

/** A claimed attempt. */
export interface ClaimedTask {
  readonly id: bigint;
  readonly attempt: number;
  /** What is handed for it, where that is known already. */
  readonly assignment?: KnownAssignment | undefined;
}

const answerBytesMax = 3 * 1024 * 1024;
/** Of so few tasks the parents are read at the same time, whether or not they have any: that is quicker than to know. */
const fewTasks = 4;

/**
 * Reads what was claimed and is not known, with what the parents left, the most urgent first: as many as fit in an answer that every gRPC client accepts, at least one.
 * `left` are the others; they are to be given back (an attempt that is over meanwhile stays as it is).
 */
export async function loadAssignments(
  source: AssignmentSource,
  claimed: readonly ClaimedTask[],
): Promise<{ loaded: readonly TaskAssignment[]; left: readonly ClaimedTask[] }> {
  const read = await readUnknown(source, claimed);
  const loaded: TaskAssignment[] = [];
  const left: ClaimedTask[] = [];
  let bytes = 0;
  for (const task of claimed) {
    const assignment = read.get(task.id) ?? wholeOf(task);
    bytes += assignment?.bytes ?? 0;
    if (assignment !== undefined && (bytes <= answerBytesMax || loaded.length === 0)) loaded.push(assignment);
    else left.push(task);
  }
  return { loaded, left };
}

/** What is known of a task, if that is all of it. */
function wholeOf({ assignment }: ClaimedTask): TaskAssignment | undefined {
  return assignment?.parents === undefined ? undefined : (assignment as TaskAssignment);
}

/** Reads of each what is not known, of as many as fit in one answer. */
async function readUnknown(
  source: AssignmentSource,
  claimed: readonly ClaimedTask[],
): Promise<Map<bigint, TaskAssignment>> {
  const assignments = new Map<bigint, TaskAssignment>();
  const unknown = claimed.filter(({ assignment }) => assignment === undefined);
  const known = claimed.flatMap(({ assignment }) => (assignment?.parents === undefined ? (assignment ?? []) : []));
  const idsOf = (tasks: readonly { readonly id: bigint }[]): bigint[] => tasks.map(({ id }) => id);
  const isFew = unknown.length <= fewTasks;
  const early = isFew ? [...idsOf(known.map(({ task }) => task)), ...idsOf(unknown)] : [];
  const [tasks, parentsOfFew] = await Promise.all([
    unknown.length === 0 ? [] : getAssignedTasks(source, unknown),
    early.length === 0 ? [] : getParents(source.db, early),
  ]);
  const children = idsOf(tasks.filter((task) => task.parents !== null));
  const late = isFew ? [] : [...idsOf(known.map(({ task }) => task)), ...children];
  const parentsOf = groupByChild(late.length === 0 ? parentsOfFew : await getParents(source.db, late));
  let before = 0;
  for (const task of tasks) {
    const { parents, bytes } = parentsOf.get(task.id) ?? none;
    assignments.set(task.id, { task, parents, bytes: task.total - before + bytes });
    before = task.total;
  }
  for (const { task, bytes } of known) {
    const own = parentsOf.get(task.id) ?? none;
    assignments.set(task.id, { task, parents: own.parents, bytes: bytes + own.bytes });
  }
  return assignments;
}

/** What the parents of each task left, and how large their outputs are; rows come in the order of the tasks, with the sum of all until there. */
function groupByChild(
  rows: readonly (Parent & { readonly total: bigint })[],
): Map<bigint, { readonly parents: Parent[]; bytes: number }> {
  const byChild = new Map<bigint, { readonly parents: Parent[]; bytes: number }>();
  let before = 0;
  for (const row of rows) {
    const known = byChild.get(row.child) ?? { parents: [], bytes: 0 };
    known.parents.push(row);
    known.bytes += Number(row.total) - before;
    before = Number(row.total);
    byChild.set(row.child, known);
  }
  return byChild;
}

const none = { parents: [], bytes: 0 } as const;

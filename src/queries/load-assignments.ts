import type { KnownAssignment, Parent, TaskAssignment } from "../domain/task.ts";
import {
  type AssignmentSource,
  getAssignedTasks,
  getParentResults,
  getParents,
  parentsBytesMax,
} from "../store/assigned-tasks.ts";

/** A claimed attempt. */
export interface ClaimedTask {
  readonly id: bigint;
  readonly attempt: number;
  /** What is handed for it, where that is known already. */
  readonly assignment?: KnownAssignment | undefined;
}

const answerBytesMax = 3 * 1024 * 1024;
/** How many the contract lets an answer have. */
const assignmentsMax = 1_000;
/** Of so few tasks the parents are read at the same time, whether or not they have any: that is quicker than to know. */
const fewTasks = 4;

/**
 * Reads what was claimed and is not known, with what the parents left, the most urgent first: as many as fit in an answer that every gRPC client accepts, at least one, and at most a thousand.
 * `left` are the others; they are to be given back (an attempt that is over meanwhile stays as it is).
 */
export async function loadAssignments(
  source: AssignmentSource,
  claimed: readonly ClaimedTask[],
): Promise<{ loaded: readonly TaskAssignment[]; left: readonly ClaimedTask[] }> {
  const first = claimed.slice(0, assignmentsMax);
  const read = await readUnknown(source, first);
  const loaded: TaskAssignment[] = [];
  const left: ClaimedTask[] = [];
  // What is missing behind the last that was read did not fit, or is over: what is less urgent waits for it, too.
  const lastRead = first.findLastIndex(({ id }) => read.has(id));
  let bytes = 0;
  let isFull = false;
  for (const [n, task] of first.entries()) {
    const assignment = read.get(task.id) ?? wholeOf(task);
    bytes += assignment?.bytes ?? 0;
    isFull ||= loaded.length > 0 && (bytes > answerBytesMax || (assignment === undefined && n > lastRead));
    if (assignment !== undefined && !isFull) loaded.push(assignment);
    else left.push(task);
  }
  return { loaded, left: [...left, ...claimed.slice(assignmentsMax)] };
}

/** What is known of a task, if that is all of it. */
function wholeOf({ assignment }: ClaimedTask): TaskAssignment | undefined {
  return assignment?.parents === undefined ? undefined : (assignment as TaskAssignment);
}

/** What the parents of a task left, and how large their outputs are. */
interface Left {
  readonly parents: Parent[];
  bytes: number;
}

/** Reads of each what is not known, of as many as fit in one answer. */
async function readUnknown(
  source: AssignmentSource,
  claimed: readonly ClaimedTask[],
): Promise<Map<bigint, TaskAssignment>> {
  const unknown = claimed.filter(({ assignment }) => assignment === undefined);
  const known = claimed.flatMap(({ assignment }) => (assignment?.parents === undefined ? (assignment ?? []) : []));
  const [read, parentsOfKnown] = await Promise.all([readWhole(source, unknown), readParentsOf(source.db, known)]);
  for (const { task, bytes } of known) {
    const { parents, bytes: outputs } = parentsOfKnown.get(task.id) ?? none;
    read.set(task.id, { task, parents, bytes: bytes + outputs });
  }
  return read;
}

async function readWhole(
  source: AssignmentSource,
  claimed: readonly ClaimedTask[],
): Promise<Map<bigint, TaskAssignment>> {
  const assignments = new Map<bigint, TaskAssignment>();
  if (claimed.length === 0) return assignments;
  const isFew = claimed.length <= fewTasks;
  const [tasks, early] = await Promise.all([
    getAssignedTasks(source, claimed),
    isFew
      ? getParents(
          source.db,
          claimed.map(({ id }) => id),
        )
      : [],
  ]);
  const children = tasks.flatMap((task) => (task.parents === null ? [] : [task.id]));
  const parentsOf = groupByChild(isFew || children.length === 0 ? early : await getParents(source.db, children));
  let before = 0;
  for (const task of tasks) {
    const { parents, bytes } = parentsOf.get(task.id) ?? none;
    assignments.set(task.id, { task, parents, bytes: task.total - before + bytes });
    before = task.total;
  }
  return assignments;
}

/** Reads what the parents of tasks left that are known but for that: each parent once, however many children it has. */
async function readParentsOf(
  db: AssignmentSource["db"],
  known: readonly KnownAssignment[],
): Promise<Map<bigint, Left>> {
  const byChild = new Map<bigint, Left>();
  if (known.length === 0) return byChild;
  const ids = [...new Set(known.flatMap(({ task }) => task.parents ?? []))];
  const results = new Map((await getParentResults(db, ids)).map((result) => [result.id, result]));
  let total = 0;
  for (const { task } of known) {
    const left: Left = { parents: [], bytes: 0 };
    for (const id of task.parents ?? []) {
      const result = results.get(id);
      if (result === undefined) continue;
      const { batchId, key, status, bytes } = result;
      total += bytes;
      left.bytes += bytes;
      const outputOmitted = bytes > 0 && total > parentsBytesMax;
      const output = outputOmitted ? null : result.output;
      left.parents.push({ child: task.id, id, batchId, key, status, output, outputOmitted });
    }
    byChild.set(task.id, left);
  }
  return byChild;
}

/** By task; rows come in the order of the tasks, with the size of all outputs until there. */
function groupByChild(rows: readonly (Parent & { readonly total: bigint })[]): Map<bigint, Left> {
  const byChild = new Map<bigint, Left>();
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

import type { Micros } from "./task.ts";
import { Execution, hasEnded, TaskStatus } from "./task-status.ts";

/** What of a task the graph of its batch depends on. */
export interface GraphTask {
  readonly id: bigint;
  readonly queue: number;
  readonly status: number;
  readonly execution: number;
  /** How long its last attempt ran until it ended, or has been running; null: it has not run. */
  readonly ran: Micros | null;
  readonly parents: readonly bigint[] | null;
  /** Null: every one SUCCESS. */
  readonly parentConditions: readonly number[] | null;
}

/**
 * The graph of a batch, in columns: a task is a place, places are in the order of ids. The edges that lead to a place `n` are
 * those from `firstEdge[n]` to `firstEdge[n + 1]`.
 */
export interface BatchGraph {
  readonly size: number;
  readonly ids: BigInt64Array;
  readonly queues: Int32Array;
  readonly statuses: Uint8Array;
  readonly firstEdge: Uint32Array;
  readonly parentIds: BigInt64Array;
  /** The places of parents; -1: the parent belongs to another batch. */
  readonly parents: Int32Array;
  readonly conditions: Uint8Array;
  /** The number of edges on the longest way from a task without parents in the batch. */
  readonly levels: Int32Array;
  readonly levelCount: number;
  /** How long each runs: recorded of what has ended, else the median of what is recorded of its kind. */
  readonly durations: Float64Array;
  readonly estimated: Uint8Array;
  /** How much later each could end without delaying the end of the batch. */
  readonly slacks: Float64Array;
  /** The places of the critical path, from first to last. */
  readonly criticalPath: Int32Array;
  readonly critical: Uint8Array;
  readonly criticalPathDuration: Micros;
  /** All places, parents before their children. */
  readonly order: Int32Array;
  /** All places by level, then by id. */
  readonly byLevel: Int32Array;
}

type Edges = Pick<BatchGraph, "size" | "firstEdge" | "parentIds" | "parents" | "conditions">;

/**
 * Computes the graph of a batch from its tasks in the order of their ids, in a time that grows with tasks and edges. Of ways of the same
 * duration the critical path is the one with the most tasks, then that of the lowest ids, seen from its end.
 */
export function computeBatchGraph(tasks: readonly GraphTask[], kindOf: (queue: number) => string): BatchGraph {
  const edges = connect(tasks);
  const order = topologicalOrder(edges);
  const levels = levelsOf(edges, order);
  const times = durationsOf(tasks, kindOf);
  const path = pathOf(edges, order, times.durations);
  return {
    ...edges,
    ids: BigInt64Array.from(tasks, (task) => task.id),
    queues: Int32Array.from(tasks, (task) => task.queue),
    statuses: Uint8Array.from(tasks, (task) => task.status),
    ...{ levels, levelCount: levels.reduce((most, level) => Math.max(most, level + 1), 0) },
    ...times,
    ...path,
    ...{ order, byLevel: placesByLevel(levels) },
  };
}

function connect(tasks: readonly GraphTask[]): Edges {
  const size = tasks.length;
  const firstEdge = new Uint32Array(size + 1);
  const places = new Map<bigint, number>();
  for (const [place, task] of tasks.entries()) {
    places.set(task.id, place);
    firstEdge[place + 1] = at(firstEdge, place) + (task.parents?.length ?? 0);
  }
  const count = at(firstEdge, size);
  const parentIds = new BigInt64Array(count);
  const parents = new Int32Array(count);
  const conditions = new Uint8Array(count);
  let edge = 0;
  for (const { parents: ids, parentConditions } of tasks) {
    for (const [n, id] of (ids ?? []).entries()) {
      parentIds[edge] = id;
      parents[edge] = places.get(id) ?? -1;
      conditions[edge] = parentConditions?.[n] ?? 1;
      edge += 1;
    }
  }
  return { size, firstEdge, parentIds, parents, conditions };
}

/** Kahn's algorithm (Kahn 1962). */
function topologicalOrder({ size, firstEdge, parents }: Edges): Int32Array {
  const { firstChild, children } = childrenOf({ size, firstEdge, parents });
  const left = new Int32Array(size);
  const order = new Int32Array(size);
  let found = 0;
  for (let place = 0; place < size; place += 1) {
    for (let edge = at(firstEdge, place); edge < at(firstEdge, place + 1); edge += 1)
      if (at(parents, edge) >= 0) left[place] = at(left, place) + 1;
    if (left[place] === 0) order[found++] = place;
  }
  for (let next = 0; next < found; next += 1) {
    const place = at(order, next);
    for (let n = at(firstChild, place); n < at(firstChild, place + 1); n += 1) {
      const child = at(children, n);
      left[child] = at(left, child) - 1;
      if (left[child] === 0) order[found++] = child;
    }
  }
  if (found < size) throw new Error("the dependencies of a batch form a cycle");
  return order;
}

/** The edges within the batch the other way round. */
function childrenOf({ size, firstEdge, parents }: Pick<Edges, "size" | "firstEdge" | "parents">): {
  firstChild: Uint32Array;
  children: Int32Array;
} {
  const firstChild = new Uint32Array(size + 1);
  for (const parent of parents) if (parent >= 0) firstChild[parent + 1] = at(firstChild, parent + 1) + 1;
  for (let place = 0; place < size; place += 1)
    firstChild[place + 1] = at(firstChild, place + 1) + at(firstChild, place);
  const children = new Int32Array(at(firstChild, size));
  const next = firstChild.slice();
  for (let place = 0; place < size; place += 1) {
    for (let edge = at(firstEdge, place); edge < at(firstEdge, place + 1); edge += 1) {
      const parent = at(parents, edge);
      if (parent < 0) continue;
      children[at(next, parent)] = place;
      next[parent] = at(next, parent) + 1;
    }
  }
  return { firstChild, children };
}

function levelsOf({ size, firstEdge, parents }: Edges, order: Int32Array): Int32Array {
  const levels = new Int32Array(size);
  for (const place of order) {
    let level = 0;
    for (let edge = at(firstEdge, place); edge < at(firstEdge, place + 1); edge += 1) {
      const parent = at(parents, edge);
      if (parent >= 0) level = Math.max(level, at(levels, parent) + 1);
    }
    levels[place] = level;
  }
  return levels;
}

function placesByLevel(levels: Int32Array): Int32Array {
  const next = new Uint32Array(levels.length + 1);
  for (const level of levels) next[level + 1] = at(next, level + 1) + 1;
  for (let level = 0; level < levels.length; level += 1) next[level + 1] = at(next, level + 1) + at(next, level);
  const places = new Int32Array(levels.length);
  for (const [place, level] of levels.entries()) {
    places[at(next, level)] = place;
    next[level] = at(next, level) + 1;
  }
  return places;
}

function durationsOf(
  tasks: readonly GraphTask[],
  kindOf: (queue: number) => string,
): Pick<BatchGraph, "durations" | "estimated"> {
  const recorded = new Map<string, number[]>();
  for (const { queue, status, execution, ran } of tasks) {
    if (ran === null || !hasEnded(status) || execution === Execution.JOIN) continue;
    const kind = kindOf(queue);
    const known = recorded.get(kind);
    if (known === undefined) recorded.set(kind, [Math.max(0, ran)]);
    else known.push(Math.max(0, ran));
  }
  const medians = new Map([...recorded].map(([kind, durations]) => [kind, median(durations)]));
  const durations = new Float64Array(tasks.length);
  const estimated = new Uint8Array(tasks.length);
  for (const [place, { queue, status, execution, ran }] of tasks.entries()) {
    if (execution === Execution.JOIN) continue;
    if (hasEnded(status)) {
      durations[place] = Math.max(0, ran ?? 0);
    } else {
      const running = status === TaskStatus.RUNNING ? (ran ?? 0) : 0;
      durations[place] = Math.max(medians.get(kindOf(queue)) ?? 0, running);
      estimated[place] = 1;
    }
  }
  return { durations, estimated };
}

/** The median, in whole microseconds: sums of durations stay exact. */
function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return at(sorted, middle);
  return Math.floor((at(sorted, middle - 1) + at(sorted, middle)) / 2);
}

/** The critical path method (Kelley and Walker 1959): the earliest ends forwards, the latest ones backwards. */
function pathOf(
  { size, firstEdge, parents }: Edges,
  order: Int32Array,
  durations: Float64Array,
): Pick<BatchGraph, "slacks" | "criticalPath" | "critical" | "criticalPathDuration"> {
  const ends = new Float64Array(size);
  const counts = new Int32Array(size);
  const before = new Int32Array(size).fill(-1);
  const later = (a: number, b: number): boolean => {
    if (b < 0 || at(ends, a) !== at(ends, b)) return b < 0 || at(ends, a) > at(ends, b);
    return at(counts, a) === at(counts, b) ? a < b : at(counts, a) > at(counts, b);
  };
  let last = -1;
  for (const place of order) {
    let best = -1;
    for (let edge = at(firstEdge, place); edge < at(firstEdge, place + 1); edge += 1) {
      const parent = at(parents, edge);
      if (parent >= 0 && later(parent, best)) best = parent;
    }
    before[place] = best;
    ends[place] = (best < 0 ? 0 : at(ends, best)) + at(durations, place);
    counts[place] = (best < 0 ? 0 : at(counts, best)) + 1;
    if (later(place, last)) last = place;
  }
  const critical = new Uint8Array(size);
  const criticalPath = new Int32Array(last < 0 ? 0 : at(counts, last));
  for (let [place, n] = [last, criticalPath.length - 1]; place >= 0; place = at(before, place), n -= 1) {
    criticalPath[n] = place;
    critical[place] = 1;
  }
  const criticalPathDuration = last < 0 ? 0 : at(ends, last);
  const latest = new Float64Array(size).fill(criticalPathDuration);
  for (let n = size - 1; n >= 0; n -= 1) {
    const place = at(order, n);
    const start = at(latest, place) - at(durations, place);
    for (let edge = at(firstEdge, place); edge < at(firstEdge, place + 1); edge += 1) {
      const parent = at(parents, edge);
      if (parent >= 0) latest[parent] = Math.min(at(latest, parent), start);
    }
  }
  return { slacks: latest.map((end, place) => end - at(ends, place)), criticalPath, critical, criticalPathDuration };
}

/** An element of an array that is known to have it. */
function at(array: Int32Array | Uint32Array | Uint8Array | Float64Array, n: number): number {
  return array[n] as number;
}

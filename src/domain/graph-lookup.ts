import type { BatchGraph } from "./batch-graph.ts";

/** How far a walk over the pages of a graph has come: behind this level and id, in a graph that was computed as this version. */
export interface GraphPlace {
  readonly version: string;
  readonly level: number;
  readonly id: bigint;
}

/** Which ways a lineage goes. */
export interface LineageWays {
  readonly upstream: boolean;
  readonly downstream: boolean;
}

/** Marks the lineage of a task with 1: itself, and what it depends on or what depends on it within the batch, directly or not. */
export function markLineage(graph: BatchGraph, place: number, ways: LineageWays): Uint8Array {
  const marks = new Uint8Array(graph.size);
  marks[place] = 1;
  const above = ways.upstream ? markUpstream(graph, marks.slice()) : marks;
  const below = ways.downstream ? markDownstream(graph, marks.slice()) : marks;
  return above.map((mark, n) => mark | (below[n] as number));
}

function markUpstream({ order, firstEdge, parents }: BatchGraph, marks: Uint8Array): Uint8Array {
  for (let n = order.length - 1; n >= 0; n -= 1) {
    const child = order[n] as number;
    if (marks[child] === 0) continue;
    const end = firstEdge[child + 1] as number;
    for (let edge = firstEdge[child] as number; edge < end; edge += 1) {
      const parent = parents[edge] as number;
      if (parent >= 0) marks[parent] = 1;
    }
  }
  return marks;
}

function markDownstream({ order, firstEdge, parents }: BatchGraph, marks: Uint8Array): Uint8Array {
  for (const child of order) {
    const end = firstEdge[child + 1] as number;
    for (let edge = firstEdge[child] as number; edge < end && marks[child] === 0; edge += 1) {
      const parent = parents[edge] as number;
      if (parent >= 0 && marks[parent] === 1) marks[child] = 1;
    }
  }
  return marks;
}

/** The place of a task in a graph; undefined where it is not one of the batch. */
export function placeOf({ ids, size }: BatchGraph, id: bigint): number | undefined {
  const place = firstWhere(size, (n) => (ids[n] as bigint) >= id);
  return ids[place] === id ? place : undefined;
}

/** Where in {@link BatchGraph.byLevel} the tasks begin that stand behind a level and an id. */
export function positionAfter(
  { size, byLevel, levels, ids }: BatchGraph,
  after: Pick<GraphPlace, "level" | "id">,
): number {
  return firstWhere(size, (n) => {
    const place = byLevel[n] as number;
    const level = levels[place] as number;
    return level > after.level || (level === after.level && (ids[place] as bigint) > after.id);
  });
}

/** The first number below `size` from which on a condition holds; `size` where it never does. */
function firstWhere(size: number, holds: (n: number) => boolean): number {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

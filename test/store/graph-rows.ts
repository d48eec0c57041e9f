import { plainReport, type Report } from "../../src/domain/report.ts";
import type { NewGraph } from "../../src/store/create-tasks.ts";

let lastId = BigInt(Date.now() - Date.UTC(2025, 0, 1)) << 22n;

/** A graph to be written: `size` tasks, `parents` of each as places of earlier ones; all edges have the condition SUCCESS. */
export function graphRows(graph: {
  size: number;
  parents?: (place: number) => number[];
  late?: (place: number) => bigint[];
  open?: boolean;
  startTime?: string;
}): NewGraph & { ids: bigint[] } {
  const { size, parents = () => [], late = () => [] } = graph;
  const batchId = ++lastId;
  const ids = Array.from({ length: size }, () => ++lastId);
  const children: bigint[][] = ids.map(() => []);
  const above = ids.map((id, place) => {
    for (const parent of parents(place)) children[parent]?.push(id);
    return [...parents(place).map((parent) => ids[parent] as bigint), ...late(place)];
  });
  const array = (items: readonly bigint[]): string | null => (items.length === 0 ? null : `{${items.join(",")}}`);
  return {
    ...{ ids, batchId, open: graph.open ?? false, answer: [], answers: "tasks" },
    newBatch: { name: "batch", metadata: "{}", paused: false, onComplete: null, onCompleteCount: 0 },
    request: { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) },
    tasks: ids.map((id, place) => ({
      ...{ id, queue: 1, execution: 1, status: above[place]?.length === 0 ? 2 : 1, priority: 0, key: null },
      ...{ name: `task ${place}`, metadata: null, input: null, spec: null, expectedCount: null },
      ...{ startTime: graph.startTime ?? null, startTimeoutMs: 30_000, inactivityTimeoutMs: 60_000, unmetPolicy: 1 },
      ...{ executionTimeoutMs: null, totalTimeoutMs: null, policy: null, lane: null, flow: null, notifies: 0 },
      ...{ critical: false, onlyForDependents: false, serves: false, countsHolders: true },
      ...{ depsLeft: above[place]?.length ?? 0, dependents: children[place]?.length ?? 0, cascades: false },
      ...{ parents: array(above[place] ?? []), parentConditions: null },
      ...{ children: array(children[place] ?? []), childConditions: null },
    })),
    lateEdges: ids.flatMap((child, place) => late(place).map((parent) => ({ child, parent, condition: 1 }))),
  };
}

/** Reports that say only that attempts ended: 3 SUCCESS, 4 FAILURE. */
export function endReports(tasks: readonly { id: bigint; attempt: number }[], action: 3 | 4): Report[] {
  return tasks.map(({ id, attempt }) => ({
    ...{ ...plainReport, id, attempt, action },
  }));
}

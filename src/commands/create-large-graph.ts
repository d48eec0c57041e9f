import type { NewTask } from "../domain/new-task.ts";
import type { PackedTasks, TaskTraits } from "../domain/packed-tasks.ts";
import { checkGraph, type TaskGraph } from "../domain/task-graph.ts";
import { Execution, TaskStatus } from "../domain/task-status.ts";
import { createLargeGraph } from "../store/create-graphs.ts";
import { type AnsweredTask, type CreatedGraph, getCreatedGraph, type NewBatchRow } from "../store/create-tasks.ts";
import { retryTaken } from "../store/requests.ts";
import type { Engine } from "./engine.ts";
import { finish } from "./follow-ups.ts";
import { internFlows } from "./intern-flows.ts";
import { taskRow } from "./task-row.ts";

/** From more tasks on, a graph is written in parts. */
export const smallGraphTasksMax = 5_000;

/** A large graph that goes into a new batch. */
export interface LargeGraphCommand {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly target: { readonly open: boolean } & NewBatchRow;
  readonly tasks: PackedTasks;
  /** Whether it is answered and kept what became of each task, or only how many were created. */
  readonly answers: "tasks" | "counts";
}

/** Whether tasks for a new batch may need nothing but their rows: none depends on one that exists, and none looks for duplicates. */
export function mayBeWrittenInParts(tasks: readonly NewTask[]): boolean {
  return !tasks.some((task) => task.dedupe.length > 0 || task.dependencies.some(({ taskId }) => taskId !== undefined));
}

/**
 * Creates a large graph in a new batch, all or none, in one transaction: its rows are made as they are written. Undefined, and nothing is written, where it
 * is not as {@link mayBeWrittenInParts} says, or where a join without parents would end at once.
 * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, REQUEST_ID_REUSED.
 */
export async function createInParts(engine: Engine, command: LargeGraphCommand): Promise<CreatedGraph | undefined> {
  const { tasks, requestId, bodyHash, target } = command;
  if (tasks.dependsOnExisting || tasks.traits.some(({ dedupe }) => dedupe.length > 0)) return undefined;
  const graph = checkGraph(tasks.nodes, new Map());
  if (hasEmptyJoin(tasks, graph)) return undefined;
  const queues = await engine.dictionaries.internQueues(engine.namespaceId, tasks.traits);
  const policies = await engine.retryPolicies.intern(tasks.traits.map(({ retry }) => retry));
  const flows = await internFlows(engine, tasks.traits, queues);
  const lanes = await internLanes(engine, tasks, { queues, flows });
  const rankOf = new Uint32Array(tasks.length);
  for (const [rank, place] of graph.order.entries()) rankOf[place] = rank;
  const request = { namespaceId: engine.namespaceId, requestId, bodyHash };
  const created = await retryTaken(async () => {
    wantGiven(engine);
    using given = engine.given.collect();
    const [batchId, ...ids] = await engine.ids.take(tasks.length + 1);
    const idAt = (place: number): bigint => ids[rankOf[place] as number] as bigint;
    const source = {
      ...{ graph, idAt },
      ownAt: (place: number) => tasks.ownAt(place),
      traitsAt: (place: number) => tasks.traits[tasks.traitsAt(place)] as TaskTraits,
      queueAt: (place: number) => queues[tasks.traitsAt(place)] as number,
      policyAt: (place: number) => policies[tasks.traitsAt(place)] ?? null,
      laneAt: (place: number) => lanes?.[place] ?? null,
      flowAt: (place: number) => flows[tasks.traitsAt(place)] ?? null,
    };
    const written = await createLargeGraph(engine.db, {
      ...{ request, batchId: batchId as bigint, newBatch: target, open: target.open, ids },
      answer: command.answers === "tasks" ? answerOf(graph, idAt) : undefined,
      rows: (from, to) => {
        if (from === 0) given.begin();
        const rows = Array.from(graph.order.subarray(from, to), (place) => taskRow(source, place));
        given.add(rows);
        return rows;
      },
    });
    if (written === undefined) return undefined;
    // It may have been long in coming.
    wantGiven(engine);
    engine.given.remember(written.batch.id, given.rows, written.by);
    return written;
  });
  if (created === undefined) return getCreatedGraph(engine.db, request);
  await finish(engine, created);
  return created;
}

/** Where workers wait, they are about to take tasks: most likely of what is created now. */
function wantGiven({ places, given }: Pick<Engine, "places" | "given">): void {
  if (places.size > 0) given.want();
}

/** How many tasks' keys are looked up at once. */
const lanesPerStep = 5_000;

/** The lanes of tasks by their places; undefined: none has rules. */
async function internLanes(
  engine: Engine,
  tasks: PackedTasks,
  { queues, flows }: { readonly queues: readonly number[]; readonly flows: readonly (number | null)[] },
): Promise<(bigint | null)[] | undefined> {
  if (tasks.traits.every(({ rules }) => rules.length === 0)) return undefined;
  const lanes: (bigint | null)[] = [];
  while (lanes.length < tasks.length) {
    const size = Math.min(lanesPerStep, tasks.length - lanes.length);
    const wanted = Array.from({ length: size }, (_, n) => {
      const { rules, metadata } = tasks.at(lanes.length + n) as NewTask;
      const traits = tasks.traitsAt(lanes.length + n);
      return { rules, metadata, queue: queues[traits] as number, flow: flows[traits] ?? null };
    });
    lanes.push(...(await engine.lanes.intern(engine.namespaceId, wanted)));
  }
  return lanes;
}

function hasEmptyJoin(tasks: PackedTasks, graph: TaskGraph): boolean {
  const isJoin = tasks.traits.map(({ execution }) => execution === Execution.JOIN);
  if (!isJoin.includes(true)) return false;
  return graph.order.some((place) => isJoin[tasks.traitsAt(place)] && graph.inner.count(place) === 0);
}

function answerOf({ inner }: TaskGraph, idAt: (place: number) => bigint): AnsweredTask[] {
  return Array.from({ length: inner.length }, (_, place) => {
    const status = inner.count(place) === 0 ? TaskStatus.PENDING : TaskStatus.WAITING;
    return { id: idAt(place), status, deduplicated: false };
  });
}

import { assignPlaces, type Place, type Reservation, type StartedTask } from "../domain/places.ts";
import type { KnownAssignment } from "../domain/task.ts";
import { Execution, TaskStatus } from "../domain/task-status.ts";
import { CallGroups, type Failure, failureOf } from "../lib/call-groups.ts";
import { Hesitation } from "../lib/hesitation.ts";
import { createGraphs } from "../store/create-graphs.ts";
import { type CreatedGraph, createGraph, type NewGraph, type NewTaskRow } from "../store/create-tasks.ts";
import { firstAssignment, isKept, type WrittenBy } from "../store/given-tasks.ts";
import { finish } from "./follow-ups.ts";
import { isOneToBlame, tooManyCalls } from "./group-reports.ts";
import type { WriteDeps } from "./write-deps.ts";

const tasksPerCommitMax = 2_000;
const bytesPerCommitMax = 8 * 1024 * 1024;
const commitsInFlight = { inFlightMax: 2, patienceMs: 1_000, slowMax: 1 };
/** A commit costs about as much as the rows of ten calls: fewer are not worth a second one. */
const shareFrom = 16;
const callsWaitingMax = 20_000;

/** Writes graphs of several calls in one transaction, each in a new batch of its own. */
export function createGraphGroups(deps: WriteDeps): CallGroups<NewGraph, CreatedGraph> {
  const hesitation = new Hesitation();
  return new CallGroups({
    ...{ ...commitsInFlight, shareFrom, begin: beginGraphs, waitingMax: callsWaitingMax },
    ...{ overflow: () => tooManyCalls("tasks"), isOneToBlame },
    run: (graphs) => write({ deps, hesitation }, graphs, "all"),
  });
}

/** Whether a graph needs nothing but its rows to be written: its batch is new, no task depends on one that exists, and nothing ends at once. */
export function isPlain(graph: NewGraph): boolean {
  return (
    graph.newBatch !== undefined &&
    (graph.open || graph.tasks.length > 0) &&
    graph.lateEdges.length === 0 &&
    !graph.tasks.some((task) => task.execution === Execution.JOIN && task.status === TaskStatus.PENDING)
  );
}

function beginGraphs() {
  const requestIds = new Set<string>();
  let tasks = 0;
  let bytes = 0;
  return {
    add({ tasks: own, request: { requestId } }: NewGraph): boolean {
      tasks += own.length;
      bytes += own.reduce((sum, task) => sum + textLength(task), 0);
      // Two calls with one request_id are the same call, or a mistake: the second finds the first.
      if (requestId !== undefined && requestIds.has(requestId)) return false;
      if (requestId !== undefined) requestIds.add(requestId);
      return tasks <= tasksPerCommitMax && bytes <= bytesPerCommitMax;
    },
  };
}

function textLength({ input, metadata, spec }: NewTaskRow): number {
  return (input?.length ?? 0) + (metadata?.length ?? 0) + (spec?.length ?? 0);
}

interface Writing {
  readonly deps: WriteDeps;
  /** Of starts of tasks with rules: while something is blocked they are refused, and each refusal is a statement in vain. */
  readonly hesitation: Hesitation;
}

/** Writes graphs; `who` may take the places of workers that wait. */
async function write(
  { deps, hesitation }: Writing,
  graphs: readonly NewGraph[],
  who: "all" | "without rules",
): Promise<(CreatedGraph | Failure)[]> {
  let free = graphs.flatMap((graph) => (graph.newBatch?.paused === true ? [] : graph.tasks.filter(mayStart)));
  if (free.some(hasRules) && (who === "without rules" || !hesitation.asks()))
    free = free.filter((task) => !hasRules(task));
  const reservation =
    free.length === 0
      ? undefined
      : deps.places.reserve({ max: free.length, queues: new Set(free.map((task) => task.queue)) });
  const started = reservation === undefined ? [] : startsOf(free, reservation);
  const places = reservation?.pools.flatMap((pool) => pool.places) ?? [];
  const placeOf = new Map(started.map(({ id, place }) => [id, places[place]]));
  let written: Awaited<ReturnType<typeof createGraphs>> | undefined;
  try {
    written = await createGraphs(deps.db, graphs, (task) => placeOf.get(task.id));
  } finally {
    reservation?.settle(written?.case === "created" ? withGiven(started, { graphs, placeOf, by: written.by }) : []);
  }
  if (written.case === "created") {
    const { by } = written;
    if (reservation !== undefined) deps.given.want();
    for (const { batchId, tasks } of graphs)
      deps.given.remember(batchId, placeOf.size === 0 ? tasks : tasks.filter(({ id }) => !placeOf.has(id)), by);
    if (free.some((task) => hasRules(task) && placeOf.has(task.id))) hesitation.granted();
    await finish(deps, { readyQueues: written.readyQueues, followUps: [] });
    return written.graphs;
  }
  if (written.case === "noRoom") {
    hesitation.refused();
    // Their rules let in those that have some when they are claimed.
    return write({ deps, hesitation }, graphs, "without rules");
  }
  // Those that have been answered before are answered so, and the others are written without them.
  const answered = new Set(written.requestIds);
  const isAnswered = ({ request }: NewGraph): boolean => answered.has(request.requestId ?? "");
  const others = graphs.filter((graph) => !isAnswered(graph));
  const rest = others.length === 0 ? [] : await write({ deps, hesitation }, others, who);
  const results: (CreatedGraph | Failure)[] = [];
  for (const graph of graphs)
    results.push(isAnswered(graph) ? await failureOf(createGraph(deps.db, graph)) : (rest.shift() as CreatedGraph));
  return results;
}

/** Adds what the workers are handed that take tasks at once. */
function withGiven(
  started: readonly StartedTask[],
  {
    graphs,
    placeOf,
    by,
  }: {
    readonly graphs: readonly NewGraph[];
    readonly placeOf: ReadonlyMap<bigint, Place | undefined>;
    readonly by: WrittenBy;
  },
): readonly StartedTask[] {
  if (started.length === 0) return started;
  const assignments = new Map<bigint, KnownAssignment>();
  for (const { batchId, tasks } of graphs) {
    for (const row of tasks) {
      const place = placeOf.get(row.id);
      if (place === undefined || !isKept(row)) continue;
      assignments.set(row.id, firstAssignment(row, { batchId, by, time: by.time, place }));
    }
  }
  return started.map(({ id, attempt, place }) => ({ id, attempt, place, assignment: assignments.get(id) }));
}

function mayStart(task: NewTaskRow): boolean {
  return (
    task.status === TaskStatus.PENDING &&
    task.execution === Execution.WORKER &&
    task.startTime === null &&
    task.countsHolders
  );
}

function hasRules(task: NewTaskRow): boolean {
  return task.lane !== null;
}

function startsOf(tasks: readonly NewTaskRow[], { pools }: Reservation): StartedTask[] {
  return [...assignPlaces(tasks, pools)].map(([n, place]) => ({ id: (tasks[n] as NewTaskRow).id, attempt: 1, place }));
}

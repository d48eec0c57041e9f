import { type Duplicate, findDuplicates, type LookUp, lookUps, withoutDuplicates } from "../domain/dedupe.ts";
import type { DedupeMatcher } from "../domain/dedupe-matcher.ts";
import { MillpondError } from "../domain/errors.ts";
import type { NewTask } from "../domain/new-task.ts";
import { PackedTasks } from "../domain/packed-tasks.ts";
import type { Batch } from "../domain/task.ts";
import { checkGraph, foreignKeys, type TaskGraph } from "../domain/task-graph.ts";
import { getBatches } from "../store/batches.ts";
import {
  type AnsweredCounts,
  type AnsweredTask,
  type CreatedGraph,
  createGraph,
  type NewBatchRow,
  type NewGraph,
  type NewTaskRow,
} from "../store/create-tasks.ts";
import type { Writer } from "../store/database.ts";
import { type DuplicateLookUp, findExisting } from "../store/duplicates.ts";
import { isAnswered, retryTaken } from "../store/requests.ts";
import { getOpenBatchKeys, getTaskStates } from "../store/tasks.ts";
import { distinctIds } from "./change-tasks.ts";
import { createInParts, mayBeWrittenInParts, smallGraphTasksMax } from "./create-large-graph.ts";
import type { Engine } from "./engine.ts";
import { finish } from "./follow-ups.ts";
import { isPlain } from "./group-creates.ts";
import { internFlows } from "./intern-flows.ts";
import { taskRow } from "./task-row.ts";

/** CreateTasks: a graph, in a new batch or into an open one. */
export interface CreateTasks {
  readonly requestId: string | undefined;
  /** A hash of the request's body: the same request_id with another body is refused. */
  readonly bodyHash: Buffer;
  readonly target:
    | ({ readonly case: "newBatch"; readonly open: boolean } & NewBatchRow)
    | { readonly case: "batch"; readonly batchId: bigint };
  readonly tasks: readonly NewTask[];
  readonly validateOnly: boolean;
  /** What a repetition with the same request_id is told: what became of each task, or of how many. */
  readonly answers: "tasks" | "counts";
}

/** What was created or found, tasks in the order of the request. */
export interface CreatedTasks {
  readonly batch: Batch;
  readonly tasks: readonly AnsweredTask[];
  /** There where it may be all that is known of them: of large graphs, and of earlier calls. */
  readonly counts?: AnsweredCounts | undefined;
}

/**
 * Creates a graph, all or none, in one transaction. Parents get lower ids than their children, whatever the order of listing. What its matchers find
 * already there is not created: edges lead to the task found.
 * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, BATCH_NOT_FOUND, BATCH_SEALED, REQUEST_ID_REUSED.
 */
export async function createTasks(engine: Engine, command: CreateTasks): Promise<CreatedTasks> {
  try {
    return await tryCreateTasks(engine, command);
  } catch (error) {
    // A call that came at the same time has taken a key: the second time it is seen which, or it was this very call and is answered.
    if (!(error instanceof MillpondError) || error.reason !== "DUPLICATE_KEY" || error.metadata.key !== undefined)
      throw error;
    return tryCreateTasks(engine, command);
  }
}

async function tryCreateTasks(engine: Engine, command: CreateTasks): Promise<CreatedTasks> {
  const { target, tasks } = command;
  if (target.case === "newBatch" && tasks.length > smallGraphTasksMax && !command.validateOnly) {
    const packed = mayBeWrittenInParts(tasks) ? PackedTasks.of(tasks) : undefined;
    const created = packed && (await createInParts(engine, { ...command, target, tasks: packed }));
    if (created !== undefined) return created;
  }
  const written = await writeWhole(engine, command);
  if (command.validateOnly) return written;
  if (!written.finished) await finish(engine, written);
  return written.followUps.length === 0 ? written : asItStands(engine, written);
}

/** Writes a graph by one statement. */
async function writeWhole(engine: Engine, command: CreateTasks): Promise<CreatedGraph> {
  const known = await knownKeys(engine, command);
  const graph = checkGraph(command.tasks, certain(known, command.tasks));
  const numbers = await internNumbers(engine, command.tasks);
  const wanted = lookUps(command.tasks);
  const shapes =
    wanted.length === 0
      ? []
      : await engine.dedupeShapes.intern(
          engine.namespaceId,
          wanted.map(({ place, matcher }) => command.tasks[place]?.dedupe[matcher] as DedupeMatcher),
        );
  const places = command.tasks.map((_, n) => n);
  return retryTaken(async () => {
    const ids = await engine.ids.take(command.tasks.length + 1);
    const whole = { engine, command, numbers, ids, duplicates: noDuplicates, places };
    if (wanted.length === 0 && !command.validateOnly) {
      const rows = graphRow({ ...whole, graph, tasks: command.tasks });
      return isPlain(rows) ? engine.creates.submit(rows) : createGraph(engine.db, rows);
    }
    return engine.db.transaction(command.validateOnly ? "rollback" : "commit", async (writer) => {
      if (wanted.length === 0) return createGraph(writer, graphRow({ ...whole, graph, tasks: command.tasks }));
      const duplicates = await duplicatesOf(writer, command.tasks, { wanted, shapes });
      const { tasks, places } = withoutDuplicates(command.tasks, duplicates, known);
      return createGraph(
        writer,
        graphRow({ ...whole, duplicates, places, tasks, graph: checkGraph(tasks, known, places) }),
      );
    });
  }).catch((error: unknown) => {
    throw nameParent(error, command);
  });
}

/** A key that the batch has is no fault of a task that may turn out to be a duplicate: it is looked at again when that is known. */
function certain(known: ReadonlyMap<string, bigint>, tasks: readonly NewTask[]): ReadonlyMap<string, bigint> {
  if (known.size === 0) return known;
  const doubtful = new Set(tasks.filter((task) => task.dedupe.length > 0).map((task) => task.key));
  return new Map([...known].filter(([key]) => !doubtful.has(key)));
}

/** What tasks have in dictionaries, by place in the request. Most have nothing but a queue: of the rest, nothing is made then. */
interface Numbers {
  readonly queues: readonly number[];
  readonly policies: readonly (number | null)[];
  readonly lanes: readonly (bigint | null)[];
  readonly flows: readonly (number | null)[];
}

async function internNumbers(engine: Engine, tasks: readonly NewTask[]): Promise<Numbers> {
  const queues = await engine.dictionaries.internQueues(engine.namespaceId, tasks);
  const policies = tasks.every(({ retry }) => retry === null)
    ? none
    : await engine.retryPolicies.intern(tasks.map(({ retry }) => retry));
  const flows = await internFlows(engine, tasks, queues);
  const lanes = tasks.every(({ rules }) => rules.length === 0)
    ? none
    : await internLanes(engine, tasks, { queues, flows });
  return { queues, policies, lanes, flows };
}

const none: readonly never[] = [];
const noKeys: ReadonlyMap<string, bigint> = new Map();
const noDuplicates: ReadonlyMap<number, Duplicate> = new Map();

function internLanes(
  engine: Engine,
  tasks: readonly NewTask[],
  { queues, flows }: { readonly queues: readonly number[]; readonly flows: readonly (number | null)[] },
): Promise<(bigint | null)[]> {
  return engine.lanes.intern(
    engine.namespaceId,
    tasks.map(({ rules, metadata, ruleValues }, n) => {
      const queue = queues[n] as number;
      return { rules, metadata, ruleValues, queue, flow: flows[n] ?? null };
    }),
  );
}

/** What was created, as it stands after what followed from it. */
async function asItStands(engine: Engine, created: CreatedTasks): Promise<CreatedTasks> {
  const [batch = created.batch] = await getBatches(engine.db, engine.namespaceId, [created.batch.id]);
  const ids = distinctIds(created.tasks.map((task) => task.id));
  const rows = await getTaskStates(engine.db, engine.namespaceId, ids);
  const statuses = new Map(rows.map((row) => [row.id, row.status]));
  return { batch, tasks: created.tasks.map((task) => ({ ...task, status: statuses.get(task.id) ?? task.status })) };
}

/** Looks for what the matchers of some tasks may find, and decides which tasks are duplicates. */
async function duplicatesOf(
  writer: Writer,
  tasks: readonly NewTask[],
  { wanted, shapes }: { wanted: readonly LookUp[]; shapes: readonly number[] },
): Promise<ReadonlyMap<number, Duplicate>> {
  // What would find the same is looked for once: a hundred thousand tasks may have equal values.
  const rows: DuplicateLookUp[] = [];
  const rowOf = new Map<string, number>();
  const byMatcher = new Map<string, number>();
  for (const [n, { place, matcher, values }] of wanted.entries()) {
    const shape = shapes[n] as number;
    const statuses = tasks[place]?.dedupe[matcher]?.statuses ?? [];
    const key = `${shape} ${statuses.join()} ${values}`;
    const row = rowOf.get(key) ?? rows.push({ shape, metadata: tasks[place]?.metadata ?? "{}", statuses }) - 1;
    rowOf.set(key, row);
    byMatcher.set(`${place} ${matcher}`, row);
  }
  const found = await findExisting(writer, rows);
  return findDuplicates(tasks, (place, matcher) => found.get(byMatcher.get(`${place} ${matcher}`) ?? -1));
}

/** The keys of the batch that the request refers to, or wants for itself. */
async function knownKeys(engine: Engine, command: CreateTasks): Promise<ReadonlyMap<string, bigint>> {
  if (command.target.case === "newBatch") return noKeys;
  const own = command.tasks.map((task) => task.key).filter((key) => key !== "");
  const keys = [...foreignKeys(command.tasks), ...own];
  if (keys.length === 0) return noKeys;
  const known = await getOpenBatchKeys(engine.db, command.target.batchId, keys);
  // Of a call that has been answered, the batch has the keys already: they are its own. Asked after the keys: both were committed together.
  const isTaken = own.some((key) => known.has(key));
  if (isTaken && (await isAnswered(engine.db, { namespaceId: engine.namespaceId, requestId: command.requestId }))) {
    for (const key of own) known.delete(key);
  }
  return known;
}

interface GraphRowInput {
  readonly engine: Engine;
  readonly command: CreateTasks;
  readonly numbers: Numbers;
  /** The batch's, and one for each task of the request. */
  readonly ids: readonly bigint[];
  readonly duplicates: ReadonlyMap<number, Duplicate>;
  /** What is created, in the order of the request, and the place of each in it. */
  readonly tasks: readonly NewTask[];
  readonly places: readonly number[];
  readonly graph: TaskGraph;
}

function graphRow({ engine, command, ids, graph, tasks, places, duplicates, numbers }: GraphRowInput): NewGraph {
  const { target } = command;
  const idOf = new Array<bigint>(tasks.length);
  for (const [n, index] of graph.order.entries()) idOf[index] = ids[n + 1] as bigint;
  const source = {
    graph,
    ownAt: (index: number) => tasks[index] as NewTask,
    traitsAt: (index: number) => tasks[index] as NewTask,
    idAt: (index: number) => idOf[index] as bigint,
    queueAt: (index: number) => numbers.queues[places[index] as number] as number,
    policyAt: (index: number) => numbers.policies[places[index] as number] ?? null,
    laneAt: (index: number) => numbers.lanes[places[index] as number] ?? null,
    flowAt: (index: number) => numbers.flows[places[index] as number] ?? null,
  };
  const rows: NewTaskRow[] = [];
  const rowAt = new Array<NewTaskRow>(tasks.length);
  for (const index of graph.order) {
    const row = taskRow(source, index);
    rows.push(row);
    rowAt[index] = row;
  }
  const indexOf = duplicates.size === 0 ? undefined : new Map(places.map((place, index) => [place, index]));
  const answer = command.tasks.map((_, place): AnsweredTask => {
    const duplicate = duplicates.get(place);
    if (duplicate?.case === "existing") return { id: duplicate.id, status: duplicate.status, deduplicated: true };
    const created = duplicate?.place ?? place;
    const { id, status } = rowAt[indexOf?.get(created) ?? created] as NewTaskRow;
    return { id, status, deduplicated: duplicate !== undefined };
  });
  return {
    request: { namespaceId: engine.namespaceId, requestId: command.requestId, bodyHash: command.bodyHash },
    batchId: target.case === "newBatch" ? (ids[0] as bigint) : target.batchId,
    newBatch: target.case === "newBatch" ? target : undefined,
    open: target.case === "newBatch" ? target.open : true,
    tasks: rows,
    answer,
    answers: command.answers,
    lateEdges: graph.late.flatMap((edges, index) =>
      edges.map((edge) => ({ child: idOf[index] as bigint, parent: edge.parent, condition: edge.condition })),
    ),
  };
}

/** Says which dependency of the request named the task that does not exist. */
function nameParent(error: unknown, command: CreateTasks): unknown {
  if (!(error instanceof MillpondError) || error.reason !== "UNKNOWN_DEPENDENCY") return error;
  const id = BigInt(error.metadata.id ?? 0);
  const place = command.tasks.findIndex((task) => task.dependencies.some((edge) => edge.taskId === id));
  const n = command.tasks[place]?.dependencies.findIndex((edge) => edge.taskId === id);
  const field = `tasks[${place}].dependencies[${n}].task_id`;
  return new MillpondError("UNKNOWN_DEPENDENCY", `${field}: there is no such task`, {
    violations: [{ field, description: "there is no such task" }],
    cause: error,
  });
}

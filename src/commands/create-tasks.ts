import { MillpondError } from "../domain/errors.ts";
import type { NewTask } from "../domain/new-task.ts";
import type { Batch } from "../domain/task.ts";
import { checkGraph, foreignKeys, type TaskGraph } from "../domain/task-graph.ts";
import { DependencyCondition, Execution, TaskStatus } from "../domain/task-status.ts";
import { createGraph, type NewGraph, type NewTaskRow } from "../store/create-tasks.ts";
import { formatMicros } from "../store/pg-types.ts";
import { isAnswered, retryTaken } from "../store/requests.ts";
import { getOpenBatchKeys } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";

/** CreateTasks: a graph, in a new batch or into an open one. */
export interface CreateTasks {
  readonly requestId: string | undefined;
  /** A hash of the request's body: the same request_id with another body is refused. */
  readonly bodyHash: Buffer;
  readonly target:
    | { readonly case: "newBatch"; readonly name: string; readonly metadata: string; readonly open: boolean }
    | { readonly case: "batch"; readonly batchId: bigint };
  readonly tasks: readonly NewTask[];
  readonly validateOnly: boolean;
}

/** What was created, tasks in the order of the request. */
export interface CreatedTasks {
  readonly batch: Batch;
  readonly tasks: readonly { readonly id: bigint; readonly status: number }[];
}

/**
 * Creates a graph, all or none, in one transaction. Parents get lower ids than their children, whatever the order of listing.
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
  const graph = checkGraph(command.tasks, await knownKeys(engine, command));
  const queues = await engine.dictionaries.internQueues(engine.namespaceId, command.tasks);
  return retryTaken(async () => {
    const [batchId = 0n, ...ids] = await engine.ids.take(command.tasks.length + 1);
    const idOf = new Array<bigint>(command.tasks.length);
    for (const [n, place] of graph.order.entries()) idOf[place] = ids[n] as bigint;
    const rows = graph.order.map((place) => taskRow({ command, place, queue: queues[place] as number, graph, idOf }));
    const written = await createGraph(
      engine.db,
      graphRow({ engine, command, graph, idOf, rows, batchId }),
      command.validateOnly,
    ).catch((error: unknown) => {
      throw nameParent(error, command);
    });
    if (!command.validateOnly) engine.committed(written.readyQueues);
    const statuses = new Map(rows.map((row) => [row.id, row.status]));
    const replayed = written.replayedIds;
    const tasks = graph.order.map((place, n) => {
      const id = replayed?.[n] ?? (ids[n] as bigint);
      return { place, id, status: written.moved.get(id) ?? statuses.get(ids[n] as bigint) ?? 0 };
    });
    tasks.sort((a, b) => a.place - b.place);
    return { batch: written.batch, tasks };
  });
}

/** The keys of the batch that the request refers to, or wants for itself. */
async function knownKeys(engine: Engine, command: CreateTasks): Promise<Map<string, bigint>> {
  if (command.target.case === "newBatch") return new Map();
  const own = command.tasks.map((task) => task.key).filter((key) => key !== "");
  const keys = [...foreignKeys(command.tasks), ...own];
  if (keys.length === 0) return new Map();
  const known = await getOpenBatchKeys(engine.db, command.target.batchId, keys);
  // Of a call that has been answered, the batch has the keys already: they are its own. Asked after the keys: both were committed together.
  const isTaken = own.some((key) => known.has(key));
  if (isTaken && (await isAnswered(engine.db, { namespaceId: engine.namespaceId, requestId: command.requestId }))) {
    for (const key of own) known.delete(key);
  }
  return known;
}

interface TaskRowInput {
  readonly command: CreateTasks;
  readonly place: number;
  readonly queue: number;
  readonly graph: TaskGraph;
  readonly idOf: readonly bigint[];
}

function taskRow({ command, place, queue, graph, idOf }: TaskRowInput): NewTaskRow {
  const task = command.tasks[place] as NewTask;
  const inner = graph.inner[place] ?? [];
  const late = graph.late[place] ?? [];
  const children = graph.children[place] ?? [];
  const parents = [...inner.map((edge) => idOf[edge.parent]), ...late.map((edge) => edge.parent)];
  return {
    ...{ id: idOf[place] as bigint, queue, execution: task.execution, priority: task.priority },
    status: parents.length === 0 ? TaskStatus.PENDING : TaskStatus.WAITING,
    ...{
      key: task.key === "" ? null : task.key,
      name: task.name,
      metadata: task.metadata,
      input: task.input,
      spec: task.spec,
    },
    ...{ expectedCount: task.expectedCount, startTime: task.startTime === null ? null : formatMicros(task.startTime) },
    ...{
      startTimeoutMs: task.startTimeoutMs,
      inactivityTimeoutMs: task.inactivityTimeoutMs,
      unmetPolicy: task.unmetPolicy,
    },
    ...{ depsLeft: parents.length, dependents: children.length },
    cascades: children.some(
      ({ child, condition }) =>
        condition === DependencyCondition.FAILURE || command.tasks[child]?.execution === Execution.JOIN,
    ),
    parents: arrayText(parents),
    parentConditions: conditionsText([...inner, ...late]),
    children: arrayText(children.map((edge) => idOf[edge.child])),
    childConditions: conditionsText(children),
  };
}

function arrayText(items: readonly unknown[]): string | null {
  return items.length === 0 ? null : `{${items.join(",")}}`;
}

/** Conditions of edges; nothing where all of them are SUCCESS, as most are. */
function conditionsText(edges: readonly { readonly condition: number }[]): string | null {
  return edges.every((edge) => edge.condition === DependencyCondition.SUCCESS)
    ? null
    : arrayText(edges.map((edge) => edge.condition));
}

interface GraphRowInput {
  readonly engine: Engine;
  readonly command: CreateTasks;
  readonly graph: TaskGraph;
  readonly idOf: readonly bigint[];
  readonly rows: readonly NewTaskRow[];
  readonly batchId: bigint;
}

function graphRow({ engine, command, graph, idOf, rows, batchId }: GraphRowInput): NewGraph {
  const { target } = command;
  return {
    request: { namespaceId: engine.namespaceId, requestId: command.requestId, bodyHash: command.bodyHash },
    batchId: target.case === "newBatch" ? batchId : target.batchId,
    newBatch: target.case === "newBatch" ? { name: target.name, metadata: target.metadata } : undefined,
    open: target.case === "newBatch" ? target.open : true,
    tasks: rows,
    lateEdges: graph.late.flatMap((edges, place) =>
      edges.map((edge) => ({ child: idOf[place] as bigint, parent: edge.parent, condition: edge.condition })),
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

import type { Place } from "../domain/places.ts";
import type { Batch, Micros } from "../domain/task.ts";
import { TaskStatus } from "../domain/task-status.ts";
import {
  answerText,
  type CreatedGraph,
  type NewBatchRow,
  type NewGraph,
  type NewTaskRow,
  usual,
} from "./create-tasks.ts";
import type { Database, Statement } from "./database.ts";

/** What was written; or nothing was, because a request_id among them has been answered before. */
export type CreatedGraphs =
  | { readonly case: "created"; readonly graphs: CreatedGraph[]; readonly readyQueues: readonly number[] }
  | { readonly case: "answeredBefore" };

const parameters = Array.from({ length: 49 }, (_, n) => `$${n + 1}`).join(", ");
const createGraphsStatement: Statement = {
  name: "create_graphs",
  text: `select * from mp_create_graphs(${parameters})`,
};

/**
 * Writes graphs in one transaction, each in a new batch, with their event and their request_ids: such as need nothing but their rows. A task that `placeOf`
 * has a place for is RUNNING at once.
 */
export async function createGraphs(
  db: Database,
  graphs: readonly NewGraph[],
  placeOf: (task: NewTaskRow) => Place | undefined,
): Promise<CreatedGraphs> {
  interface Row {
    o_time: Micros;
    o_answered: string[] | null;
    o_ready: number[];
  }
  const rows = graphs.map((graph) => graphRow(graph, placeOf));
  const [row] = await db.write<Row>(createGraphsStatement, [
    graphs[0]?.request.namespaceId,
    ...graphColumns(rows),
    ...taskColumns(rows),
  ]);
  if (row === undefined || row.o_answered !== null) return { case: "answeredBefore" };
  return { case: "created", graphs: rows.map((graph) => createdGraph(graph, row.o_time)), readyQueues: row.o_ready };
}

/** A graph, and which of its tasks run at once. */
interface GraphRow {
  readonly graph: NewGraph;
  readonly batch: NewBatchRow;
  readonly places: readonly (Place | undefined)[];
  readonly waiting: number;
  readonly running: number;
  readonly expected: bigint | null;
}

function graphRow(graph: NewGraph, placeOf: (task: NewTaskRow) => Place | undefined): GraphRow {
  const places = graph.tasks.map(placeOf);
  const counted = graph.tasks.filter((task) => task.expectedCount !== null);
  return {
    ...{ graph, places, batch: graph.newBatch as NewBatchRow },
    waiting: graph.tasks.filter((task) => task.status === TaskStatus.WAITING).length,
    running: places.filter((place) => place !== undefined).length,
    expected: counted.length === 0 ? null : counted.reduce((sum, task) => sum + (task.expectedCount as bigint), 0n),
  };
}

function graphColumns(rows: readonly GraphRow[]): unknown[] {
  const column = <T>(value: (row: GraphRow) => T): T[] => rows.map(value);
  const sparse = <T>(value: (row: GraphRow) => T | null): (T | null)[] | null => orNull(rows.map(value), null);
  const requestIds = sparse(({ graph }) => graph.request.requestId ?? null);
  return [
    ...[column(({ graph }) => graph.batchId), column(({ batch }) => batch.name), column(({ batch }) => batch.metadata)],
    ...[
      column(({ graph }) => graph.open),
      column(({ batch }) => batch.paused),
      sparse(({ batch }) => batch.onComplete),
    ],
    ...[
      orNull(
        column(({ batch }) => batch.onCompleteCount),
        0,
      ),
      column(({ graph }) => graph.tasks.length),
    ],
    ...[column(({ waiting }) => waiting), column(({ running }) => running), sparse(({ expected }) => expected)],
    ...[
      orNull(
        column(({ graph }) => graph.tasks.some(isAttended)),
        false,
      ),
      requestIds,
    ],
    requestIds === null ? null : column(({ graph }) => graph.request.bodyHash),
    requestIds === null ? null : column(({ graph }) => answerText(graph.answer)),
  ];
}

/** Whether something may follow from the end of a task beside the settling of edges. */
function isAttended(task: NewTaskRow): boolean {
  return task.critical || task.onlyForDependents || task.serves || task.notifies !== 0 || task.execution === 2;
}

function taskColumns(rows: readonly GraphRow[]): unknown[] {
  const tasks = rows.length === 1 ? (rows[0] as GraphRow).graph.tasks : rows.flatMap(({ graph }) => graph.tasks);
  const places = rows.flatMap((row) => row.places);
  const column = <K extends keyof NewTaskRow>(name: K): NewTaskRow[K][] => tasks.map((task) => task[name]);
  const sparse = <K extends keyof typeof usual>(name: K) => orNull<unknown>(column(name), usual[name]);
  const ofBatch = <T>(value: (graph: NewGraph) => T): T[] =>
    rows.flatMap(({ graph }) => Array<T>(graph.tasks.length).fill(value(graph)));
  const statuses = tasks.map((task, n) => (places[n] === undefined ? task.status : TaskStatus.RUNNING));
  return [
    ...[column("id"), ofBatch((graph) => graph.batchId)],
    orNull(
      ofBatch((graph) => (graph.open ? graph.batchId : null)),
      null,
    ),
    ...[column("queue"), column("execution"), statuses, column("priority"), sparse("key"), column("name")],
    ...(["metadata", "input", "spec", "expectedCount", "startTime"] as const).map(sparse),
    ...(["startTimeoutMs", "inactivityTimeoutMs", "unmetPolicy", "depsLeft", "dependents"] as const).map(column),
    ...(["cascades", "parents", "parentConditions", "children", "childConditions"] as const).map(sparse),
    ...(["policy", "executionTimeoutMs", "totalTimeoutMs", "notifies"] as const).map(sparse),
    ...(["critical", "onlyForDependents", "serves"] as const).map(sparse),
    orNull(
      places.map((place) => place?.worker ?? null),
      null,
    ),
    orNull(
      places.map((place) => place?.leaseMs ?? null),
      null,
    ),
  ];
}

/** A column that holds nothing but the usual value is not sent. */
function orNull<T>(column: T[], usualValue: T): T[] | null {
  return column.every((value) => value === usualValue) ? null : column;
}

function createdGraph({ graph, batch, places, waiting, running, expected }: GraphRow, time: Micros): CreatedGraph {
  const total = graph.tasks.length;
  const byStatus = Array<number>(9).fill(0);
  byStatus[TaskStatus.WAITING - 1] = waiting;
  byStatus[TaskStatus.PENDING - 1] = total - waiting - running;
  byStatus[TaskStatus.RUNNING - 1] = running;
  const created: Batch = {
    ...{ id: graph.batchId, name: batch.name, metadata: JSON.parse(batch.metadata), status: batch.paused ? 2 : 1 },
    ...{ open: graph.open, total, byStatus, successCount: 0n, failureCount: 0n, expectedCount: expected },
    ...{ createTime: time, endTime: null, stopReason: null },
  };
  const started = new Set(graph.tasks.flatMap((task, n) => (places[n] === undefined ? [] : [task.id])));
  const tasks =
    started.size === 0
      ? graph.answer
      : graph.answer.map((task) => (started.has(task.id) ? { ...task, status: TaskStatus.RUNNING } : task));
  return { batch: created, tasks, readyQueues: [], followUps: [], finished: true };
}

import type { Place } from "../domain/places.ts";
import type { Batch, Micros } from "../domain/task.ts";
import { BatchStatus, TaskStatus } from "../domain/task-status.ts";
import { column, shortColumn, shortened, sparseColumn } from "./columns.ts";
import {
  type AnsweredTask,
  answerText,
  type CreatedGraph,
  countsText,
  type NewBatchRow,
  type NewGraph,
  type NewTaskRow,
  usual,
} from "./create-tasks.ts";
import { type Database, type Statement, sqlState } from "./database.ts";
import type { WrittenBy } from "./given-tasks.ts";
import { formatMicros } from "./pg-types.ts";
import { specColumn } from "./shared-specs.ts";

/**
 * What was written; or nothing was, because a request_id among them has been answered before, or because tasks that have places and rules would not surely
 * have been let in.
 */
export type CreatedGraphs =
  | {
      readonly case: "created";
      readonly graphs: CreatedGraph[];
      readonly readyQueues: readonly number[];
      readonly by: WrittenBy;
    }
  | { readonly case: "answeredBefore"; readonly requestIds: readonly string[] }
  | { readonly case: "noRoom" };

const parameters = Array.from({ length: 52 }, (_, n) => `$${n + 1}`).join(", ");
const createGraphsStatement: Statement = {
  name: "create_graphs",
  text: `select c.*, pg_current_xact_id()::xid::text o_version from mp_create_graphs(${parameters}) c`,
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
    o_version: string;
  }
  const places = graphs.map((graph) => graph.tasks.map(placeOf));
  const rows = graphs.map((graph, n) => graphRow(graph, places[n] as (Place | undefined)[]));
  const values = [
    graphs[0]?.request.namespaceId,
    ...graphColumns(rows),
    ...taskColumns({
      tasks: graphs.flatMap((graph) => graph.tasks),
      batchIds: graphs.flatMap(({ tasks, batchId }) => Array<bigint>(tasks.length).fill(batchId)),
      openBatchIds: graphs.flatMap(({ tasks, batchId, open }) =>
        Array<bigint | null>(tasks.length).fill(open ? batchId : null),
      ),
      places: places.flat(),
    }),
    limitedColumn(rows),
  ];
  const answer = await db.write<Row>(createGraphsStatement, values).catch((error: unknown) => {
    if (sqlState(error) !== "MP006") throw error;
    return undefined;
  });
  if (answer === undefined) return { case: "noRoom" };
  const [row] = answer;
  if (row === undefined) throw new Error("mp_create_graphs answered nothing");
  if (row.o_answered !== null) return { case: "answeredBefore", requestIds: row.o_answered };
  return {
    case: "created",
    graphs: rows.map((graph) => createdGraph(graph, row.o_time)),
    readyQueues: row.o_ready,
    by: { time: row.o_time, version: row.o_version },
  };
}

/** A large graph, whose rows are made as they are written. */
export interface LargeGraph extends Omit<NewGraph, "tasks" | "lateEdges" | "answer" | "answers"> {
  /** The ids of its tasks, in the order of the rows. */
  readonly ids: readonly bigint[];
  /** What the call, and a repetition, is told of each task; undefined: only how many were created. */
  readonly answer: readonly AnsweredTask[] | undefined;
  /** The rows from a place in the order of ids to another one. */
  readonly rows: (from: number, to: number) => readonly NewTaskRow[];
}

const beginStatement: Statement = {
  name: "begin_graphs",
  text: "select b.*, pg_current_xact_id()::xid::text o_version from mp_begin_graphs($1, $2) b",
};
const insertStatement: Statement = {
  name: "insert_tasks",
  text: `select * from mp_insert_tasks(${Array.from({ length: 37 }, (_, n) => `$${n + 1}`).join(", ")})`,
};
const finishStatement: Statement = {
  name: "finish_graphs",
  text: `select mp_finish_graphs(${Array.from({ length: 24 }, (_, n) => `$${n + 1}`).join(", ")})`,
};

/** Tasks of one statement. While it runs, the next ones are made ready: of so few, the texts (but of rows that the caller keeps) are forgotten before the collector has moved them to where they would stay for long. */
const tasksPerPart = 500;

/**
 * Writes a large graph in parts, in one transaction, so that neither all of its rows nor one statement with all of them need be in memory. Rows are asked for in their order, and from the first one on again
 * where the transaction is repeated. Undefined: its request_id has been answered before, and nothing was written.
 */
export function createLargeGraph(
  db: Database,
  graph: LargeGraph,
): Promise<(CreatedGraph & { readonly by: WrittenBy }) | undefined> {
  const { namespaceId, requestId } = graph.request;
  const size = graph.ids.length;
  return db.transaction("commit", async (writer) => {
    interface Begun {
      o_answered: string[] | null;
      o_time: Micros;
      o_version: string;
    }
    const [begun] = await writer.write<Begun>(beginStatement, [
      namespaceId,
      requestId === undefined ? null : [requestId],
    ]);
    if (begun === undefined || begun.o_answered !== null) return undefined;
    const time = formatMicros(begun.o_time);
    const totals: Totals = {
      queues: [],
      statuses: [],
      lanes: [],
      waiting: 0,
      expected: null,
      attended: false,
      limited: false,
    };
    const readyQueues = new Set<number>();
    let writing: Promise<unknown> = Promise.resolve();
    for (let from = 0; from < size; from += tasksPerPart) {
      const tasks = graph.rows(from, Math.min(from + tasksPerPart, size));
      for (const task of tasks) addToTotals(totals, task);
      const columns = taskColumns({
        ...{ tasks, batchIds: Array<bigint>(tasks.length).fill(graph.batchId), places: [] },
        openBatchIds: Array<bigint | null>(tasks.length).fill(graph.open ? graph.batchId : null),
      });
      // It is made ready to be sent while the one before is written, and sent as soon as that has been.
      const next = writer.write<{ o_ready: number[] }>(insertStatement, [namespaceId, time, ...columns]);
      next.catch(() => {});
      await writing;
      writing = next.then(([row]) => {
        for (const queue of row?.o_ready ?? []) readyQueues.add(queue);
      });
      writing.catch(() => {});
    }
    await writing;
    const { queues, statuses, lanes, waiting, expected, attended, limited } = totals;
    const row: GraphRow = {
      ...{ graph, batch: graph.newBatch as NewBatchRow, size, waiting, running: 0, started: undefined },
      ...{ answer: graph.answer ?? [], expected, attended, limited },
      keptAnswer: () => largeAnswerText(graph),
    };
    const batchIds = Array<bigint>(size).fill(graph.batchId);
    const finish = [...graphColumns([row]), graph.ids, batchIds, queues, statuses, null, limitedColumn([row])];
    const keptLanes = limited ? lanes : null;
    await writer.write(finishStatement, [namespaceId, time, ...finish, keptLanes]);
    return {
      ...createdGraph(row, begun.o_time),
      ...{ counts: { created: size, deduplicated: 0 }, readyQueues: [...readyQueues], finished: false },
      by: { time: begun.o_time, version: begun.o_version },
    };
  });
}

function largeAnswerText({ ids, answer }: LargeGraph): string {
  return answer === undefined
    ? countsText({ created: ids.length, deduplicated: 0 })
    : answerText({ answer, answers: "tasks" });
}

/** What the end of a large graph says of all its tasks. */
interface Totals {
  readonly queues: number[];
  readonly statuses: number[];
  readonly lanes: (bigint | null)[];
  waiting: number;
  expected: bigint | null;
  attended: boolean;
  limited: boolean;
}

function addToTotals(totals: Totals, task: NewTaskRow): void {
  totals.queues.push(task.queue);
  totals.statuses.push(task.status);
  totals.lanes.push(task.lane);
  if (task.status === TaskStatus.WAITING) totals.waiting += 1;
  if (task.expectedCount !== null) totals.expected = (totals.expected ?? 0n) + task.expectedCount;
  totals.attended ||= isAttended(task);
  totals.limited ||= task.lane !== null;
}

/** What is written of a graph's batch. */
interface GraphRow {
  readonly graph: Pick<NewGraph, "request" | "batchId" | "open">;
  readonly batch: NewBatchRow;
  readonly answer: readonly AnsweredTask[];
  /** What is kept for a repetition. */
  readonly keptAnswer: () => string;
  readonly size: number;
  readonly waiting: number;
  readonly running: number;
  /** The tasks that run at once. */
  readonly started: ReadonlySet<bigint> | undefined;
  readonly expected: bigint | null;
  /** Something may follow from the end of a task beside the settling of edges. */
  readonly attended: boolean;
  /** A task of it has rules. */
  readonly limited: boolean;
}

function graphRow(graph: NewGraph, places: readonly (Place | undefined)[]): GraphRow {
  const { tasks } = graph;
  let started: Set<bigint> | undefined;
  let waiting = 0;
  let expected: bigint | null = null;
  for (const [n, task] of tasks.entries()) {
    if (places[n] !== undefined) started = (started ?? new Set()).add(task.id);
    if (task.status === TaskStatus.WAITING) waiting += 1;
    if (task.expectedCount !== null) expected = (expected ?? 0n) + task.expectedCount;
  }
  const row: GraphRow = {
    graph,
    batch: graph.newBatch as NewBatchRow,
    size: tasks.length,
    running: started?.size ?? 0,
    answer: graph.answer,
    keptAnswer: () => keptCreateText(row, graph.answers),
    started,
    waiting,
    expected,
    attended: tasks.some(isAttended),
    limited: tasks.some((task) => task.lane !== null),
  };
  return row;
}

/** What is kept for a repetition: what of the batch is not in its row, and the tasks. The database makes it whole when somebody asks (`mp_kept_create`). */
function keptCreateText(row: GraphRow, answers: NewGraph["answers"]): string {
  const { graph, batch, size, waiting, running, expected } = row;
  const newBatch = {
    batch_id: String(graph.batchId),
    open: graph.open,
    status: batchStatus(batch),
    total: size,
    waiting,
    pending: size - waiting - running,
    running,
    expected_count: expected === null ? null : String(expected),
  };
  return `{"new_batch":${JSON.stringify(newBatch)},"answer":${answerText({ answer: standing(row), answers })}}`;
}

/** The tasks of an answer as they stand after their creation. */
function standing({ answer, started }: Pick<GraphRow, "answer" | "started">): readonly AnsweredTask[] {
  if (started === undefined) return answer;
  return answer.map((task) => (started.has(task.id) ? { ...task, status: TaskStatus.RUNNING } : task));
}

function batchStatus({ paused }: NewBatchRow): number {
  return paused ? BatchStatus.PAUSED : BatchStatus.ACTIVE;
}

function graphColumns(rows: readonly GraphRow[]): unknown[] {
  const column = <T>(value: (row: GraphRow) => T): T[] => rows.map(value);
  const sparse = <T>(value: (row: GraphRow) => T | null) => orNull(rows.map(value), null);
  const requestIds = sparse(({ graph }) => graph.request.requestId ?? null);
  const attended = column((row) => row.attended);
  const onCompleteCounts = column(({ batch }) => batch.onCompleteCount);
  return [
    ...[column(({ graph }) => graph.batchId), column(({ batch }) => batch.name), column(({ batch }) => batch.metadata)],
    ...[column(({ graph }) => graph.open), column(({ batch }) => batch.paused)],
    ...[sparse(({ batch }) => batch.onComplete), orNull(onCompleteCounts, 0), column(({ size }) => size)],
    ...[column(({ waiting }) => waiting), column(({ running }) => running), sparse(({ expected }) => expected)],
    ...[orNull(attended, false), requestIds],
    requestIds === null ? null : column(({ graph }) => graph.request.bodyHash),
    requestIds === null
      ? null
      : column(({ graph, keptAnswer }) => (graph.request.requestId === undefined ? null : keptAnswer())),
  ];
}

function limitedColumn(rows: readonly GraphRow[]): readonly boolean[] | null {
  return orNull(
    rows.map(({ limited }) => limited),
    false,
  );
}

/** Whether something may follow from the end of a task beside the settling of edges. */
function isAttended(task: NewTaskRow): boolean {
  return task.critical || task.onlyForDependents || task.serves || task.notifies !== 0 || task.execution === 2;
}

/** Tasks to be written, and the batch of each. */
interface TaskColumnsInput {
  readonly tasks: readonly NewTaskRow[];
  readonly batchIds: readonly bigint[];
  /** The batch of a task, where that is open. */
  readonly openBatchIds: readonly (bigint | null)[];
  readonly places: readonly (Place | undefined)[];
}

/** The arrays by task of mp_create_graphs. Each field by a function of its own: what looks up fields by names that change takes several times as long. */
function taskColumns({ tasks, batchIds, openBatchIds, places }: TaskColumnsInput): unknown[] {
  const isPlaced = places.some((place) => place !== undefined);
  const statuses = isPlaced
    ? tasks.map((task, n) => (places[n] === undefined ? task.status : TaskStatus.RUNNING))
    : column(tasks, (task) => task.status);
  return [
    column(tasks, (task) => task.id),
    shortened(batchIds),
    orNull(openBatchIds, null),
    shortColumn(tasks, (task) => task.queue),
    shortColumn(tasks, (task) => task.execution),
    shortened(statuses),
    shortColumn(tasks, (task) => task.priority),
    sparseColumn(tasks, (task) => task.key, usual.key),
    column(tasks, (task) => task.name),
    sparseColumn(tasks, (task) => task.metadata, usual.metadata),
    sparseColumn(tasks, (task) => task.input, usual.input),
    specColumn(tasks, batchIds),
    sparseColumn(tasks, (task) => task.expectedCount, usual.expectedCount),
    sparseColumn(tasks, (task) => task.startTime, usual.startTime),
    shortColumn(tasks, (task) => task.startTimeoutMs),
    shortColumn(tasks, (task) => task.inactivityTimeoutMs),
    shortColumn(tasks, (task) => task.unmetPolicy),
    shortColumn(tasks, (task) => task.depsLeft),
    shortColumn(tasks, (task) => task.dependents),
    sparseColumn(tasks, (task) => task.cascades, usual.cascades),
    sparseColumn(tasks, (task) => task.parents, usual.parents),
    sparseColumn(tasks, (task) => task.parentConditions, usual.parentConditions),
    sparseColumn(tasks, (task) => task.children, usual.children),
    sparseColumn(tasks, (task) => task.childConditions, usual.childConditions),
    sparseColumn(tasks, (task) => task.policy, usual.policy),
    sparseColumn(tasks, (task) => task.executionTimeoutMs, usual.executionTimeoutMs),
    sparseColumn(tasks, (task) => task.totalTimeoutMs, usual.totalTimeoutMs),
    sparseColumn(tasks, (task) => task.notifies, usual.notifies),
    sparseColumn(tasks, (task) => task.critical, usual.critical),
    sparseColumn(tasks, (task) => task.onlyForDependents, usual.onlyForDependents),
    sparseColumn(tasks, (task) => task.serves, usual.serves),
    isPlaced ? shortColumn(places, (place) => place?.worker ?? null) : null,
    isPlaced ? shortColumn(places, (place) => place?.leaseMs ?? null) : null,
    sparseColumn(tasks, (task) => task.lane, usual.lane),
    sparseColumn(tasks, (task) => task.flow, usual.flow),
  ];
}

/** A column that holds nothing but the usual value is not sent. */
function orNull<T>(column: readonly T[], usualValue: T): readonly T[] | null {
  return column.every((value) => value === usualValue) ? null : column;
}

function createdGraph(row: GraphRow, time: Micros): CreatedGraph {
  const { graph, batch, size, waiting, running, expected } = row;
  const byStatus = Array<number>(9).fill(0);
  byStatus[TaskStatus.WAITING - 1] = waiting;
  byStatus[TaskStatus.PENDING - 1] = size - waiting - running;
  byStatus[TaskStatus.RUNNING - 1] = running;
  const created: Batch = {
    ...{ id: graph.batchId, name: batch.name, metadata: JSON.parse(batch.metadata), status: batchStatus(batch) },
    ...{ open: graph.open, total: size, byStatus, successCount: 0n, failureCount: 0n, expectedCount: expected },
    ...{ createTime: time, endTime: null, stopReason: null },
  };
  return { batch: created, tasks: standing(row), readyQueues: [], followUps: [], finished: true };
}

import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import { parseBatchJson } from "./batches.ts";
import { column, sparseColumn } from "./columns.ts";
import { type Database, type Statement, sqlState, violatedConstraint, type Writer } from "./database.ts";
import { type Outcome, type OutcomeRow, outcomeOf } from "./outcome.ts";
import { checkReplay, type RequestKey } from "./requests.ts";

/** A task to be written; arrays of ids are of the same request. Times are timestamptz texts; null means none. */
export interface NewTaskRow {
  readonly id: bigint;
  readonly queue: number;
  readonly execution: number;
  readonly status: number;
  readonly priority: number;
  readonly key: string | null;
  readonly name: string;
  readonly metadata: string | null;
  readonly input: string | null;
  readonly spec: string | null;
  readonly expectedCount: bigint | null;
  readonly startTime: string | null;
  readonly startTimeoutMs: number;
  readonly inactivityTimeoutMs: number;
  readonly executionTimeoutMs: number | null;
  readonly totalTimeoutMs: number | null;
  readonly unmetPolicy: number;
  /** The id of its retry policy; null: one attempt. */
  readonly policy: number | null;
  /** The lane of its rules; null: it has none. */
  readonly lane: bigint | null;
  /** No rule of it looks at more than how many hold a key: work and the starts of a window are looked at by claims. */
  readonly countsHolders: boolean;
  /** With whom it takes turns; null: it has no fairness_key. */
  readonly flow: number | null;
  /** How many webhooks follow its end: five bits for SUCCESS, the next five for FAILURE, then CANCELED. */
  readonly notifies: number;
  readonly critical: boolean;
  readonly onlyForDependents: boolean;
  /** A parent of the same request is only there for its dependents. */
  readonly serves: boolean;
  readonly depsLeft: number;
  readonly dependents: number;
  /** Its success may end others at once. */
  readonly cascades: boolean;
  readonly parents: string | null;
  readonly parentConditions: string | null;
  readonly children: string | null;
  readonly childConditions: string | null;
}

/** A batch to be written. JSON parts are texts. */
export interface NewBatchRow {
  readonly name: string;
  readonly metadata: string;
  readonly paused: boolean;
  readonly onComplete: string | null;
  readonly onCompleteCount: number;
}

/** What became of a task of a request: it was created, or is the duplicate of one that exists. */
export interface AnsweredTask {
  readonly id: bigint;
  readonly status: number;
  readonly deduplicated: boolean;
}

/** What became of the tasks of a request, in numbers. */
export interface AnsweredCounts {
  readonly created: number;
  readonly deduplicated: number;
}

/** A graph to be written: tasks in the order of their ids, and the edges onto tasks that exist. */
export interface NewGraph {
  readonly request: RequestKey;
  readonly batchId: bigint;
  readonly newBatch: NewBatchRow | undefined;
  readonly open: boolean;
  /** What the call is told of each task of the request, in its order. */
  readonly answer: readonly AnsweredTask[];
  /** What a repetition is told: the same, or no more than the numbers. */
  readonly answers: "tasks" | "counts";
  readonly tasks: readonly NewTaskRow[];
  readonly lateEdges: readonly { readonly child: bigint; readonly parent: bigint; readonly condition: number }[];
}

/** What was written, or what an earlier call with the same request_id wrote. */
export interface CreatedGraph extends Outcome {
  /** The tasks of the request, in its order, as they stand after the call. */
  readonly tasks: readonly AnsweredTask[];
  /** There where it may be all that is known of them: of large graphs, and of earlier calls. */
  readonly counts?: AnsweredCounts | undefined;
  readonly batch: Batch;
  /** Everybody has been told of the commit, and nothing is left to be done. */
  readonly finished?: boolean;
}

const createGraphStatement: Statement = {
  name: "create_graph",
  text: `select * from mp_create($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46)`,
};

interface CreateRow extends OutcomeRow {
  o_result: {
    /** Of an earlier call with the same request_id. */
    answer?: KeptAnswer[] | AnsweredCounts;
    moved: string[] | null;
    moved_to: number[] | null;
    batch: Record<string, unknown>;
  };
  o_replayed_hash: Buffer | null;
}

/**
 * Writes a graph in one transaction, with its event and its request_id.
 * Fails with BATCH_NOT_FOUND, BATCH_SEALED, UNKNOWN_DEPENDENCY (metadata.id), DUPLICATE_KEY; nothing is written then.
 */
export async function createGraph(writer: Writer, graph: NewGraph): Promise<CreatedGraph> {
  const whole = <K extends keyof NewTaskRow>(name: K) => column(graph.tasks, (task) => task[name]);
  const sparse = <K extends keyof typeof usual>(name: K) =>
    sparseColumn<NewTaskRow, unknown>(graph.tasks, (task) => task[name], usual[name]);
  const values = [
    graph.request.namespaceId,
    graph.batchId,
    graph.newBatch !== undefined,
    graph.newBatch?.name ?? "",
    graph.newBatch?.metadata ?? "{}",
    graph.open,
    graph.request.requestId ?? null,
    graph.request.bodyHash,
    ...(["id", "queue", "execution", "status", "priority"] as const).map(whole),
    ...[sparse("key"), whole("name")],
    ...(["metadata", "input", "spec", "expectedCount", "startTime"] as const).map(sparse),
    ...(["startTimeoutMs", "inactivityTimeoutMs", "unmetPolicy", "depsLeft", "dependents"] as const).map(whole),
    ...(["cascades", "parents", "parentConditions", "children", "childConditions"] as const).map(sparse),
    ...(["child", "parent", "condition"] as const).map((name) => graph.lateEdges.map((edge) => edge[name])),
    ...(["policy", "executionTimeoutMs", "totalTimeoutMs", "notifies"] as const).map(sparse),
    ...(["critical", "onlyForDependents", "serves"] as const).map(sparse),
    ...[graph.newBatch?.paused ?? false, graph.newBatch?.onComplete ?? null, graph.newBatch?.onCompleteCount ?? 0],
    ...[graph.request.requestId === undefined ? null : answerText(graph), sparse("lane"), sparse("flow")],
  ];
  const rows = await writer.write<CreateRow>(createGraphStatement, values).catch((error: unknown) => {
    throw explain(error);
  });
  const row = rows[0] as CreateRow;
  checkReplay(graph.request, row.o_replayed_hash);
  return { ...answered(row.o_result, graph.answer), ...outcomeOf(row) };
}

const keptAnswerStatement: Statement = {
  name: "kept_answer",
  text: `select case when result ? 'new_batch' then mp_kept_create(result) else result end result, body_hash from request
    where namespace_id = $1 and request_id = $2 and create_time + interval '24 hours' >= now()`,
};

/** What an earlier call with the same request_id was answered; undefined: there was none. Fails with REQUEST_ID_REUSED. */
export async function getCreatedGraph(db: Database, request: RequestKey): Promise<CreatedGraph | undefined> {
  interface Row {
    result: CreateRow["o_result"];
    body_hash: Buffer;
  }
  const [row] = await db.read<Row>(keptAnswerStatement, [request.namespaceId, request.requestId]);
  if (row === undefined) return undefined;
  checkReplay(request, row.body_hash);
  return { ...answered(row.result, []), readyQueues: [], followUps: [], finished: true };
}

function answered(
  { answer, moved: ids, moved_to: statuses, batch }: CreateRow["o_result"],
  asked: readonly AnsweredTask[],
): Pick<CreatedGraph, "tasks" | "counts" | "batch"> {
  if (answer !== undefined && !Array.isArray(answer))
    return { tasks: [], counts: answer, batch: parseBatchJson(batch) };
  const moved = new Map((ids ?? []).map((id, n) => [BigInt(id), statuses?.[n]]));
  const tasks = answer === undefined ? asked : answer.map(answeredTask);
  return {
    tasks: moved.size === 0 ? tasks : tasks.map((task) => ({ ...task, status: moved.get(task.id) ?? task.status })),
    batch: parseBatchJson(batch),
  };
}

/** What most tasks have: a column that holds nothing else is not sent; in the database, null stands for these values. */
export const usual = {
  ...{ key: null, metadata: null, input: null, spec: null, expectedCount: null, startTime: null },
  ...{ parents: null, parentConditions: null, children: null, childConditions: null, cascades: false },
  ...{ policy: null, lane: null, flow: null, executionTimeoutMs: null, totalTimeoutMs: null, notifies: 0 },
  ...{ critical: false, onlyForDependents: false, serves: false },
} as const satisfies Partial<NewTaskRow>;

type KeptAnswer = readonly [id: string, status: number, deduplicated: boolean];

/** Writes what a repetition is told of a graph's tasks. */
export function answerText({ answer, answers }: Pick<NewGraph, "answer" | "answers">): string {
  if (answers === "tasks")
    return JSON.stringify(answer.map((task): KeptAnswer => [String(task.id), task.status, task.deduplicated]));
  const deduplicated = answer.filter((task) => task.deduplicated).length;
  return countsText({ created: answer.length - deduplicated, deduplicated });
}

/** Writes what a repetition is told where that is no more than the numbers. */
export function countsText({ created, deduplicated }: AnsweredCounts): string {
  return JSON.stringify({ created, deduplicated });
}

function answeredTask([id, status, deduplicated]: KeptAnswer): AnsweredTask {
  return { id: BigInt(id), status, deduplicated };
}

function explain(error: unknown): unknown {
  switch (sqlState(error)) {
    case "MP001":
      return new MillpondError("BATCH_NOT_FOUND", "there is no such batch", { cause: error });
    case "MP002":
      return new MillpondError(
        "BATCH_SEALED",
        "the batch takes no more tasks: it is sealed or has ended; create a new batch, or an open one",
        { cause: error },
      );
    case "MP003":
      return new MillpondError("UNKNOWN_DEPENDENCY", "a task that is named as a dependency does not exist", {
        metadata: { id: String((error as { detail?: string }).detail) },
        cause: error,
      });
    case "23505":
      if (violatedConstraint(error) !== "task_open_batch_key") return error;
      return new MillpondError(
        "DUPLICATE_KEY",
        "a key of the request is the key of a task of the batch already; keys are unique in a batch",
        { cause: error },
      );
    default:
      return error;
  }
}

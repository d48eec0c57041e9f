import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import { parseBatchJson } from "./batches.ts";
import { type Database, type Statement, sqlState, violatedConstraint } from "./database.ts";
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
  readonly unmetPolicy: number;
  readonly depsLeft: number;
  readonly dependents: number;
  /** Its success may end others at once. */
  readonly cascades: boolean;
  readonly parents: string | null;
  readonly parentConditions: string | null;
  readonly children: string | null;
  readonly childConditions: string | null;
}

/** A graph to be written: tasks in the order of their ids, and the edges onto tasks that exist. */
export interface NewGraph {
  readonly request: RequestKey;
  readonly batchId: bigint;
  readonly newBatch: { readonly name: string; readonly metadata: string } | undefined;
  readonly open: boolean;
  readonly tasks: readonly NewTaskRow[];
  readonly lateEdges: readonly { readonly child: bigint; readonly parent: bigint; readonly condition: number }[];
}

/** What was written, or what an earlier call with the same request_id wrote. */
export interface CreatedGraph {
  /** The ids of the earlier call, in its order; absent for a new one. */
  readonly replayedIds: readonly bigint[] | undefined;
  /** Tasks whose status is no longer the one that they were written with. */
  readonly moved: ReadonlyMap<bigint, number>;
  readonly batch: Batch;
  readonly readyQueues: readonly number[];
}

const createGraphStatement: Statement = {
  name: "create_graph",
  text: `select * from mp_create($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`,
};

interface CreateRow {
  o_result: { ids?: string[]; moved: string[] | null; moved_to: number[] | null; batch: Record<string, unknown> };
  o_replayed_hash: Buffer | null;
  o_ready: number[] | null;
}

/**
 * Writes a graph in one transaction, with its event and its request_id.
 * Fails with BATCH_NOT_FOUND, BATCH_SEALED, UNKNOWN_DEPENDENCY (metadata.id), DUPLICATE_KEY; nothing is written then.
 */
export async function createGraph(db: Database, graph: NewGraph, validateOnly: boolean): Promise<CreatedGraph> {
  const column = <K extends keyof NewTaskRow>(name: K): NewTaskRow[K][] => graph.tasks.map((task) => task[name]);
  const values = [
    graph.request.namespaceId,
    graph.batchId,
    graph.newBatch !== undefined,
    graph.newBatch?.name ?? "",
    graph.newBatch?.metadata ?? "{}",
    graph.open,
    graph.request.requestId ?? null,
    graph.request.bodyHash,
    ...(
      [
        "id",
        "queue",
        "execution",
        "status",
        "priority",
        "key",
        "name",
        "metadata",
        "input",
        "spec",
        "expectedCount",
        "startTime",
      ] as const
    ).map(column),
    ...(["startTimeoutMs", "inactivityTimeoutMs", "unmetPolicy", "depsLeft", "dependents", "cascades"] as const).map(
      column,
    ),
    ...(["parents", "parentConditions", "children", "childConditions"] as const).map(column),
    graph.lateEdges.map((edge) => edge.child),
    graph.lateEdges.map((edge) => edge.parent),
    graph.lateEdges.map((edge) => edge.condition),
  ];
  const write = validateOnly
    ? db.writeAndRollBack<CreateRow>(createGraphStatement, values)
    : db.write<CreateRow>(createGraphStatement, values);
  const rows = await write.catch((error: unknown) => {
    throw explain(error);
  });
  const row = rows[0] as CreateRow;
  checkReplay(graph.request, row.o_replayed_hash);
  const moved = new Map<bigint, number>();
  for (const [n, id] of (row.o_result.moved ?? []).entries()) moved.set(BigInt(id), row.o_result.moved_to?.[n] ?? 0);
  return {
    replayedIds: row.o_replayed_hash === null ? undefined : row.o_result.ids?.map(BigInt),
    moved,
    batch: parseBatchJson(row.o_result.batch),
    readyQueues: row.o_ready ?? [],
  };
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

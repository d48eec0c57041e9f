import { MillpondError } from "../domain/errors.ts";
import type { Batch, Micros } from "../domain/task.ts";
import { batchStatusName } from "../domain/task-status.ts";
import { type Database, type Statement, sqlState } from "./database.ts";
import { type Outcome, type OutcomeRow, outcomeOf } from "./outcome.ts";
import { idBounds, type Page, type PageRequest, readPage } from "./pages.ts";
import { microsOrNull, parseMicros } from "./pg-types.ts";
import { checkReplay, type RequestKey, requestValues } from "./requests.ts";

/** What ListBatches selects. Absent filters select everything; name_contains is literal. */
export interface BatchFilter {
  readonly namespaceId: number;
  readonly statuses: readonly number[];
  readonly queues: readonly number[] | undefined;
  readonly nameContains: string;
  readonly metadata: string | undefined;
  readonly createdAfter: Micros | undefined;
  readonly createdBefore: Micros | undefined;
}

const statusColumns = [
  "waiting",
  "pending",
  "claimed",
  "running",
  "paused",
  "success",
  "failure",
  "canceled",
  "skipped",
] as const;

interface RawBatch {
  [column: string]: unknown;
}

/** The columns of {@link Batch}, from batch b and batch_state s. */
export const batchColumns = `b.id::text batch_id, b.name, b.metadata, b.create_time, b.stop_reason, s.end_time, s.success_count::text, s.failure_count::text,
  s.expected_count::text, s.total, ${statusColumns.map((column) => `s.${column}`).join(", ")}, s.status, s.open`;

const getBatchesStatement: Statement = {
  name: "get_batches",
  text: `select ${batchColumns} from unnest($1::bigint[]) x(id) join batch b on b.id = any (array[x.id])
    join batch_state s on s.batch_id = any (array[x.id])
    where $2::integer is null or b.namespace_id = $2`,
};

/** Reads batches by id; ids that do not exist (in the namespace, where one is given) are left out. */
export async function getBatches(
  db: Pick<Database, "readByKey">,
  namespaceId: number | undefined,
  ids: readonly bigint[],
): Promise<Batch[]> {
  const rows = await db.readByKey<RawBatch>(getBatchesStatement, [ids, namespaceId ?? null]);
  return rows.map(parseBatchJson);
}

const listBatchesStatement: Statement = {
  name: "list_batches",
  text: `select ${batchColumns} from (
      select * from batch where namespace_id = $1 and id > $2 and id < $3 order by id desc limit $4
    ) b join batch_state s on s.batch_id = any (array[b.id])
    where (cardinality($5::smallint[]) = 0 or s.status = any ($5))
      and ($6::integer[] is null or exists (select from batch_queue q where q.queue = any ($6) and q.batch_id = b.id))
      and ($7 = '' or strpos(lower(b.name), lower($7)) > 0)
      and ($8::jsonb is null or b.metadata @> $8)
      and ($9::timestamptz is null or b.create_time >= $9) and ($10::timestamptz is null or b.create_time < $10)
    order by b.id desc limit $11`,
};
const windowStatement: Statement = {
  name: "list_batches_window",
  text: "select id from batch where namespace_id = $1 and id > $2 and id < $3 order by id desc offset $4 limit 1",
};

/** Lists a page of batches, newest first. */
export function listBatches(db: Pick<Database, "read">, filter: BatchFilter, page: PageRequest): Promise<Page<Batch>> {
  const { low, high } = idBounds(filter, page);
  return readPage({
    size: page.size,
    rows: async (limit, window) => {
      const rows = await db.read<RawBatch>(listBatchesStatement, [
        ...[
          filter.namespaceId,
          low,
          high,
          window,
          filter.statuses,
          filter.queues ?? null,
          filter.nameContains,
          filter.metadata ?? null,
        ],
        ...[microsOrNull(filter.createdAfter), microsOrNull(filter.createdBefore), limit],
      ]);
      return rows.map(parseBatchJson);
    },
    windowEnd: async (window) =>
      (await db.read<{ id: bigint }>(windowStatement, [filter.namespaceId, low, high, window - 1]))[0]?.id,
  });
}

const stopBatchStatement: Statement = { name: "stop_batch", text: "select * from mp_stop_batch($1, $2, $3, $4, $5)" };

/** What StopBatch did: the former status of each task that it canceled, and how many had ended before. */
export interface StoppedBatch extends Outcome {
  readonly batch: Batch;
  readonly formerStatuses: readonly number[];
  readonly alreadyEnded: bigint;
}

/** Cancels what has not ended and ends the batch, in one transaction. Fails with BATCH_NOT_FOUND. */
export async function stopBatch(
  db: Database,
  request: RequestKey,
  stop: { batchId: bigint; reason: string },
): Promise<StoppedBatch> {
  interface Row extends OutcomeRow {
    o_from: number[];
    o_already_ended: bigint;
    o_batch: RawBatch;
    o_replayed_hash: Buffer | null;
  }
  const rows = await db
    .write<Row>(stopBatchStatement, [...requestValues(request), stop.batchId, stop.reason])
    .catch(explainRefusal);
  const row = rows[0] as Row;
  checkReplay(request, row.o_replayed_hash);
  return {
    batch: parseBatchJson(row.o_batch),
    formerStatuses: row.o_from,
    alreadyEnded: row.o_already_ended,
    ...outcomeOf(row),
  };
}

/** A batch as it stands after a change, and what is to happen now. */
export interface ChangedBatch extends Outcome {
  readonly batch: Batch;
}

interface ChangedBatchRow extends OutcomeRow {
  o_batch: RawBatch;
  o_replayed_hash: Buffer | null;
}

const sealBatchStatement: Statement = { name: "seal_batch", text: "select * from mp_seal_batch($1, $2, $3, $4)" };

/** Closes an open batch for new tasks; it ends where nothing is left to do. Fails with BATCH_NOT_FOUND. */
export async function sealBatch(db: Database, request: RequestKey, batchId: bigint): Promise<ChangedBatch> {
  const values = [...requestValues(request), batchId];
  return changedOf(request, await db.write<ChangedBatchRow>(sealBatchStatement, values).catch(explainRefusal));
}

const holdBatchStatement: Statement = { name: "hold_batch", text: "select * from mp_hold_batch($1, $2, $3, $4, $5)" };

/** Holds every future start in a batch, or lets it go on. Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION. */
export async function holdBatch(
  db: Database,
  request: RequestKey,
  { batchId, hold }: { batchId: bigint; hold: boolean },
): Promise<ChangedBatch> {
  const values = [...requestValues(request), batchId, hold];
  const rows = await db.write<ChangedBatchRow>(holdBatchStatement, values).catch((error: unknown) => {
    if (sqlState(error) === "MP004") throw hasEnded(error, hold ? "PAUSED" : "ACTIVE");
    return explainRefusal(error);
  });
  return changedOf(request, rows);
}

/** The refusal to hold a batch that has ended, or to let it go. */
function hasEnded(error: unknown, to: string): MillpondError {
  const from = batchStatusName(Number((error as { detail?: string }).detail));
  return new MillpondError("ILLEGAL_TRANSITION", `the batch has ended as ${from}; RetryBatch runs it again`, {
    metadata: { from, to },
    cause: error,
  });
}

function changedOf(request: RequestKey, rows: readonly ChangedBatchRow[]): ChangedBatch {
  const row = rows[0] as ChangedBatchRow;
  checkReplay(request, row.o_replayed_hash);
  return { batch: parseBatchJson(row.o_batch), ...outcomeOf(row) };
}

/** Turns what a database function raises about a batch into what callers are meant to see. */
export function explainRefusal(error: unknown): never {
  if (sqlState(error) === "MP001")
    throw new MillpondError("BATCH_NOT_FOUND", "there is no such batch", { cause: error });
  throw error;
}

/** Parses a batch from a row, or from the JSON that database functions answer. */
export function parseBatchJson(raw: RawBatch): Batch {
  const time = (value: unknown): Micros | null =>
    typeof value === "string" ? parseMicros(value) : ((value ?? null) as Micros | null);
  const big = (value: unknown): bigint => BigInt(String(value));
  return {
    id: big(raw.batch_id),
    name: String(raw.name),
    metadata: raw.metadata as Record<string, unknown>,
    status: Number(raw.status),
    open: Boolean(raw.open),
    total: Number(raw.total),
    byStatus: statusColumns.map((column) => Number(raw[column])),
    successCount: big(raw.success_count),
    failureCount: big(raw.failure_count),
    expectedCount: raw.expected_count === null ? null : big(raw.expected_count),
    createTime: time(raw.create_time) ?? 0,
    endTime: time(raw.end_time),
    stopReason: (raw.stop_reason ?? null) as string | null,
  };
}

import type { Batch } from "../domain/task.ts";
import { type ItemsTaken, type ItemsTakenRow, itemsTakenOf } from "./attempts.ts";
import { explainRefusal, parseBatchJson } from "./batches.ts";
import type { Database, Statement } from "./database.ts";
import { type RequestKey, requestValues } from "./requests.ts";

/** What runs again, what does not (and the parent that keeps it from it, if one does), and the batch where one was asked for. */
export interface Retried extends ItemsTaken {
  readonly blockers: ReadonlyMap<bigint, bigint>;
  /** How many tasks run again; of a batch, they are not named. */
  readonly count: number;
  readonly batch: Batch | undefined;
}

const retryStatement: Statement = { name: "retry", text: "select * from mp_retry($1, $2, $3, $4, $5, $6)" };

/** Runs tasks that have ended again, or what of a batch failed or was canceled, in one transaction. Fails with BATCH_NOT_FOUND. */
export async function retry(
  db: Database,
  request: RequestKey,
  what: { ids: readonly bigint[]; batchId: bigint | undefined; withDependents: boolean },
): Promise<Retried> {
  interface Row extends ItemsTakenRow {
    o_blockers: (bigint | null)[];
    o_count: number;
    o_batch: Record<string, unknown> | null;
  }
  const values = [...requestValues(request), what.ids, what.batchId ?? null, what.withDependents];
  const row = (await db.write<Row>(retryStatement, values).catch(explainRefusal))[0] as Row;
  return {
    ...itemsTakenOf(request, row),
    blockers: new Map(
      row.o_refused.flatMap((id, n) => {
        const blocker = row.o_blockers[n] ?? null;
        return blocker === null ? [] : [[id, blocker] as const];
      }),
    ),
    count: row.o_count,
    batch: row.o_batch === null ? undefined : parseBatchJson(row.o_batch),
  };
}

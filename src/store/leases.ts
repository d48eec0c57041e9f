import type { Micros } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";
import { formatMicros } from "./pg-types.ts";

/** An attempt, and the number of the worker that has it. */
export interface HeldLease {
  readonly id: bigint;
  readonly attempt: number;
  readonly worker: number;
}

const keepStatement: Statement = { name: "keep_leases", text: "select * from mp_keep_leases($1, $2, $3, $4)" };

/** Extends leases of several workers; in the order of ids. Answers those that were, with the time up to which. */
export async function keepLeases(
  db: Database,
  leases: readonly HeldLease[],
  leaseMs: number,
): Promise<{ readonly id: bigint; readonly attempt: number; readonly leaseUntil: Micros }[]> {
  interface Row {
    o_task_id: bigint;
    o_attempt: number;
    o_lease_until: Micros;
  }
  const rows = await db.write<Row>(keepStatement, [
    leases.map(({ id }) => id),
    leases.map(({ attempt }) => attempt),
    leases.map(({ worker }) => worker),
    leaseMs,
  ]);
  return rows.map((row) => ({ id: row.o_task_id, attempt: row.o_attempt, leaseUntil: row.o_lease_until }));
}

const shortenStatement: Statement = { name: "shorten_leases", text: "select mp_shorten_leases($1, $2, $3, $4)" };

/** Lets leases run out after `ms`, where that is sooner, unless they have been extended since they were known to end at `leaseUntil`; in the order of ids. */
export async function shortenLeases(
  db: Database,
  leases: readonly { readonly id: bigint; readonly attempt: number; readonly leaseUntil: Micros }[],
  ms: number,
): Promise<void> {
  await db.write(shortenStatement, [
    leases.map(({ id }) => id),
    leases.map(({ attempt }) => attempt),
    leases.map(({ leaseUntil }) => formatMicros(leaseUntil)),
    ms,
  ]);
}

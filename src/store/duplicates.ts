import type { Statement, Writer } from "./database.ts";

/** A look-up for a task that a new one would repeat. */
export interface DuplicateLookUp {
  readonly shape: number;
  readonly metadata: string;
  readonly statuses: readonly number[];
}

const findStatement: Statement = {
  name: "find_duplicates",
  text: "select * from mp_find_duplicates($1, $2, $3, $4)",
};

/**
 * Finds for each look-up (by its place in the list) the newest task that it may be; nobody else who looks for the same values can do so before the
 * transaction is over.
 */
export async function findExisting(
  writer: Writer,
  lookUps: readonly DuplicateLookUp[],
): Promise<Map<number, { id: bigint; status: number }>> {
  const rows = await writer.write<{ o_item: number; o_task_id: bigint; o_status: number }>(findStatement, [
    lookUps.map((_, n) => n),
    lookUps.map((lookUp) => lookUp.shape),
    lookUps.map((lookUp) => lookUp.metadata),
    lookUps.map((lookUp) => `{${lookUp.statuses.join(",")}}`),
  ]);
  return new Map(rows.map((row) => [row.o_item, { id: row.o_task_id, status: row.o_status }]));
}

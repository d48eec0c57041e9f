import { firstIdAt } from "../domain/ids.ts";
import type { Micros } from "../domain/task.ts";

/** Where a page begins (below this id; absent: at the newest) and how many rows it may have. */
export interface PageRequest {
  readonly size: number;
  readonly before: bigint | undefined;
}

/** A page of rows, and the id below which the next one begins; absent at the end. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextBefore: bigint | undefined;
}

/** A page looks at no more rows than this; where filters leave few of them, the page is short and has a successor. */
const scannedRowsMax = 20_000;

/** Ids carry a server's clock, create_time the database's: how far the two may be apart. */
const clockSkewMs = 10 * 60_000;

/** The open interval of ids that a filter by creation time and a place in the list leave. */
export function idBounds(
  filter: { readonly createdAfter: Micros | undefined; readonly createdBefore: Micros | undefined },
  page: PageRequest,
): { low: bigint; high: bigint } {
  const low = filter.createdAfter === undefined ? 0n : firstIdAt(Math.floor(filter.createdAfter / 1000) - clockSkewMs);
  const newest =
    filter.createdBefore === undefined
      ? (1n << 63n) - 1n
      : firstIdAt(Math.ceil(filter.createdBefore / 1000) + clockSkewMs);
  return { low, high: page.before !== undefined && page.before < newest ? page.before : newest };
}

/**
 * Reads a page: `rows` selects from the next `window` rows in order, and may leave out what would make the page too large if it says with each
 * row how many matched; `windowEnd` tells the last id of that window.
 */
export async function readPage<Row extends { readonly id: bigint; readonly matched?: bigint }>(read: {
  readonly size: number;
  readonly rows: (limit: number, window: number) => Promise<readonly Row[]>;
  readonly windowEnd: (window: number) => Promise<bigint | undefined>;
}): Promise<Page<Row>> {
  const rows = await read.rows(read.size + 1, scannedRowsMax);
  if (rows.length > read.size) return { rows: rows.slice(0, read.size), nextBefore: rows[read.size - 1]?.id };
  const last = rows.at(-1);
  if (last?.matched !== undefined && last.matched > rows.length) return { rows, nextBefore: last.id };
  return { rows, nextBefore: await read.windowEnd(scannedRowsMax) };
}

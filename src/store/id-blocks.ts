import type { Database, Statement } from "./database.ts";

const drawStatement: Statement = {
  name: "draw_id_blocks",
  text: "select nextval('id_block') block from generate_series(1, $1::integer)",
};

/** Draws numbers of blocks of ids. */
export async function drawIdBlocks(db: Database, count: number): Promise<bigint[]> {
  return (await db.write<{ block: bigint }>(drawStatement, [count])).map((row) => row.block);
}

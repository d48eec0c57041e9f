import type { BenchCase, Figure, Measured, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { withClient } from "../support/table-sizes.ts";
import { engineRate } from "./engine.ts";

const shapes = ["independent", "layered"] as const;
type Shape = (typeof shapes)[number];

/** What a task costs on disk and in the log. */
export const storage: BenchCase = {
  name: "storage",
  title: "What a task costs in PostgreSQL",
  about:
    "Over the load of the case `engine`, from an empty database, right after a checkpoint: bytes of all tables (with TOAST) and of all indexes per task, bytes of WAL per task, " +
    "and the share of updates that touch no index (HOT).",
  figures: shapes.flatMap(figuresOf),
  async open(context) {
    return shapes.map(
      (shape): Part => ({
        name: `engine, ${shape}`,
        measure: () => context.withDatabase(shape, (url) => measure(context, shape, url)),
      }),
    );
  },
};

function figuresOf(shape: Shape): Figure[] {
  const bytes = { unit: "bytes", better: "less" } as const;
  const share = { unit: "%", better: "more" } as const;
  return [
    { id: `${shape}-tables`, title: `${shape}: tables, per task`, ...bytes },
    { id: `${shape}-indexes`, title: `${shape}: indexes, per task`, ...bytes },
    { id: `${shape}-wal`, title: `${shape}: WAL, per task`, ...bytes },
    { id: `${shape}-fpi`, title: `${shape}: full-page images, per task`, unit: "", better: "less" },
    { id: `${shape}-hot-task`, title: `${shape}: HOT updates of task_state`, ...share },
    { id: `${shape}-hot-batch`, title: `${shape}: HOT updates of batch_state`, ...share },
  ];
}

async function measure(context: BenchContext, shape: Shape, databaseUrl: string): Promise<Measured> {
  const tasks = context.size(100_000, 10_000);
  await context.postgres.query("checkpoint");
  const before = await walPosition(context);
  await engineRate(context, { databaseUrl, shape, tasks });
  const after = await walPosition(context);
  const sizes = await readSizes(databaseUrl);
  return {
    [`${shape}-tables`]: sizes.tables / tasks,
    [`${shape}-indexes`]: sizes.indexes / tasks,
    [`${shape}-wal`]: (after.bytes - before.bytes) / tasks,
    [`${shape}-fpi`]: (after.fullPages - before.fullPages) / tasks,
    ...(sizes.hotTask !== null && { [`${shape}-hot-task`]: sizes.hotTask }),
    ...(sizes.hotBatch !== null && { [`${shape}-hot-batch`]: sizes.hotBatch }),
  };
}

async function walPosition(context: BenchContext): Promise<{ readonly bytes: number; readonly fullPages: number }> {
  const [row] = await context.postgres.query<{ bytes: string; pages: string }>(
    "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text bytes, wal_fpi::text pages from pg_stat_wal",
  );
  return { bytes: Number(row?.bytes ?? 0), fullPages: Number(row?.pages ?? 0) };
}

/** The connections of the load are closed, so PostgreSQL has counted what they did. */
async function readSizes(databaseUrl: string) {
  return await withClient(databaseUrl, async (client) => {
    const sizes = await client.query<{ tables: string; indexes: string }>(
      `select sum(pg_table_size(relid))::text tables, sum(pg_indexes_size(relid))::text indexes
       from pg_stat_user_tables where schemaname = 'public'`,
    );
    const hot = await client.query<{ name: string; share: number | null }>(
      `select relname as name, (100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0))::float8 share
       from pg_stat_user_tables where relname in ('task_state', 'batch_state')`,
    );
    const shareOf = (table: string) => hot.rows.find(({ name }) => name === table)?.share ?? null;
    return {
      ...{ tables: Number(sizes.rows[0]?.tables), indexes: Number(sizes.rows[0]?.indexes) },
      ...{ hotTask: shareOf("task_state"), hotBatch: shareOf("batch_state") },
    };
  });
}

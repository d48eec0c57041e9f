import type { BenchmarkPostgres } from "./benchmark-postgres.ts";

const statementsMax = 15;
const textLengthMax = 160;
/** What the benchmarks themselves and the peers execute; ArcRun is known by its databases. */
const notOfMillpond = "^(create|drop) database|^checkpoint|^vacuum|^analyze|\\mraw\\M|pgboss|graphile_worker|river";

interface StatementRow {
  calls: string;
  total_ms: number;
  mean_ms: number;
  rows: string;
  wal_bytes: string;
  text: string;
}

/** resetStatements has pg_stat_statements begin anew. */
export async function resetStatements(postgres: BenchmarkPostgres): Promise<void> {
  await postgres.query("select pg_stat_statements_reset()");
}

/** topStatements is a table of Millpond's statements that took the most time, those within functions too. */
export async function topStatements(postgres: BenchmarkPostgres): Promise<string> {
  const rows = await postgres.query<StatementRow>(
    `select sum(calls)::text calls, sum(total_exec_time) total_ms, sum(total_exec_time) / sum(calls) mean_ms,
       sum(rows)::text rows, sum(wal_bytes)::text wal_bytes, query as text
     from pg_stat_statements where query !~* $2
       and not exists (select from pg_database where oid = dbid and datname like 'bench\\_%\\_arcrun')
     group by query order by sum(total_exec_time) desc limit $1`,
    [statementsMax, notOfMillpond],
  );
  const lines = rows.map(({ calls, total_ms, mean_ms, rows: count, wal_bytes, text }) => {
    const short = text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").slice(0, textLengthMax);
    return `| ${total_ms.toFixed(0)} | ${calls} | ${mean_ms.toFixed(3)} | ${count} | ${wal_bytes} | \`${short}\` |`;
  });
  return `${["| total ms | calls | mean ms | rows | WAL bytes | statement |", "|---|---|---|---|---|---|", ...lines].join("\n")}\n`;
}

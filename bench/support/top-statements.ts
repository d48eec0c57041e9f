import type { BenchmarkPostgres } from "./benchmark-postgres.ts";

const statementsMax = 15;
const textLengthMax = 160;

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

/** topStatements is a table of the statements that took the most time, those within functions too. */
export async function topStatements(postgres: BenchmarkPostgres): Promise<string> {
  const rows = await postgres.query<StatementRow>(
    `select calls::text, total_exec_time total_ms, mean_exec_time mean_ms, rows::text, wal_bytes::text, query as text
     from pg_stat_statements where query !~* '^(create|drop) database|^checkpoint' order by total_exec_time desc limit $1`,
    [statementsMax],
  );
  const lines = rows.map(({ calls, total_ms, mean_ms, rows: count, wal_bytes, text }) => {
    const short = text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").slice(0, textLengthMax);
    return `| ${total_ms.toFixed(0)} | ${calls} | ${mean_ms.toFixed(3)} | ${count} | ${wal_bytes} | \`${short}\` |`;
  });
  return `${["| total ms | calls | mean ms | rows | WAL bytes | statement |", "|---|---|---|---|---|---|", ...lines].join("\n")}\n`;
}

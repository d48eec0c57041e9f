import { readFile } from "node:fs/promises";
import path from "node:path";
import { withClient } from "./template-database.ts";

/** How many reports of PostgreSQL's log a failure shows. */
const shownMax = 3;

/** How many deadlocks a database has seen. Connections tell it when they end: ask when the servers have stopped. */
export function countDeadlocks(databaseUrl: string): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ deadlocks: string }>(
      "select deadlocks from pg_stat_database where datname = current_database()",
    );
    return Number(rows[0]?.deadlocks);
  });
}

/**
 * Throws if a database has seen a deadlock, with what PostgreSQL's log has on the last ones of all databases: who waited for
 * whom, and in which functions. It is not there after the tests.
 */
export async function expectNoDeadlocks(databaseUrl: string): Promise<void> {
  const deadlocks = await countDeadlocks(databaseUrl);
  if (deadlocks === 0) return;
  const reports = await readReports(databaseUrl).catch((error: unknown) => `PostgreSQL's log cannot be read: ${error}`);
  throw new Error(`${deadlocks} deadlocks\n${reports}`);
}

/** Reads the log that an embedded PostgreSQL has beside its data. */
async function readReports(databaseUrl: string): Promise<string> {
  const { rows } = await withClient(databaseUrl, (client) =>
    client.query<{ folder: string }>("select current_setting('data_directory') folder"),
  );
  const log = await readFile(path.join(rows[0]?.folder ?? "", "../postgres.log"), "utf8");
  const entries = log.split(/\n(?=\d{4}-.* \[\d+\] (?!DETAIL|HINT|CONTEXT|STATEMENT))/);
  return entries
    .filter((entry) => entry.includes("deadlock detected"))
    .slice(-shownMax)
    .join("\n");
}

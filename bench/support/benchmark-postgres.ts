import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres/start-embedded-postgres.ts";

/** BenchmarkPostgres is the one PostgreSQL of a run. */
export interface BenchmarkPostgres {
  readonly version: string;
  /** Its settings that decide what a commit costs. */
  readonly durability: string;
  /** The folder of its data, when it is on this machine and this run's own. */
  readonly dataDir: string | undefined;
  /** Whether pg_stat_statements counts. */
  readonly hasStatements: boolean;
  /** Makes an empty database and answers its URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends its connections and drops it. */
  dropDatabase(url: string): Promise<void>;
  /** Asks the maintenance database, so that nothing is counted for the measured one. */
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Stops it and removes its data; of a server that was there before, ends the connections. */
  stop(): Promise<void>;
}

const statementsSettings = {
  shared_preload_libraries: "pg_stat_statements",
  "pg_stat_statements.track": "all",
  track_io_timing: "on",
};

/**
 * startBenchmarkPostgres starts the embedded PostgreSQL as a server does, with durable commits, in a temporary folder;
 * or uses the server that `url` names, whose role must be allowed to create databases.
 */
export async function startBenchmarkPostgres(options: {
  readonly url: string | undefined;
  /** Has pg_stat_statements count, which costs a little. */
  readonly statements: boolean;
}): Promise<BenchmarkPostgres> {
  if (options.url !== undefined) return openPostgres({ url: options.url, dataDir: undefined, stop: async () => {} });
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-bench-"));
  // PostgreSQL refuses to run as root, so another user may have to reach the data below this folder.
  await chmod(folder, 0o755);
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const settings = options.statements ? statementsSettings : {};
    const server = await startEmbeddedPostgres({ dataDir: path.join(folder, "data"), settings });
    return await openPostgres({ url: server.url, dataDir: folder, stop: () => server.stop().finally(remove) });
  } catch (error) {
    await remove();
    throw error;
  }
}

async function openPostgres(server: {
  readonly url: string;
  readonly dataDir: string | undefined;
  readonly stop: () => Promise<void>;
}): Promise<BenchmarkPostgres> {
  const admin = new pg.Pool({ connectionString: databaseUrl(server.url, "postgres"), max: 2 });
  // A connection that breaks fails the next query.
  admin.on("error", () => {});
  const query = async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await admin.query<Row>(text, [...values])).rows;
  let made = 0;
  try {
    const [row] = await query<{ version: string; durability: string }>(
      `select current_setting('server_version') version, (select string_agg(name || ' ' || setting, ', ' order by name)
         from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')) durability`,
    );
    return {
      ...{ version: row?.version ?? "unknown", durability: row?.durability ?? "unknown" },
      ...{ dataDir: server.dataDir, query },
      hasStatements: await startStatements(query),
      async createDatabase(name) {
        const database = `bench_${process.pid}_${made++}_${name.replaceAll(/[^a-z0-9]/g, "_")}`;
        await query(`create database ${database}`);
        return databaseUrl(server.url, database);
      },
      async dropDatabase(url) {
        await query(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
      },
      async stop() {
        await admin.end();
        await server.stop();
      },
    };
  } catch (error) {
    await admin.end();
    await server.stop();
    throw error;
  }
}

async function startStatements(query: BenchmarkPostgres["query"]): Promise<boolean> {
  const [row] = await query<{ libraries: string }>("select current_setting('shared_preload_libraries') libraries");
  if (!row?.libraries.includes("pg_stat_statements")) return false;
  await query("create extension if not exists pg_stat_statements");
  return true;
}

function databaseUrl(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
}

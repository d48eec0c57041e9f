import { createClient, type MillpondClient } from "@millpond/sdk";
import pg from "pg";
import { createTestDatabase } from "../support/database.ts";
import { type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { createMigratedDatabase, withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { startWithholdingProxy, type Verdict, type WithholdingProxy } from "../support/withholding-proxy.ts";
import type { MortalPostgres } from "./mortal-postgres.ts";

/** A server process with its database, each behind a proxy, and a client that repeats nothing by itself. */
export interface Stage extends AsyncDisposable {
  /** Straight to PostgreSQL. */
  readonly databaseUrl: string;
  readonly client: MillpondClient;
  /** Between the server and PostgreSQL. */
  readonly database: WithholdingProxy;
  /** Between the client and the server. */
  readonly server: WithholdingProxy;
  /** Kills the victim by SIGKILL; calls under way fail. */
  kill(): Promise<void>;
  /** Waits until there is a server again that is ready: another process, or the same one with PostgreSQL started on its data folder. */
  revive(): Promise<void>;
}

/** Starts a stage. Without a PostgreSQL of its own, the one of this test run is used: only the server can be killed then. */
export async function startStage(mortal?: MortalPostgres): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const { url: databaseUrl, drop } = mortal ? await createMigratedDatabase(mortal.url) : await createTestDatabase();
  stack.defer(() => drop());
  const proxied = new URL(databaseUrl);
  const database = stack.use(await startWithholdingProxy(Number(proxied.port)));
  proxied.port = String(database.port);
  const env = { PORT: "0", DATABASE_URL: proxied.href, MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true" };
  let serving: ServeProcess = await startServeProcess(env);
  stack.defer(async () => void (await serving.end("SIGKILL")));
  const server = stack.use(await startWithholdingProxy(portOf(serving)));
  const client = createClient({ address: `http://127.0.0.1:${server.port}`, protocol: "connect", retry: false });
  stack.defer(() => client.close());
  const moved = stack.move();
  return {
    ...{ databaseUrl, client, database, server },
    kill: async () => {
      if (mortal === undefined) await serving.end("SIGKILL");
      else await mortal.kill();
      server.cut();
      database.cut();
    },
    revive: async () => {
      if (mortal === undefined) serving = await startServeProcess(env);
      else await mortal.isUp();
      server.target = portOf(serving);
      await until("the server is ready", async () => (await fetch(`${serving.url}/readyz`)).status === 200);
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

function portOf({ url }: ServeProcess): number {
  return Number(new URL(url).port);
}

/** Judges answers of PostgreSQL: each one is kept back when its transaction has been committed, if it contains what the pattern says. */
export function committed(pattern = /^/): (answer: string) => Verdict {
  return (answer) => {
    // ReadyForQuery, in no transaction.
    if (!answer.endsWith("Z\0\0\0\x05I")) return "more";
    return pattern.test(answer) ? "withhold" : "pass";
  };
}

/** A transaction of somebody else that keeps others from going on. */
export interface Hold extends AsyncDisposable {
  /** Waits until so many transactions wait for it, directly or behind each other. */
  blocks(count: number): Promise<void>;
  /** Ends those that wait for it, as PostgreSQL ends transactions of a client that it has found to be gone. */
  endBlocked(): Promise<void>;
  release(): Promise<void>;
}

/** Begins a transaction and runs a statement in it; what it locks stays locked until it is released. */
export async function hold(databaseUrl: string, statement: string): Promise<Hold> {
  const client = new pg.Client({ connectionString: databaseUrl });
  // The database may be killed.
  client.on("error", () => {});
  await client.connect();
  await client.query("begin");
  const { rowCount } = await client.query(statement);
  if (!rowCount) throw new Error(`nothing is held by: ${statement}`);
  const blocked = "datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0";
  const release = () => client.end().catch(() => {});
  return {
    blocks: (count) =>
      until(`${count} transactions wait`, () =>
        withClient(databaseUrl, async (other) => {
          const { rows } = await other.query(`select from pg_stat_activity where ${blocked}`);
          return rows.length >= count;
        }),
      ),
    endBlocked: () =>
      withClient(databaseUrl, async (other) => {
        await other.query(`select pg_terminate_backend(pid, 60000) from pg_stat_activity where ${blocked}`);
      }),
    release,
    [Symbol.asyncDispose]: release,
  };
}

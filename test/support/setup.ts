import { createClient, type MillpondClient } from "@millpond/sdk";
import { pino } from "pino";
import { loadSettings } from "../../src/config/settings.ts";
import { startMillpond } from "../../src/server/start-millpond.ts";
import type { RunningServer } from "../../src/server/start-server.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

/** A server on a database of its own, with a client. */
export interface Setup extends AsyncDisposable {
  readonly url: string;
  readonly client: MillpondClient;
  readonly database: TestDatabase;
  readonly server: RunningServer;
  /** Starts one more server on the same database. */
  another(): Promise<{ readonly url: string; readonly client: MillpondClient; readonly server: RunningServer }>;
}

/** Starts a server on a fresh clone of the migrated template; everything ends with the `await using` that holds it. */
export async function setup(env: Readonly<Record<string, string>> = {}): Promise<Setup> {
  const database = await createTestDatabase();
  const servers: RunningServer[] = [];
  const start = async (): Promise<{ url: string; client: MillpondClient; server: RunningServer }> => {
    const { settings } = loadSettings({
      PORT: "0",
      MILLPOND_LOG_LEVEL: "fatal",
      MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true",
      ...env,
    });
    const server = await startMillpond(settings, database.url, pino({ level: settings.logLevel }));
    servers.push(server);
    return { url: server.url, client: createClient({ address: server.url }), server };
  };
  const first = await start();
  return {
    ...{ ...first, database, another: start },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server.stop(2_000)));
      await database.drop();
    },
  };
}

import { startCutProxy } from "../../../test/support/cut-proxy.ts";
import { freePort, type ServeProcess, startServeProcess } from "../../../test/support/serve-process.ts";
import { withClient } from "../../../test/support/template-database.ts";

/** What a server is started with beside the defaults, as its environment names it. */
export type ServerSettings = Readonly<Record<string, string>>;

/** ConformanceServer is the server that the cases run against, in a process of its own. Between it and its database stands a proxy. */
export interface ConformanceServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Tells it to end, waits until it has, and starts it again at the same address. Settings last until the next start. */
  restart(settings?: ServerSettings): Promise<void>;
  readonly database: {
    /** Ends all connections to the database and lets none be made. */
    cut(): void;
    mend(): void;
    /** Deletes every event that there is, as retention does. A server that has them in memory still knows them. */
    forgetEvents(): Promise<void>;
  };
}

/** startConformanceServer starts a server on the database that `env` names. */
export async function startConformanceServer(
  env: ServerSettings & { readonly DATABASE_URL: string },
): Promise<ConformanceServer> {
  const port = await freePort();
  const databaseUrl = new URL(env.DATABASE_URL);
  const databaseProxy = await startCutProxy(Number(databaseUrl.port || 5432));
  databaseUrl.hostname = "127.0.0.1";
  databaseUrl.port = String(databaseProxy.port);
  const start = (settings: ServerSettings): Promise<ServeProcess> =>
    startServeProcess({
      MILLPOND_LOG_LEVEL: "info",
      // Receivers are on this machine.
      MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true",
      PORT: String(port),
      ...env,
      ...settings,
      DATABASE_URL: databaseUrl.href,
    });
  let server = await start({});
  return {
    address: server.url,
    port,
    restart: async (settings = {}) => {
      await server.end("SIGTERM");
      server = await start(settings);
    },
    database: {
      cut: databaseProxy.cut,
      mend: databaseProxy.mend,
      forgetEvents: () => forgetEvents(env.DATABASE_URL),
    },
    [Symbol.asyncDispose]: async () => {
      databaseProxy.mend();
      await server.end("SIGTERM");
      await databaseProxy[Symbol.asyncDispose]();
    },
  };
}

async function forgetEvents(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query("begin");
    await client.query("update instance set event_floor = (select max(seq) from event_tx)");
    await client.query("delete from event_tx where seq <= (select event_floor from instance)");
    await client.query("commit");
  });
}

import { freePort, type ServeProcess, startServeProcess } from "../../../test/support/serve-process.ts";

/** ConformanceServer is the server that the cases run against, in a process of its own. */
export interface ConformanceServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Tells it to end, waits until it has, and starts it again at the same address. */
  restart(): Promise<void>;
}

/** startConformanceServer starts a server on the database that `env` names. */
export async function startConformanceServer(env: Readonly<Record<string, string>>): Promise<ConformanceServer> {
  const port = await freePort();
  const start = (): Promise<ServeProcess> =>
    startServeProcess({
      MILLPOND_LOG_LEVEL: "info",
      // Receivers are on this machine.
      MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true",
      PORT: String(port),
      ...env,
    });
  let server = await start();
  return {
    address: server.url,
    port,
    restart: async () => {
      await server.end("SIGTERM");
      server = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await server.end("SIGTERM");
    },
  };
}

import cluster from "node:cluster";
import { Command } from "commander";
import { processesMax } from "../config/setting-definitions.ts";
import { CommandFailure, exitCodes } from "./command-failure.ts";
import { integerBetween } from "./option-values.ts";
import { ignoreStopSignals, listenForStop, onParentGone } from "./stop-signals.ts";

/** What a server tells the process that started it with an IPC channel, once it listens. */
export interface ListeningMessage {
  readonly event: "listening";
  readonly url: string;
}

/** serveCommand is `millpond serve`: the server, until a signal stops it. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("start the server; settings come from the environment")
    .option(
      "--processes <n>",
      "how many processes serve the port, on a machine with several cores (default: MILLPOND_PROCESSES, or 1)",
      integerBetween(1, processesMax),
    )
    .addHelpText(
      "after",
      `
Settings (the most used; docs/configuration.md has them all):
  PORT                 the port, default 8085; 0 lets the system choose
  HOST                 the address to listen on, default 127.0.0.1
  DATABASE_URL         the PostgreSQL to use; without it the server runs its own
  MILLPOND_DATA_DIR    where its own PostgreSQL keeps the data

Examples:
  millpond serve
  PORT=9000 millpond serve
  millpond serve --processes 4
  DATABASE_URL=postgresql://user:password@host/db millpond serve

Ctrl-C stops it in good order; a second Ctrl-C at once.`,
    )
    .action(serve);
}

async function serve({ processes }: { readonly processes?: number }): Promise<void> {
  // One of several processes: it has been started with the same command line, by the first one.
  if (cluster.isWorker) return serveInGroup();
  using stop = listenForStop();
  const { serve: startServer } = await import("../main.ts");
  const server = await startServer({ env: process.env, processes }).catch((error: unknown) => {
    if (error instanceof Error && error.name === "InvalidSettingsError") {
      throw new CommandFailure(error.message, exitCodes.misuse);
    }
    throw error;
  });
  const stopServer = () => void server.stop();
  using _ = onParentGone(stopServer);
  if (stop.signal.aborted) stopServer();
  else stop.signal.addEventListener("abort", stopServer, { once: true });
  // A parent that is gone cannot be told.
  process.send?.(
    { event: "listening", url: server.url } satisfies ListeningMessage,
    undefined,
    undefined,
    () => undefined,
  );
  process.exitCode = await server.done;
  if (process.connected) process.disconnect();
}

/** The first process gets the signals too, also Ctrl-C, and tells this one; so the order of the end is the same whoever is signalled. */
async function serveInGroup(): Promise<never> {
  ignoreStopSignals();
  const { serveInGroup: serveUntilStopped } = await import("../main.ts");
  process.exit(await serveUntilStopped());
}

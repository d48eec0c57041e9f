import type { Logger } from "pino";
import { loadSettings, type Settings } from "./config/settings.ts";
import { giveBackIdleMemory } from "./server/idle-memory.ts";
import { type OpenDatabase, openDatabase } from "./server/open-database.ts";
import { createServerLogger } from "./server/server-logger.ts";

/** A server that has been started from the environment. */
export interface Served {
  readonly url: string;
  /** Stops it gracefully, and its embedded database; resolves when all has ended. */
  stop(): Promise<void>;
  /** Resolves with the exit code when the server has stopped, or cannot go on. */
  readonly done: Promise<number>;
}

/** What serves calls: a server in this process, or a group of processes. */
interface Serving {
  readonly url: string;
  stop(): Promise<void>;
  /** Resolves when it cannot go on. */
  readonly lost: Promise<void>;
}

/** Beyond the grace, what processes of a group may take to stop, and the connections of those who look into the embedded database. */
const stopSlackMs = 5_000;
const spareConnections = 20;
/** Beside those that the settings name: the one that listens. */
const otherConnections = 1;

/**
 * Starts a server: settings from the environment, the database (DATABASE_URL, or the embedded one in the data folder), migrations, services, in
 * this process or in several. Logs to standard output as JSON lines.
 */
export async function serve(
  options: { readonly env?: NodeJS.ProcessEnv; readonly processes?: number | undefined } = {},
): Promise<Served> {
  const { settings, warnings } = readSettings(options.env ?? process.env);
  const count = options.processes ?? settings.processes;
  const logger = createServerLogger(settings.logLevel, count > 1 ? { pid: process.pid } : null);
  for (const warning of warnings) logger.warn(warning);
  const { promise: done, resolve: finish } = Promise.withResolvers<number>();

  const connectionsMax = count * (settings.databaseWriters + 2 * settings.databaseReaders + otherConnections);
  const opening = openDatabase(settings, { logger, connectionsMax: connectionsMax + spareConnections });
  // Loaded while the database starts.
  const loading = count > 1 ? loadGroup(count) : loadServer();
  const [database, start] = await Promise.all([opening, loading]);
  void database.lost.then(() => finish(1));
  try {
    const serving = await start(settings, database, logger);
    void serving.lost.then(() => finish(1));
    if (settings.webhookAllowLoopback) {
      logger.warn(
        "webhooks may call loopback addresses (MILLPOND_WEBHOOK_ALLOW_LOOPBACK): to try things out, not for production",
      );
    }
    const { url } = serving;
    // With several processes, each line has the id of the one that it comes from.
    logger.info({ url, ...(count > 1 ? { processes: count } : { pid: process.pid }) }, "millpond is up");
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      logger.info("stopping");
      await serving.stop();
      await database.stop();
      logger.info("stopped");
      finish(0);
    };
    return { url, done, stop: () => (stopping ??= stop()) };
  } catch (error) {
    await database.stop();
    throw error;
  }
}

type Start = (settings: Settings, database: OpenDatabase, logger: Logger) => Promise<Serving>;

async function loadServer(): Promise<Start> {
  const { startMillpond } = await import("./server/start-millpond.ts");
  return async (settings, database, logger) => {
    const server = await startMillpond(settings, database.url, logger);
    const endGivingBack = giveBackIdleMemory();
    const stop = async (): Promise<void> => {
      endGivingBack();
      await server.stop();
    };
    return { url: server.url, stop, lost: new Promise(() => {}) };
  };
}

async function loadGroup(count: number): Promise<Start> {
  const { ProcessGroup } = await import("./server/process-group.ts");
  return async (settings, database, logger) => {
    const { port, shutdownGraceMs } = settings;
    const env = { DATABASE_URL: database.url };
    const group = new ProcessGroup({ count, env, port, stopTimeoutMs: shutdownGraceMs + stopSlackMs, logger });
    try {
      const url = await group.start();
      const lost = group.failed.then(({ message }) => logger.fatal({ reason: message }, "the server cannot go on"));
      return { url, stop: () => group.stop(), lost };
    } catch (error) {
      await group.stop();
      throw error;
    }
  };
}

/**
 * Serves as one process of a group, on the database that the first one has opened, until the group stops. Resolves with the exit code. It ends at once when the
 * first one is gone: that is what processes of node:cluster do.
 */
export async function serveInGroup(): Promise<number> {
  const { GroupProcess } = await import("./server/group-process.ts");
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  const group = new GroupProcess({ stop });
  try {
    const { settings } = readSettings(process.env);
    const logger = createServerLogger(settings.logLevel, { pid: process.pid });
    const { startMillpond } = await import("./server/start-millpond.ts");
    // A process of a group always has it: the first one passes it on.
    const databaseUrl = settings.databaseUrl as string;
    const server = await startMillpond(settings, databaseUrl, logger, (registry) => group.shareMetrics(registry));
    group.listening(server);
    const endGivingBack = giveBackIdleMemory();
    await stopped;
    endGivingBack();
    await server.stop();
    return 0;
  } catch (error) {
    await group.failed(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

function readSettings(env: NodeJS.ProcessEnv): ReturnType<typeof loadSettings> {
  return loadSettings(env, { alsoKnown: ["MILLPOND_ADDRESS", "MILLPOND_TOKEN"] });
}

import { pino } from "pino";
import { loadSettings } from "./config/settings.ts";
import { openDatabase } from "./server/open-database.ts";

/** A server that has been started from the environment. */
export interface Served {
  readonly url: string;
  /** Stops it gracefully, and its embedded database; resolves when all has ended. */
  stop(): Promise<void>;
  /** Resolves with the exit code when the server has stopped, or cannot go on. */
  readonly done: Promise<number>;
}

/**
 * Starts a server: settings from the environment, the database (DATABASE_URL, or the embedded one in the data folder), migrations, services.
 * Logs to standard output as JSON lines.
 */
export async function serve({ env = process.env }: { readonly env?: NodeJS.ProcessEnv } = {}): Promise<Served> {
  const { settings, warnings } = loadSettings(env, { alsoKnown: ["MILLPOND_ADDRESS", "MILLPOND_TOKEN"] });
  const logger = pino({ level: settings.logLevel, base: null });
  for (const warning of warnings) logger.warn(warning);
  const { promise: done, resolve: finish } = Promise.withResolvers<number>();

  const opening = openDatabase(settings, { logger, connectionsMax: 0 });
  // Loaded while the database starts.
  const [database, { startMillpond }] = await Promise.all([opening, import("./server/start-millpond.ts")]);
  void database.lost.then(() => finish(1));
  try {
    const server = await startMillpond(settings, database.url, logger);
    if (settings.webhookAllowLoopback) {
      logger.warn(
        "webhooks may call loopback addresses (MILLPOND_WEBHOOK_ALLOW_LOOPBACK): to try things out, not for production",
      );
    }
    logger.info({ url: server.url, pid: process.pid }, "millpond is up");
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      logger.info("stopping");
      await server.stop();
      await database.stop();
      logger.info("stopped");
      finish(0);
    };
    return { url: server.url, done, stop: () => (stopping ??= stop()) };
  } catch (error) {
    await database.stop();
    throw error;
  }
}

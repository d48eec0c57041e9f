import { pino } from "pino";
import { loadSettings } from "./config/settings.ts";
import { startMillpond } from "./server/start-millpond.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./store/embedded-postgres/start-embedded-postgres.ts";
import { migrateUp } from "./store/migrate.ts";

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

  let embedded: EmbeddedPostgres | undefined;
  if (settings.databaseUrl === undefined) {
    embedded = await startEmbeddedPostgres({
      dataDir: settings.dataDir,
      log: (line) => logger.info({ component: "postgres" }, line),
    });
    logger.info(
      { dataDir: settings.dataDir, version: embedded.version, adopted: embedded.adopted },
      "embedded PostgreSQL is up",
    );
    void embedded.exited.then(({ expected, detail }) => {
      if (expected) return;
      logger.fatal({ detail }, "the embedded PostgreSQL has ended and does not come back");
      finish(1);
    });
  }
  try {
    const databaseUrl = settings.databaseUrl ?? (embedded as EmbeddedPostgres).url;
    const { applied } = await migrateUp(databaseUrl).catch((error: NodeJS.ErrnoException) => {
      if (settings.databaseUrl === undefined || !/^E[A-Z_]+$/.test(error.code ?? "")) throw error;
      const message = `the database that DATABASE_URL names cannot be reached (${error.message}); start it, correct DATABASE_URL, or leave it out for the embedded PostgreSQL`;
      throw new Error(message, { cause: error });
    });
    if (applied.length > 0) logger.info({ applied }, "migrated the database");
    const server = await startMillpond(settings, databaseUrl, logger);
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
      await embedded?.stop();
      logger.info("stopped");
      finish(0);
    };
    return { url: server.url, done, stop: () => (stopping ??= stop()) };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

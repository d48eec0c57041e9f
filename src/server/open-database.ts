import type { Logger } from "pino";
import type { Settings } from "../config/settings.ts";
import type { EmbeddedPostgres } from "../store/embedded-postgres/start-embedded-postgres.ts";
import { migrateUp } from "../store/migrate.ts";

/** PostgreSQL's own default. */
const embeddedConnectionsMin = 100;

/** A migrated database that is up. */
export interface OpenDatabase {
  readonly url: string;
  /** Resolves when the embedded PostgreSQL has ended and does not come back. */
  readonly lost: Promise<void>;
  /** Stops PostgreSQL, where it is the embedded one. */
  stop(): Promise<void>;
}

/** Opens the database of DATABASE_URL, or starts the embedded one in the data folder, and applies the migrations that are pending. */
export async function openDatabase(
  settings: Settings,
  { logger, connectionsMax }: { readonly logger: Logger; readonly connectionsMax: number },
): Promise<OpenDatabase> {
  if (settings.databaseUrl !== undefined) {
    await migrate(settings.databaseUrl, logger).catch((error: NodeJS.ErrnoException) => {
      if (!/^E[A-Z_]+$/.test(error.code ?? "")) throw error;
      const message = `the database that DATABASE_URL names cannot be reached (${error.message}); start it, correct DATABASE_URL, or leave it out for the embedded PostgreSQL`;
      throw new Error(message, { cause: error });
    });
    return { url: settings.databaseUrl, lost: new Promise(() => {}), stop: async () => {} };
  }
  const embedded = await startEmbedded(settings.dataDir, { logger, connectionsMax });
  const lost = embedded.exited.then(({ expected, detail }) => {
    if (expected) return new Promise<void>(() => {});
    logger.fatal({ detail }, "the embedded PostgreSQL has ended and does not come back");
    return undefined;
  });
  try {
    await migrate(embedded.url, logger);
  } catch (error) {
    await embedded.stop();
    throw error;
  }
  return { url: embedded.url, lost, stop: () => embedded.stop() };
}

async function startEmbedded(
  dataDir: string,
  { logger, connectionsMax }: { readonly logger: Logger; readonly connectionsMax: number },
): Promise<EmbeddedPostgres> {
  // A server on a database of others does without.
  const { startEmbeddedPostgres } = await import("../store/embedded-postgres/start-embedded-postgres.ts");
  const embedded = await startEmbeddedPostgres({
    dataDir,
    settings: { max_connections: String(Math.max(connectionsMax, embeddedConnectionsMin)) },
    log: (line) => logger.info({ component: "postgres" }, line),
  });
  logger.info({ dataDir, version: embedded.version, adopted: embedded.adopted }, "embedded PostgreSQL is up");
  return embedded;
}

async function migrate(url: string, logger: Logger): Promise<void> {
  const { applied } = await migrateUp(url);
  if (applied.length > 0) logger.info({ applied }, "migrated the database");
}

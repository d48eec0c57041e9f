import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres/start-embedded-postgres.ts";

/** A PostgreSQL server for tests and tools. */
export interface TestPostgres {
  /** Connection URL of a role that may create databases. */
  url: string;
  /** Stops the server and removes its files; does nothing to a server that was there before. */
  stop(): Promise<void>;
}

/**
 * Starts the PostgreSQL that tests and tools use: the server behind `TEST_DATABASE_URL` if that is set, else a new embedded
 * one in a temporary folder, without durability.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const given = process.env.TEST_DATABASE_URL;
  if (given) return { url: given, stop: async () => {} };

  const folder = await mkdtemp(path.join(tmpdir(), "millpond-test-postgres-"));
  // PostgreSQL refuses to run as root, so another user may have to reach the data below this folder.
  await chmod(folder, 0o755);
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, "data"), durable: false });
    return { url: postgres.url, stop: () => postgres.stop().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

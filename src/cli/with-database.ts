import { loadSettings } from "../config/settings.ts";
import { CommandFailure, exitCodes } from "./command-failure.ts";

/** withDatabase calls back with the URL of the database of the settings, which is started for the time of the call when it is the embedded one. */
export async function withDatabase(work: (url: string) => Promise<void>): Promise<void> {
  const { databaseUrl, dataDir } = readSettings();
  if (databaseUrl !== undefined) return work(databaseUrl);
  const { startEmbeddedPostgres } = await import("../store/embedded-postgres/start-embedded-postgres.ts");
  const postgres = await startEmbeddedPostgres({ dataDir });
  try {
    await work(postgres.url);
  } finally {
    await postgres.stop();
  }
}

function readSettings() {
  try {
    return loadSettings(process.env).settings;
  } catch (error) {
    throw new CommandFailure((error as Error).message, exitCodes.misuse);
  }
}

// A process that owns an embedded PostgreSQL: options as JSON in argv, events as JSON lines on stdout. It stops on
// SIGTERM, and when its stdin ends, so that it never outlives the test that started it.
import {
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "../../src/store/embedded-postgres/start-embedded-postgres.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as EmbeddedPostgresOptions;
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

try {
  const postgres = await startEmbeddedPostgres({ ...options, log: (line) => tell({ event: "log", line }) });
  const { url, version, adopted, binDir } = postgres;
  const stop = async () => {
    await postgres.stop();
    process.exit(0);
  };
  process.once("SIGTERM", stop);
  process.stdin.once("end", stop).resume();
  tell({ event: "started", url, version, adopted, binDir });
} catch (error) {
  tell({ event: "failed", name: (error as Error).name, message: (error as Error).message });
  process.exit(1);
}

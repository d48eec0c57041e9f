// The engine without the wire: create, claim and report in one process, in batches, with the feed that a server has.
import { migrateUp } from "../../src/store/migrate.ts";
import { openEngine } from "../support/engine-driver.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** EngineLoadJob is what this program does. */
export interface EngineLoadJob {
  readonly databaseUrl: string;
  readonly shape: "independent" | "layered";
  readonly tasks: number;
  /** Tasks of one create (a graph), and what one claim and one report have at most. */
  readonly batchSize: number;
  readonly concurrency: number;
  /** How many tasks are created and not ended at most, beside those just being created. */
  readonly openMax: number;
}

const job = await readJob<EngineLoadJob>();
await migrateUp(job.databaseUrl);
const engine = await openEngine(job.databaseUrl);
const startMs = monotonicMs();
let created = 0;
let ended = 0;
await Promise.all(Array.from({ length: job.concurrency }, lane));
const seconds = (monotonicMs() - startMs) / 1000;
await engine.close();
sayLine({ tasks: ended, seconds });
process.exit();

/** Creates while there is room, and executes what may start otherwise. */
async function lane(): Promise<void> {
  while (ended < job.tasks) {
    if (created < job.tasks && created - ended < job.openMax) {
      created += job.batchSize;
      await engine.create(job.shape, job.batchSize);
      continue;
    }
    const done = await engine.execute(job.batchSize);
    ended += done;
    // What the other lanes have claimed makes the next tasks ready.
    if (done === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

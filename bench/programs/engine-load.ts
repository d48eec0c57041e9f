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
  /** How many create at the same time, and how many workers execute. */
  readonly creators: number;
  readonly workers: number;
  /** How many tasks are created and not ended at most, beside those just being created. */
  readonly openMax: number;
}

const job = await readJob<EngineLoadJob>();
await migrateUp(job.databaseUrl);
const engine = await openEngine(job.databaseUrl);
const startMs = monotonicMs();
let created = 0;
let ended = 0;
await Promise.all([...lanes(job.creators, create), ...lanes(job.workers, execute)]);
const seconds = (monotonicMs() - startMs) / 1000;
await engine.close();
sayLine({ tasks: ended, seconds });
process.exit();

function lanes(count: number, lane: () => Promise<void>): Promise<void>[] {
  return Array.from({ length: count }, lane);
}

/** Creates while there is room. */
async function create(): Promise<void> {
  while (created < job.tasks) {
    if (created - ended >= job.openMax) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    created += job.batchSize;
    await engine.create(job.shape, job.batchSize);
  }
}

/** Executes what it is handed, as a worker of the SDK does: its slots are free as soon as it has sent its reports, and it takes what is next before they are answered. */
async function execute(): Promise<void> {
  let reporting: Promise<void> | undefined;
  while (ended < job.tasks) {
    const tasks = await engine.claim(job.batchSize);
    await reporting;
    reporting = tasks.length === 0 ? undefined : report(tasks);
  }
}

async function report(tasks: Awaited<ReturnType<typeof engine.claim>>): Promise<void> {
  await engine.report(tasks);
  ended += tasks.length;
}

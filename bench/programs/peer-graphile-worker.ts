// graphile-worker with no-op jobs: fetched by the local queue and completed in batches, as its documentation advises for many short jobs.
import { Logger, makeWorkerUtils, type Runner, run } from "graphile-worker";
import pg from "pg";
import type { PeerQueue } from "./peer-job.ts";
import { runPeerJob } from "./run-peer-job.ts";

const silent = new Logger(() => () => {});
const task = "noop";

await runPeerJob(openGraphileWorker);

async function openGraphileWorker(url: string): Promise<PeerQueue> {
  const pool = new pg.Pool({ connectionString: url, max: 20 });
  const utils = await makeWorkerUtils({ pgPool: pool, logger: silent });
  await utils.migrate();
  let runner: Runner | undefined;
  return {
    insert: (jobs) =>
      jobs === 1
        ? utils.addJob(task, { n: 1 })
        : utils.addJobs(Array.from({ length: jobs }, (_, n) => ({ identifier: task, payload: { n } }))),
    analyze: () => pool.query("analyze"),
    async work(mode, onBegun) {
      const tuned = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0, concurrentJobs: 24 };
      runner = await run({
        ...{ pgPool: pool, logger: silent, noHandleSignals: true, taskList: { [task]: () => onBegun(1) } },
        preset: { worker: mode === "throughput" ? tuned : { concurrentJobs: 10 } },
      });
    },
    // Waits for the batches of completions.
    completed: async () => runner?.stop(),
  };
}

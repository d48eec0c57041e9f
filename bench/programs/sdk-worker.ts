// A worker of the SDK that does nothing with each task, until it has had a number of them.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createWorker } from "@millpond/sdk";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** SdkWorkerJob is what this program does. */
export interface SdkWorkerJob {
  readonly url: string;
  readonly kind: string;
  readonly slots: number;
  /** Says so when it has begun so many. */
  readonly warmUp: number;
  /** Ends when it has reported so many more. */
  readonly tasks: number;
}

/** How long its first claims may take to reach the server. */
const settleMs = 300;

const job = await readJob<SdkWorkerJob>();
const client = createClient({ address: job.url });
const enough = Promise.withResolvers<void>();
let handled = 0;
const worker = createWorker({
  ...{ client, slots: job.slots, stopGraceMs: 10_000 },
  onError: (error) => console.error(error),
}).handle(job.kind, () => {
  handled++;
  if (handled === job.warmUp) sayLine({ warm: true });
  if (handled === job.warmUp + job.tasks) enough.resolve();
});
const startedAtMs = monotonicMs();
worker.start();
await sleep(settleMs);
sayLine({ ready: true });
await enough.promise;
// Resolves when the last report has been answered.
await worker.stop();
sayLine({ startedAtMs, endedAtMs: monotonicMs() });
client.close();
process.exit();

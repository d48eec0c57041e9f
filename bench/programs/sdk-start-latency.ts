// Single tasks for a worker that waits: from the answer to the create until its handler is called.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createGraph, createWorker } from "@millpond/sdk";
import { percentile } from "../support/statistics.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** SdkStartLatencyJob is what this program does. */
export interface SdkStartLatencyJob {
  readonly url: string;
  readonly samples: number;
  readonly warmUp: number;
  /** The pause between two tasks is drawn between these. */
  readonly pauseMs: { readonly min: number; readonly max: number };
}

const kind = "bench.start";
const job = await readJob<SdkStartLatencyJob>();
const creating = createClient({ address: job.url });
const working = createClient({ address: job.url });
let started = Promise.withResolvers<number>();
const worker = createWorker({ client: working, slots: 10 }).handle(kind, () => started.resolve(monotonicMs()));
worker.start();
const taken: number[] = [];
for (let n = 0; n < job.warmUp + job.samples; n++) {
  await sleep(job.pauseMs.min + Math.random() * (job.pauseMs.max - job.pauseMs.min));
  const graph = createGraph({ name: randomUUID() });
  graph.task("one", { kind });
  started = Promise.withResolvers();
  await creating.tasks.createTasks(graph.toRequest());
  const answeredAtMs = monotonicMs();
  // The worker may be told before the creator.
  const latencyMs = Math.max(0, (await started.promise) - answeredAtMs);
  if (n >= job.warmUp) taken.push(latencyMs);
}
sayLine({ p50: percentile(taken, 0.5), p99: percentile(taken, 0.99) });
await worker.stop();
creating.close();
working.close();
process.exit();

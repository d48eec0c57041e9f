// Single tasks for a worker that waits: from the answer to the create until its handler is called.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createGraph, createWorker, uploadTasks } from "@millpond/sdk";
import { percentile } from "../support/statistics.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** SdkStartLatencyJob is what this program does. */
export interface SdkStartLatencyJob {
  readonly url: string;
  readonly samples: number;
  readonly warmUp: number;
  /** The pause between two tasks is drawn between these. */
  readonly pauseMs: { readonly min: number; readonly max: number };
  /** How many tasks of higher priority a rule holds back meanwhile, in the same queue; default: none. */
  readonly blocked?: number;
}

const kind = "bench.start";
const job = await readJob<SdkStartLatencyJob>();
const creating = createClient({ address: job.url });
const working = createClient({ address: job.url });
if (job.blocked !== undefined) await block(job.blocked);
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

/** Fills a queue with tasks of which a rule lets in one; somebody else has that one, and keeps it. */
async function block(tasks: number): Promise<void> {
  const graph = createGraph({ name: "blocked" });
  const rules = [{ matcher: { kind }, limit: { case: "maxConcurrency", value: 1 } } as const];
  for (let n = 0; n < tasks; n++) graph.task(`t${n}`, { kind, priority: 100, rules });
  await uploadTasks(creating, graph);
  await creating.workers.claimTasks({ workerId: "holder", kinds: [kind], maxTasks: 1 });
}

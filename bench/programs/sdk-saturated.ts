// A backlog of tasks under one rule that is always full, and the worker that executes it: how many are started per second.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createWorker, type TaskOptions } from "@millpond/sdk";
import { ruledGraph } from "../support/bench-graphs.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** SdkSaturatedJob is what this program does. */
export interface SdkSaturatedJob {
  readonly url: string;
  readonly slots: number;
  /** How long each handler takes. */
  readonly handlerMs: number;
  readonly limit: { readonly holders: number } | { readonly startsPerSecond: number };
  /** How many starts are not measured. */
  readonly warmUp: number;
  readonly tasks: number;
}

const kind = "bench.saturated";
const perCall = 1_000;
const job = await readJob<SdkSaturatedJob>();
const client = createClient({ address: job.url });
const total = job.warmUp + job.tasks;
let started = 0;
let warmAtMs = 0;
let lastAtMs = 0;
const all = Promise.withResolvers<void>();
const worker = createWorker({ client, slots: job.slots, onError: (error) => console.error(error) }).handle(
  kind,
  async () => {
    started++;
    if (started === job.warmUp) warmAtMs = monotonicMs();
    if (started === total) {
      lastAtMs = monotonicMs();
      all.resolve();
    }
    if (job.handlerMs > 0) await sleep(job.handlerMs);
  },
);
for (let left = total; left > 0; left -= perCall) {
  await client.tasks.createTasks(ruledGraph({ tasks: Math.min(left, perCall), kind, rules: [rule()] }).toRequest());
}
worker.start();
await all.promise;
// Resolves when the last report has been answered.
await worker.stop();
sayLine({ rate: job.tasks / ((lastAtMs - warmAtMs) / 1000) });
client.close();
process.exit();

function rule(): NonNullable<TaskOptions["rules"]>[number] {
  const { limit } = job;
  if ("holders" in limit) return { matcher: { kind }, limit: { case: "maxConcurrency", value: limit.holders } };
  const rate = { count: limit.startsPerSecond, window: { seconds: 1n } };
  return { matcher: { kind }, limit: { case: "rate", value: rate } };
}

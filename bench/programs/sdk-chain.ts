// Tasks that can only be executed one after the other, and the worker that does it: from the end of one handler to the begin of the next.
import { createClient, createGraph, createWorker, type TaskOptions, type TaskRef } from "@millpond/sdk";
import { percentile } from "../support/statistics.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** SdkChainJob is what this program does. */
export interface SdkChainJob {
  readonly url: string;
  readonly length: number;
  /** The length of a chain that is executed before and not measured. */
  readonly warmUp: number;
  /** What lets only one of them run: each depends on the one before, for a worker with one slot; or a rule of 1, for one with two. */
  readonly order: "dependencies" | "rule";
}

const kind = "bench.chain";
const rules: NonNullable<TaskOptions["rules"]> = [{ matcher: { kind }, limit: { case: "maxConcurrency", value: 1 } }];
const job = await readJob<SdkChainJob>();
const client = createClient({ address: job.url });
let hops: number[] = [];
let left = 0;
let endedAtMs: number | undefined;
let done = Promise.withResolvers<void>();
const worker = createWorker({ client, slots: job.order === "rule" ? 2 : 1 }).handle(kind, () => {
  const nowMs = monotonicMs();
  if (endedAtMs !== undefined) hops.push(nowMs - endedAtMs);
  left--;
  if (left === 0) done.resolve();
  endedAtMs = monotonicMs();
});
worker.start();
await execute(job.warmUp);
await execute(job.length);
sayLine({ hops: hops.length, p50: percentile(hops, 0.5), p99: percentile(hops, 0.99) });
await worker.stop();
client.close();
process.exit();

async function execute(length: number): Promise<void> {
  hops = [];
  left = length;
  endedAtMs = undefined;
  done = Promise.withResolvers<void>();
  const graph = createGraph({ name: "a chain" });
  let last: TaskRef | undefined;
  for (let n = 0; n < length; n++) {
    last = graph.task(`t${n}`, { kind, ...(job.order === "rule" ? { rules } : last && { after: [last] }) });
  }
  await client.tasks.createTasks(graph.toRequest());
  await done.promise;
}

// One task, then many, then one: from the answer to the upload until the last one has been reported.
import { setTimeout as sleep } from "node:timers/promises";
import { BatchStatus, createClient, createGraph, createWorker, uploadTasks } from "@millpond/sdk";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** SdkFanJob is what this program does. */
export interface SdkFanJob {
  readonly url: string;
  readonly width: number;
  readonly slots: number;
}

const kind = "bench.fan";
const settleMs = 300;
const job = await readJob<SdkFanJob>();
const client = createClient({ address: job.url });
const joined = Promise.withResolvers<void>();
const worker = createWorker({ client, slots: job.slots }).handle(kind, ({ task }) => {
  if (task?.key === "join") joined.resolve();
});
const graph = createGraph({ name: "a fan" });
const root = graph.task("root", { kind });
const leaves = Array.from({ length: job.width }, (_, n) => graph.task(`leaf${n}`, { kind, after: [root] }));
graph.task("join", { kind, after: leaves });
worker.start();
await sleep(settleMs);
const { batch } = await uploadTasks(client, graph);
const createdAtMs = monotonicMs();
await joined.promise;
await worker.stop();
const seconds = (monotonicMs() - createdAtMs) / 1000;
const ended = await client.batches.getBatch({ batchId: batch?.batchId ?? "" });
if (ended.batch?.status !== BatchStatus.SUCCESS) {
  throw new Error(`the batch is ${BatchStatus[ended.batch?.status ?? 0]} after its last task has been reported`);
}
sayLine({ seconds });
client.close();
process.exit();

import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../support/statistics.ts";
import type { PeerJob, PeerLatencyJob, PeerQueue, PeerThroughputJob } from "./peer-job.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** runPeerJob does what this process was started for, with the peer that `open` opens, and ends the process. */
export async function runPeerJob(open: (url: string) => Promise<PeerQueue>): Promise<never> {
  const job = await readJob<PeerJob>();
  const queue = await open(job.url);
  sayLine(job.mode === "throughput" ? await throughput(queue, job) : await latency(queue, job));
  process.exit();
}

async function throughput(queue: PeerQueue, job: PeerThroughputJob): Promise<object> {
  const warm = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  const warmUp = job.backlog ? 0 : job.warmUp;
  let begun = 0;
  const work = () =>
    queue.work("throughput", (jobs) => {
      begun += jobs;
      if (begun >= warmUp) warm.resolve();
      if (begun >= warmUp + job.jobs) all.resolve();
    });
  if (!job.backlog) {
    await insertAll(queue, { ...job, jobs: warmUp });
    await queue.analyze();
    await work();
    await warm.promise;
  }
  let startMs = monotonicMs();
  await insertAll(queue, job);
  const insertSeconds = (monotonicMs() - startMs) / 1000;
  if (job.backlog) {
    await queue.analyze();
    startMs = monotonicMs();
    await work();
  }
  await all.promise;
  await queue.completed();
  return { seconds: (monotonicMs() - startMs) / 1000, insertSeconds };
}

async function insertAll(queue: PeerQueue, { jobs, perInsert, insertsInFlight }: PeerThroughputJob): Promise<void> {
  let left = jobs;
  const lane = async () => {
    while (left > 0) {
      const count = Math.min(perInsert, left);
      left -= count;
      await queue.insert(count);
    }
  };
  await Promise.all(Array.from({ length: insertsInFlight }, lane));
}

async function latency(queue: PeerQueue, job: PeerLatencyJob): Promise<object> {
  let started = Promise.withResolvers<number>();
  await queue.work("latency", () => started.resolve(monotonicMs()));
  const taken: number[] = [];
  for (let n = 0; n < job.warmUp + job.samples; n++) {
    await sleep(job.pauseMinMs + Math.random() * (job.pauseMaxMs - job.pauseMinMs));
    started = Promise.withResolvers();
    await queue.insert(1);
    const answeredAtMs = monotonicMs();
    const latencyMs = Math.max(0, (await started.promise) - answeredAtMs);
    if (n >= job.warmUp) taken.push(latencyMs);
  }
  return { p50: percentile(taken, 0.5), p99: percentile(taken, 0.99) };
}

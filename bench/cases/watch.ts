import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { createClient, type MillpondClient, WatchEventsRequestSchema } from "@millpond/sdk";
import type { WatchLoadJob, WatchPhase } from "../programs/watch-load.ts";
import { type BenchCase, NotRun, type Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { plainGraph } from "../support/bench-graphs.ts";
import { encodeRequest } from "../support/grpc-load.ts";
import type { MillpondServer } from "../support/millpond-server.ts";
import { residentBytes } from "../support/process-usage.ts";

const kind = "bench.watch";
const connections = 10;
const tasksPerCommit = 10;
const pacedEveryMs = 200;
const burstInFlight = 4;

/** What it takes to tell many watchers of one batch what happens in it. */
export const watch: BenchCase = {
  name: "watch",
  title: "10,000 watchers of one batch",
  about:
    `10,000 streams of WatchEvents (500 in a quick run) over ${connections} HTTP/2 connections, all of one open batch, by a process that takes HTTP/2 frames apart and counts events. ` +
    `Paced: ${1000 / pacedEveryMs} commits per second, one after the other, each CreateTasks of ${tasksPerCommit} tasks, so ${tasksPerCommit} events for each watcher; from the time of the event, just before its commit, to the arrival at each watcher. ` +
    `Burst: 200 such commits as fast as they go, ${burstInFlight} in flight, until every watcher has every event. Memory of the server's process: what it grew by from no watcher to all of them, idle, and to its peak after the burst.`,
  figures: [
    { id: "p50", title: "paced: commit to delivery, p50", unit: "ms", better: "less" },
    { id: "p99", title: "paced: commit to delivery, p99", unit: "ms", better: "less" },
    { id: "rate", title: "burst: events delivered", unit: "events/s", better: "more" },
    { id: "idleMemory", title: "memory per idle watcher", unit: "KB", better: "less" },
    { id: "peakMemory", title: "memory per watcher, peak", unit: "KB", better: "less" },
  ],
  async open(context) {
    return [{ name: "Millpond", measure: () => measure(context) }] satisfies Part[];
  },
};

function measure(context: BenchContext) {
  return context.withDatabase("watched", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl);
    const client = createClient({ address: server.url });
    try {
      return await watched(context, server, client);
    } finally {
      client.close();
      await server.stop();
    }
  });
}

async function watched(context: BenchContext, server: MillpondServer, client: MillpondClient) {
  const { batch } = await client.tasks.createTasks({ target: { case: "newBatch", value: { open: true } } });
  const batchId = batch?.batchId ?? "";
  const request = create(WatchEventsRequestSchema, { filter: { batchIds: [batchId] } });
  const commits = { warmUp: 20, paced: context.size(50, 10), burst: context.size(200, 20) };
  const job: WatchLoadJob = {
    ...{ url: server.url, connections, streamsPerConnection: context.size(1_000, 50) },
    message: encodeRequest(WatchEventsRequestSchema, request).toString("base64"),
    phases: Object.values(commits).map((count) => count * tasksPerCommit),
  };
  const before = residentBytes(server.pid, "now");
  const watchers = await context.start({ module: "watch-load" }, job);
  await watchers.next();
  const idle = residentBytes(server.pid, "now");
  const commit = () => createTasks(client, batchId);
  await inFlight(commits.warmUp, commit);
  await watchers.next();
  for (let n = 0; n < commits.paced; n++) await Promise.all([commit(), sleep(pacedEveryMs)]);
  const paced = await watchers.next<WatchPhase>();
  await inFlight(commits.burst, commit);
  const burst = await watchers.next<WatchPhase>();
  const peak = residentBytes(server.pid, "peak");
  await watchers.process.stop();
  const count = connections * job.streamsPerConnection;
  const perWatcher = (bytes: number | undefined) =>
    bytes === undefined || before === undefined ? new NotRun("there is no /proc") : (bytes - before) / 1024 / count;
  return {
    ...{ p50: paced.p50, p99: paced.p99, rate: (count * commits.burst * tasksPerCommit) / burst.seconds },
    ...{ idleMemory: perWatcher(idle), peakMemory: perWatcher(peak) },
  };
}

async function createTasks(client: MillpondClient, batchId: string): Promise<void> {
  const { tasks } = plainGraph({ tasks: tasksPerCommit, kind, payload: "small" }).toRequest();
  const unnamed = tasks?.map((task) => ({ ...task, key: "" })) ?? [];
  await client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks: unnamed });
}

async function inFlight(times: number, act: () => Promise<void>): Promise<void> {
  let left = times;
  const lane = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: burstInFlight }, lane));
}

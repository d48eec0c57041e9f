// Many workers, each with a stream of its own over a few connections, that send heartbeats and wait; then each executes one task.
import { createClient, createGraph, type MillpondClient } from "@millpond/sdk";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** WorkerStreamsJob is what this program does. */
export interface WorkerStreamsJob {
  readonly url: string;
  readonly workers: number;
  readonly connections: number;
  /** So long the workers wait before there are tasks. */
  readonly idleMs: number;
}

const kind = "bench.workers";
const job = await readJob<WorkerStreamsJob>();
const clients = Array.from({ length: job.connections }, () => createClient({ address: job.url }));
const creating = createClient({ address: job.url });
let [welcomed, answered] = [0, 0];
const all = Promise.withResolvers<void>();
const done = Promise.withResolvers<void>();
const startedAtMs = monotonicMs();
for (let n = 0; n < job.workers; n++) {
  keepStream(clients[n % clients.length] as MillpondClient, `worker-${n}`).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}
await all.promise;
sayLine({ connectMs: monotonicMs() - startedAtMs });
await new Promise((resolve) => setTimeout(resolve, job.idleMs));
const graph = createGraph({ name: "workers" });
for (let n = 0; n < job.workers; n++) graph.task(`t${n}`, { kind });
const createdAtMs = monotonicMs();
await creating.tasks.createTasks(graph.toRequest());
await done.promise;
sayLine({ workMs: monotonicMs() - createdAtMs });
process.exit();

async function keepStream(client: MillpondClient, workerId: string): Promise<void> {
  type Request = Parameters<MillpondClient["workers"]["work"]>[0] extends AsyncIterable<infer Each> ? Each : never;
  const requests: Request[] = [
    { message: { case: "hello", value: { workerId, kinds: [kind], slots: 1 } } },
    { message: { case: "credit", value: { tasks: 1 } } },
  ];
  let wake = (): void => {};
  const send = (request: Request): void => {
    requests.push(request);
    wake();
  };
  async function* sent(): AsyncGenerator<Request> {
    for (;;) {
      for (const request of requests.splice(0)) yield request;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  for await (const { message } of client.workers.work(sent())) {
    if (message.case === "welcome") {
      const ms = Number(message.value.heartbeatInterval?.seconds ?? 10n) * 1_000;
      setInterval(() => send({ message: { case: "heartbeat", value: {} } }), ms);
      welcomed++;
      if (welcomed === job.workers) all.resolve();
    } else if (message.case === "assignments" && message.value.assignments.length > 0) {
      const reports = message.value.assignments.map(({ task, attempt }) => ({
        ...{ taskId: task?.taskId ?? "", attempt, report: { case: "success" as const, value: {} } },
      }));
      send({ message: { case: "reports", value: { sequence: 1n, reports } } });
    } else if (message.case === "reportResults") {
      answered += message.value.results.length;
      if (answered === job.workers) done.resolve();
    }
  }
}

// Receivers of webhooks, each a host of its own, and the tasks whose webhooks lead to them: how many calls arrive per second.
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type NewTaskSchema } from "@millpond/sdk";
import { percentile } from "../support/statistics.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** WebhookLoadJob is what this program does. */
export interface WebhookLoadJob {
  readonly url: string;
  /** Start calls that end their task, on_success of tasks that a start call ended, or a chain of start calls that are reported on by their handles. */
  readonly what: "starts" | "deliveries" | "chain";
  /** In all; of a chain: its length. */
  readonly tasks: number;
  readonly hosts: number;
  /** How long the first host answers nothing, from its first call on; 0: it answers as the others. */
  readonly stalledMs: number;
}

const kind = "bench.webhooks";
const perCall = 1_000;
const callsInFlight = 4;
const job = await readJob<WebhookLoadJob>();
const client = createClient({ address: job.url });

type Receive = (response: ServerResponse, path: string, host: number) => void;

if (job.what === "chain") sayLine(await chain());
else sayLine(await load());
process.exit();

/** Counts the calls of all hosts but the first, until each has all of its own. */
async function load(): Promise<{ rate: number }> {
  const measured = job.what === "starts" ? "/start" : "/ended";
  let left = others(job.tasks);
  let firstAtMs: number | undefined;
  const done = Promise.withResolvers<void>();
  const receivers = await listen((response, path, host) => {
    const answer = path.startsWith("/start") ? '{"success":{}}' : "";
    if (host === 0 && job.stalledMs > 0 && path.startsWith(measured)) {
      firstAtMs ??= monotonicMs();
      const stalledMs = firstAtMs + job.stalledMs - monotonicMs();
      if (stalledMs > 0) return void setTimeout(() => response.end(answer), stalledMs);
    }
    response.end(answer);
    if (host === 0 || !path.startsWith(measured)) return;
    left -= 1;
    if (left === 0) done.resolve();
  });
  const startedAtMs = monotonicMs();
  await create((n) => {
    const url = receivers[n % job.hosts] as string;
    // Deliveries are measured where they follow starts that are not: these lead to the last host, which never stalls.
    const start = job.what === "starts" ? url : (receivers.at(-1) as string);
    return {
      execution: { case: "onStart", value: { url: `${start}/start` } },
      ...(job.what === "deliveries" && { onSuccess: [{ url: `${url}/ended` }] }),
    };
  });
  await done.promise;
  return { rate: others(job.tasks) / ((monotonicMs() - startedAtMs) / 1000) };
}

/** How many of so many tasks lead to another host than the first. */
function others(tasks: number): number {
  return tasks - Math.ceil(tasks / job.hosts);
}

async function create(more: (n: number) => MessageInitShape<typeof NewTaskSchema>): Promise<void> {
  let next = 0;
  const createSome = async (): Promise<void> => {
    while (next < job.tasks) {
      const from = next;
      next = Math.min(next + perCall, job.tasks);
      const tasks = Array.from({ length: next - from }, (_, n) => ({ name: "task", kind, ...more(from + n) }));
      await client.tasks.createTasks({ target: { case: "newBatch", value: { name: "webhooks" } }, tasks });
    }
  };
  await Promise.all(Array.from({ length: callsInFlight }, createSome));
}

/** From the sending of a parent's success report to the arrival of its child's start call. */
async function chain(): Promise<{ p50: number; p99: number }> {
  const hops: number[] = [];
  let left = job.tasks;
  let reportedAtMs: number | undefined;
  const done = Promise.withResolvers<void>();
  const [url] = await listen((response, path) => {
    if (reportedAtMs !== undefined) hops.push(monotonicMs() - reportedAtMs);
    response.end();
    left -= 1;
    if (left === 0) return done.resolve();
    const handle = new URLSearchParams(path.split("?")[1]).get("handle") ?? "";
    reportedAtMs = monotonicMs();
    void fetch(handle, { method: "POST", body: '{"success":{}}' }).then((answer) => answer.arrayBuffer());
  });
  const tasks = Array.from({ length: job.tasks }, (_, n) => ({
    ...{ key: `t${n}`, name: `t${n}`, kind, execution: { case: "onStart", value: { url: `${url}/start` } } as const },
    ...(n > 0 && { dependencies: [{ parent: { case: "key", value: `t${n - 1}` } as const }] }),
  }));
  await client.tasks.createTasks({ target: { case: "newBatch", value: { name: "a chain" } }, tasks });
  await done.promise;
  // The first hops make connections and code warm.
  const warm = hops.slice(Math.floor(hops.length / 5));
  return { p50: percentile(warm, 0.5), p99: percentile(warm, 0.99) };
}

/** Starts the hosts; answers their URLs. */
function listen(receive: Receive): Promise<string[]> {
  return Promise.all(
    Array.from({ length: job.what === "chain" ? 1 : job.hosts }, async (_, host) => {
      const server: Server = createServer((request, response) => {
        request.resume().on("end", () => receive(response, request.url ?? "", host));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }),
  );
}

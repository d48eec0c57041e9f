import { setTimeout as sleep } from "node:timers/promises";
import {
  AttemptAborted,
  createClient,
  createGraph,
  createWorker,
  type MillpondClient,
  type WorkerOptions,
} from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../support/until.ts";
import { newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer({ MILLPOND_WORKER_HEARTBEAT: "500ms" });

/** Makes a worker that stops with the test. */
function workerOf(options: Partial<WorkerOptions> = {}) {
  const errors: unknown[] = [];
  const worker = createWorker({ client: server.client, onError: (error) => errors.push(error), ...options });
  onTestFinished(() => worker.stop());
  return { worker, errors };
}

async function submit(kind: string, count: number, client: MillpondClient = server.client) {
  const graph = createGraph();
  for (let n = 0; n < count; n += 1) graph.task(`t${n}`, { kind, after: n % 3 === 0 ? [] : [`t${n - 1}`], input: n });
  const { batch, tasks } = await client.tasks.createTasks(graph.toRequest());
  return { batchId: batch?.batchId ?? "", taskIds: tasks.map(({ taskId }) => taskId) };
}

const connected = async (workerId: string) =>
  (await server.client.workers.listWorkers({})).workers.some((worker) => worker.workerId === workerId);

const calls = async (method: string) => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const counts = [...text.matchAll(/^millpond_rpc_requests_total\{(.*)\} (\d+)$/gm)];
  return counts.reduce((sum, [, labels = "", count]) => sum + (labels.includes(`"${method}"`) ? Number(count) : 0), 0);
};

test("the worker of the SDK takes tasks by a stream, within its slots, and claims none", async () => {
  const kind = newKind();
  const { worker, errors } = workerOf({ slots: 4 });
  let [running, most] = [0, 0];
  worker.handle(kind, async (_, { input }) => {
    most = Math.max(most, ++running);
    await sleep(20);
    running -= 1;
    return input;
  });
  const claimsBefore = await calls("ClaimTasks");
  worker.start();
  const { batchId } = await submit(kind, 60);
  await until("all succeed", async () => (await server.stats(batchId)).SUCCESS === 60);
  expect(most).toBe(4);
  expect(await calls("ClaimTasks")).toBe(claimsBefore);
  expect(await connected(worker.workerId)).toBe(true);
  await worker.stop();
  expect(errors).toEqual([]);
  await until("it has gone", async () => !(await connected(worker.workerId)));
});

test("over HTTP/1.1, and where it is told to, it claims", async () => {
  const connect = createClient({ address: server.url, protocol: "connect" });
  onTestFinished(() => connect.close());
  for (const options of [{ client: connect }, { stream: false }]) {
    const kind = newKind();
    const { worker, errors } = workerOf({ ...options, claimWaitMs: 1_000 });
    worker.handle(kind, () => undefined);
    const before = await calls("ClaimTasks");
    worker.start();
    const { batchId } = await submit(kind, 9);
    await until("all succeed", async () => (await server.stats(batchId)).SUCCESS === 9);
    await worker.stop();
    expect(errors).toEqual([]);
    await until("claims are counted", async () => (await calls("ClaimTasks")) > before);
  }
});

test("a long attempt keeps its lease by heartbeats; a cancellation aborts its signal", async () => {
  const kind = newKind();
  const { worker } = workerOf();
  const reasons: unknown[] = [];
  worker.handle(kind, async (_, { signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    reasons.push(signal.reason);
  });
  worker.start();
  const { taskIds } = await submit(kind, 1);
  const [taskId = ""] = taskIds;
  await until("it runs", async () => (await server.status(taskId)) === "RUNNING");
  const first = (await server.task(taskId)).leaseExpireTime?.seconds ?? 0n;
  await until(
    "its lease is extended",
    async () => ((await server.task(taskId)).leaseExpireTime?.seconds ?? 0n) > first + 2n,
  );
  expect((await server.task(taskId)).attempt).toBe(1);
  await server.client.tasks.cancelTasks({ taskIds: [taskId], reason: "not needed" });
  await until("it is told", () => reasons.length === 1);
  expect(reasons[0]).toBeInstanceOf(AttemptAborted);
  expect(reasons[0]).toMatchObject({ reason: "cancel_requested", message: "not needed" });
  await until("it is idle", () => worker.running === 0);
});

test("stop drains: what runs is finished and reported, nothing more is begun", async () => {
  const kind = newKind();
  const { worker } = workerOf({ slots: 2 });
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  worker.handle(kind, async () => {
    begun += 1;
    await gate.promise;
  });
  worker.start();
  const { batchId } = await submit(kind, 30);
  await until("it is full", () => begun === 2);
  const stopped = worker.stop();
  await until("it drains", async () =>
    (await server.client.workers.listWorkers({})).workers.some(
      ({ workerId, state }) => workerId === worker.workerId && state === 2,
    ),
  );
  gate.resolve();
  await stopped;
  expect(begun).toBe(2);
  expect(await server.stats(batchId)).toMatchObject({ SUCCESS: 2 });
  expect((await server.stats(batchId)).RUNNING ?? 0).toBe(0);
});

test("a server that stops hands its workers on with what they run", async () => {
  const kind = newKind();
  const other = await server.setup.another();
  // A client that goes to whichever server is up, as behind a load balancer.
  let address = other.url;
  const clients = new Map([other.client, server.client].map((client) => [client.address, client]));
  const client = {
    get tasks() {
      return (clients.get(address) as MillpondClient).tasks;
    },
    get workers() {
      return (clients.get(address) as MillpondClient).workers;
    },
  };
  const { worker } = workerOf({ client });
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  worker.handle(kind, async () => {
    begun += 1;
    if (begun === 1) await gate.promise;
  });
  worker.start();
  const { taskIds, batchId } = await submit(kind, 3);
  await until("one runs", () => begun === 1);
  address = server.url;
  await other.server.stop(10_000);
  gate.resolve();
  await until("all succeed", async () => (await server.stats(batchId)).SUCCESS === 3);
  const attempts = await Promise.all(taskIds.map(async (id) => (await server.task(id)).attempt));
  expect(attempts).toEqual([1, 1, 1]);
});

test("a second worker of the same name ends the first", async () => {
  const kind = newKind();
  const { worker: first } = workerOf({ workerId: "same" });
  const { worker: second } = workerOf({ workerId: "same" });
  for (const worker of [first, second]) worker.handle(kind, () => undefined);
  first.start();
  await until("the first is there", () => connected("same"));
  const ended = first.done.then(
    () => undefined,
    (error: unknown) => error,
  );
  second.start();
  expect(String(await ended)).toContain("another stream");
});

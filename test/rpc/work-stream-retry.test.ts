import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { createClient, createGraph, createWorker, type MillpondClient, type WorkerOptions } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { streamRetryDelayMs } from "../../sdk/typescript/src/worker/work-stream.ts";
import { until } from "../support/until.ts";
import { newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer({ MILLPOND_WORKER_HEARTBEAT: "500ms" });

/** A way to the server on which streams of workers pass, or end with an error that a test gives. */
function gate() {
  let refusal: ConnectError | undefined;
  let tries = 0;
  const open = new Set<AbortController>();
  const workers: MillpondClient["workers"] = {
    ...server.client.workers,
    work: (messages, options) => {
      tries += 1;
      const abort = new AbortController();
      open.add(abort);
      const signal = AbortSignal.any([abort.signal, ...(options?.signal ? [options.signal] : [])]);
      async function* responses() {
        if (refusal !== undefined) throw refusal;
        try {
          yield* server.client.workers.work(messages, { ...options, signal });
        } catch (error) {
          throw refusal ?? error;
        } finally {
          open.delete(abort);
        }
      }
      return responses();
    },
  };
  return {
    client: { tasks: server.client.tasks, workers },
    get tries(): number {
      return tries;
    },
    close: (code: Code) => {
      refusal = new ConnectError("none passes", code);
      for (const abort of open) abort.abort();
    },
    open: () => {
      refusal = undefined;
    },
  };
}

function workerOf(client: WorkerOptions["client"], options: Partial<WorkerOptions> = {}) {
  const errors: unknown[] = [];
  const worker = createWorker({
    ...{ client, claimWaitMs: 300, streamRetryMs: 20, slots: 5, onError: (error: unknown) => errors.push(error) },
    ...options,
  });
  onTestFinished(() => worker.stop());
  return { worker, errors };
}

async function submit(kind: string, count: number): Promise<{ batchId: string; taskIds: string[] }> {
  const graph = createGraph();
  for (let n = 0; n < count; n += 1) graph.task(`t${n}`, { kind, after: n % 3 === 0 ? [] : [`t${n - 1}`] });
  const { batch, tasks } = await server.client.tasks.createTasks(graph.toRequest());
  return { batchId: batch?.batchId ?? "", taskIds: tasks.map(({ taskId }) => taskId) };
}

const metrics = async () => (await fetch(`${server.url}/metrics`)).text();

/** Whether a worker has a stream. */
const isStreaming = async () => /^millpond_worker_streams [1-9]/m.test(await metrics());

const claims = async () => {
  const counts = [...(await metrics()).matchAll(/^millpond_rpc_requests_total\{(.*)\} (\d+)$/gm)];
  return counts.reduce((sum, [, labels = "", n]) => sum + (labels.includes('"ClaimTasks"') ? Number(n) : 0), 0);
};

test.each([Code.Unimplemented, Code.Internal])(
  "where a stream is refused (%i) it claims, goes over to the stream when one passes, and back, with each attempt once",
  async (code) => {
    const kind = newKind();
    const way = gate();
    way.close(code);
    const { worker, errors } = workerOf(way.client);
    let begun = 0;
    let [running, most] = [0, 0];
    worker.handle(kind, async () => {
      begun += 1;
      most = Math.max(most, ++running);
      await sleep(30);
      running -= 1;
    });
    const taskIds: string[] = [];
    const batches: string[] = [];
    const more = async (): Promise<string> => {
      const made = await submit(kind, 30);
      taskIds.push(...made.taskIds);
      batches.push(made.batchId);
      return made.batchId;
    };
    const isDone = (batchId: string) => async () => (await server.stats(batchId)).SUCCESS === 30;
    worker.start();
    await until("it claims what there is", isDone(await more()));
    expect(await isStreaming()).toBe(false);
    await until("it has tried several times", () => way.tries > 3);

    // What runs and what is being claimed goes on while it changes over.
    const during = await more();
    way.open();
    await until("it has a stream", isStreaming);
    await until("nothing is lost by that", isDone(during));
    await until("no claim is left", async () => {
      const before = await claims();
      await sleep(400);
      return (await claims()) === before;
    });
    const before = await claims();
    await until("it takes by the stream", isDone(await more()));
    expect(await claims()).toBe(before);

    const back = await more();
    way.close(code);
    await until("it has no stream", async () => !(await isStreaming()));
    await until("it claims again", isDone(back));
    await until("it claims what there is", isDone(await more()));
    way.open();
    await until("it has a stream again", isStreaming);
    await until("it takes by the stream again", isDone(await more()));
    await worker.stop();

    const attempts = await Promise.all(taskIds.map(async (taskId) => (await server.task(taskId)).attempt));
    const lost = attempts.filter((attempt) => attempt !== 1).length;
    // A broken stream may have had an assignment on its way.
    expect(begun).toBeLessThanOrEqual(taskIds.length + lost);
    expect(lost).toBeLessThanOrEqual(5);
    expect(most).toBe(5);
    expect(errors.filter((error) => !(error instanceof ConnectError))).toEqual([]);
  },
);

test("it does not try again before its time, and waits for a server that is away without claiming", async () => {
  const way = gate();
  way.close(Code.Unimplemented);
  const kind = newKind();
  const { worker } = workerOf(way.client, { streamRetryMs: 3_600_000 });
  worker.handle(kind, () => undefined);
  worker.start();
  const { batchId } = await submit(kind, 9);
  await until("it claims", async () => (await server.stats(batchId)).SUCCESS === 9);
  expect(way.tries).toBe(1);

  const away = gate();
  away.close(Code.Unavailable);
  const other = newKind();
  const { worker: waiting } = workerOf(away.client, { streamRetryMs: 3_600_000 });
  waiting.handle(other, () => undefined);
  waiting.start();
  const later = await submit(other, 3);
  await until("it tries", () => away.tries > 2);
  expect(await server.stats(later.batchId)).toMatchObject({ PENDING: 1 });
  away.open();
  await until("it takes them", async () => (await server.stats(later.batchId)).SUCCESS === 3);
  expect(await isStreaming()).toBe(true);
});

test("it tries again less and less often, up to 10 minutes apart", () => {
  const seconds = Array.from({ length: 7 }, (_, misses) => streamRetryDelayMs(30_000, misses) / 1_000);
  expect(seconds).toEqual([30, 60, 120, 240, 480, 600, 600]);
});

test("a stream that has fallen silent is made anew, with what is under way", async () => {
  let streams = 0;
  const workers: MillpondClient["workers"] = {
    ...server.client.workers,
    work: (messages, options) => {
      streams += 1;
      // Whoever stands in between holds back all that comes behind the first assignment of the first stream.
      const isHeldBack = streams === 1;
      async function* responses() {
        for await (const response of server.client.workers.work(messages, options)) {
          yield response;
          const { message } = response;
          if (!isHeldBack || message.case !== "assignments" || message.value.assignments.length === 0) continue;
          await new Promise((_, reject) =>
            options?.signal?.addEventListener("abort", () => reject(options.signal?.reason)),
          );
        }
      }
      return responses();
    },
  };
  const kind = newKind();
  const { worker } = workerOf({ tasks: server.client.tasks, workers }, { silenceMaxMs: 1_000, slots: 1 });
  const gate = Promise.withResolvers<void>();
  worker.handle(kind, () => gate.promise);
  worker.start();
  const { taskIds, batchId } = await submit(kind, 3);
  await until("it has another stream", () => streams > 1);
  gate.resolve();
  await until("all succeed", async () => (await server.stats(batchId)).SUCCESS === 3);
  const attempts = await Promise.all(taskIds.map(async (taskId) => (await server.task(taskId)).attempt));
  expect(attempts).toEqual([1, 1, 1]);
});

test("a worker that stops while it claims for want of a stream is done at once", async () => {
  const way = gate();
  way.close(Code.Unimplemented);
  const { worker } = workerOf(way.client, { streamRetryMs: 3_600_000, claimWaitMs: 60_000 });
  worker.handle(newKind(), () => undefined);
  worker.start();
  await until("it was refused", () => way.tries === 1);
  await worker.stop();
  await worker.done;
});

test("over HTTP/1.1 it never tries a stream", async () => {
  const client = createClient({ address: server.url, protocol: "connect" });
  onTestFinished(() => client.close());
  let tries = 0;
  const workers: MillpondClient["workers"] = {
    ...client.workers,
    work: (...call) => {
      tries += 1;
      return client.workers.work(...call);
    },
  };
  const kind = newKind();
  const { worker } = workerOf({ tasks: client.tasks, workers, protocol: client.protocol });
  worker.handle(kind, () => undefined);
  worker.start();
  const { batchId } = await submit(kind, 9);
  await until("all succeed", async () => (await server.stats(batchId)).SUCCESS === 9);
  expect(tries).toBe(0);
});

import {
  type Counter,
  createClient,
  createCounter,
  createWorker,
  ErrorReason,
  type MillpondClient,
  type RejectedCount,
} from "@millpond/sdk";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();
afterAll(() => checkInvariants(server.setup.database.url));

async function runningTasks(count: number): Promise<string[]> {
  const kind = newKind();
  await server.graph(Array.from({ length: count }, (_, n) => ({ key: `t${n}`, name: `t${n}`, kind })));
  return (await server.claim(kind, { max: count })).map(({ task }) => task?.taskId ?? "");
}

const countsOf = async (taskId: string, client: Pick<MillpondClient, "tasks"> = server.client) => {
  const { task } = await client.tasks.getTask({ taskId });
  return [task?.successCount, task?.failureCount];
};

function counterOf(client: MillpondClient, options: Partial<Parameters<typeof createCounter>[0]> = {}): Counter {
  const counter = createCounter({ client, ...options });
  onTestFinished(() => counter.close().catch(() => {}));
  return counter;
}

describe("a counter of the SDK", () => {
  test.each(["grpc", "connect"] as const)(
    "sums up, sends, and says by flush and close that all is durable, over %s",
    async (protocol) => {
      const [a = "", b = ""] = await runningTasks(2);
      const client = createClient({ address: server.url, protocol });
      onTestFinished(() => client.close());
      const counter = counterOf(client);
      for (let n = 0; n < 1_000; n += 1)
        void counter.count(n % 2 === 0 ? a : b, { success: 1, failure: n % 5 === 0 ? 2n : 0 });
      await counter.flush();
      expect([await countsOf(a), await countsOf(b)]).toEqual([
        [500n, 200n],
        [500n, 200n],
      ]);
      await counter.flush();
      void counter.count(a, { success: 2n ** 60n });
      await counter.close();
      await counter.close();
      expect(await countsOf(a)).toEqual([500n + 2n ** 60n, 200n]);
      await expect(counter.count(a, { success: 1 })).rejects.toThrow("has been closed");
    },
  );

  test("goes on when it has been quiet: a stream that has nothing to send ends, and the next count opens another", async () => {
    const [a = ""] = await runningTasks(1);
    const counter = counterOf(server.client);
    const open = async () => {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      return Number(/^millpond_rpc_in_flight\{[^}]*method="StreamCounts"[^}]*\} (\d+)$/m.exec(metrics)?.[1]);
    };
    for (let n = 1n; n <= 2n; n += 1n) {
      await counter.count(a, { success: 1 });
      await counter.flush();
      expect(await countsOf(a)).toEqual([n, 0n]);
      await until("the stream has ended", async () => (await open()) === 0);
    }
  });

  test("tells what was refused, and refuses itself what is no count", async () => {
    const [a = "", ended = ""] = await runningTasks(2);
    await server.client.tasks.cancelTasks({ taskIds: [ended] });
    const rejected: RejectedCount[] = [];
    const counter = counterOf(server.client, { onRejected: (rejection) => rejected.push(rejection) });
    void counter.count(a, { success: 1 });
    void counter.count(ended, { failure: 3 });
    for (const wrong of [-1, 1.5, Number.NaN, 2 ** 60, 2n ** 63n]) {
      await expect(counter.count(a, { success: wrong })).rejects.toBeInstanceOf(RangeError);
    }
    await counter.close();
    expect(rejected).toMatchObject([
      { taskId: ended, success: 0n, failure: 3n, error: { reason: ErrorReason.TASK_ENDED } },
    ]);
    expect(await countsOf(a)).toEqual([1n, 0n]);
  });

  test("waits while too much waits to be sent", async () => {
    const taskIds = await runningTasks(30);
    await using proxy = await startCutProxy(server.setup.server.port);
    proxy.cut();
    const client = createClient({ address: `127.0.0.1:${proxy.port}` });
    onTestFinished(() => client.close());
    const counter = counterOf(client, { pendingTasksMax: 10 });
    let counted = 0;
    const counting = (async () => {
      for (const taskId of taskIds) {
        await counter.count(taskId, { success: 1 });
        counted += 1;
      }
    })();
    await until("it waits", () => counted > 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(counted).toBeLessThan(20);
    proxy.mend();
    await counting;
    await counter.close();
    for (const taskId of taskIds) expect(await countsOf(taskId)).toEqual([1n, 0n]);
  });

  test("fails for good where the server refuses it, and says why", async () => {
    const [a = ""] = await runningTasks(1);
    const counter = counterOf(server.client, { producerId: "x".repeat(300) });
    await counter.count(a, { success: 1 });
    await expect(counter.flush()).rejects.toThrow("producer_id");
    await expect(counter.count(a, { success: 1 })).rejects.toThrow("producer_id");
    await expect(counter.close()).rejects.toThrow("producer_id");
  });

  test("counts once, though its connections break all the time, to two servers", async () => {
    await using s = await setup();
    const other = await s.another();
    await using proxies = new AsyncDisposableStack();
    const { tasks } = await s.client.tasks.createTasks({
      tasks: Array.from({ length: 20 }, (_, n) => ({ name: `t${n}`, kind: "k" })),
    });
    const taskIds = tasks.map(({ taskId }) => taskId);
    let interruptions = 0;
    const producers = await Promise.all(
      [s, other, s, other].map(async ({ server }) => {
        const proxy = proxies.use(await startCutProxy(server.port));
        const client = createClient({ address: `127.0.0.1:${proxy.port}` });
        proxies.defer(async () => client.close());
        return { proxy, counter: createCounter({ client, onInterrupted: () => interruptions++ }) };
      }),
    );
    const totals = taskIds.map(() => 0n);
    const over = new AbortController();
    const counting = producers.map(async ({ counter }, place) => {
      for (let n = place; !over.signal.aborted; n += 1) {
        const at = (n * 7) % taskIds.length;
        totals[at] = (totals[at] ?? 0n) + 1n;
        await counter.count(taskIds[at] ?? "", { success: 1 });
        if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await counter.close();
    });
    for (let cut = 0; interruptions < 40; cut += 1) {
      const { proxy } = producers[cut % producers.length] ?? {};
      proxy?.cut();
      await new Promise((resolve) => setTimeout(resolve, 3));
      proxy?.mend();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    over.abort();
    await Promise.all(counting);
    for (const [n, taskId] of taskIds.entries()) expect(await countsOf(taskId, s.client)).toEqual([totals[n], 0n]);
    await checkInvariants(s.database.url);
  });

  test("of a worker's handlers has all in before the closing report, and tells the worker what was refused", async () => {
    const kind = newKind();
    const { ids } = await server.graph(["a", "b", "canceled"].map((key) => ({ key, name: key, kind })));
    const errors: unknown[] = [];
    const worker = createWorker({ client: server.client, slots: 3, onError: (error) => errors.push(error) });
    onTestFinished(() => worker.stop());
    worker.handle(kind, async ({ task }, { count }) => {
      if (task?.key === "canceled") await server.client.tasks.cancelTasks({ taskIds: [task.taskId] });
      for (let n = 0; n < 100; n += 1) void count({ success: 1, failure: n % 10 === 0 ? 1 : 0 });
      await expect(count({ success: -1 })).rejects.toBeInstanceOf(RangeError);
    });
    worker.start();
    const ends = { a: "SUCCESS", b: "SUCCESS", canceled: "CANCELED" };
    const hasEnded = async ([key, end]: [string, string]) => (await server.status(ids[key] ?? "")) === end;
    await until("all have ended", async () => {
      const ended = await Promise.all(Object.entries(ends).map(hasEnded));
      return worker.running === 0 && ended.every(Boolean);
    });
    await worker.stop();
    for (const key of ["a", "b"]) {
      expect(await server.status(ids[key] ?? "")).toBe("SUCCESS");
      expect(await countsOf(ids[key] ?? "")).toEqual([100n, 10n]);
    }
    expect(await countsOf(ids.canceled ?? "")).toEqual([0n, 0n]);
    const refusal = `counts of task ${ids.canceled} refused: TASK_ENDED`;
    await until("the refusal to be told", () => errors.map(String).some((text) => text.includes(refusal)));
  });

  test("gives up at once when its signal is aborted, and says why", async () => {
    const [a = ""] = await runningTasks(1);
    await using proxy = await startCutProxy(server.setup.server.port);
    proxy.cut();
    const client = createClient({ address: `127.0.0.1:${proxy.port}` });
    onTestFinished(() => client.close());
    const over = new AbortController();
    const counter = counterOf(client, { signal: over.signal });
    await counter.count(a, { success: 1 });
    const flushed = counter.flush();
    over.abort(new Error("no more"));
    await expect(flushed).rejects.toThrow("no more");
    await expect(counter.count(a, { success: 1 })).rejects.toThrow("no more");
    expect(await countsOf(a)).toEqual([0n, 0n]);
  });
});

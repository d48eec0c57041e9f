import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AttemptAborted,
  createGraph,
  type TaskContext,
  TaskStatus,
  type WorkerOptions,
  WorkerService,
} from "@millpond/sdk";
import { expect, test } from "vitest";
import { startWorker, waitFor } from "./support/start-worker.ts";

/** A worker that runs one task with a handler. */
async function run(handler: (context: TaskContext) => unknown, options: Partial<WorkerOptions> = {}) {
  const errors: unknown[] = [];
  const started = await startWorker({ onError: (error) => errors.push(error), ...options });
  const { engine } = started.server;
  const begin = async () => {
    started.worker.handle("work", (_, context) => handler(context)).start();
    const graph = createGraph();
    graph.task("a", { kind: "work" });
    await started.client.tasks.createTasks(graph.toRequest());
  };
  const ended = (status: TaskStatus) => waitFor(() => expect(engine.statusOf("a")).toBe(status));
  const lines = () => engine.logCalls.flatMap(({ messages }) => messages);
  return { ...started, engine, errors, begin, ended, lines };
}

test("what a handler logs arrives in its order and in few calls, the last of it before the report", async () => {
  const { engine, begin, ended, lines } = await run(({ log }) => {
    for (let n = 0; n < 2_500; n += 1) log(`line ${n}`);
    return "done";
  });
  await begin();
  await ended(TaskStatus.SUCCESS);
  expect(lines()).toEqual(Array.from({ length: 2_500 }, (_, n) => `line ${n}`));
  expect(engine.logCalls.map(({ messages }) => messages.length)).toEqual([1_000, 1_000, 500]);
  expect(engine.logCalls.every(({ statusThen }) => statusThen === TaskStatus.RUNNING)).toBe(true);
});

test("lines arrive while the handler goes on, and those of one that throws before its failure", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { engine, begin, ended, lines } = await run(async ({ log }) => {
    log("begins");
    await promise;
    log("error", new TypeError("broken"));
    throw new Error("no");
  });
  await begin();
  await waitFor(() => expect(lines()).toEqual(["begins"]));
  expect(engine.statusOf("a")).toBe(TaskStatus.RUNNING);
  resolve();
  await ended(TaskStatus.FAILURE);
  expect(lines()[1]).toContain("TypeError: broken");
  expect(engine.logCalls.at(-1)?.statusThen).toBe(TaskStatus.RUNNING);
});

test("whatever is logged becomes lines that the contract takes", async () => {
  const long = `${"x".repeat(16_383)}🌊${"y".repeat(20_000)}`;
  const { begin, ended, lines } = await run(({ log }) => {
    log("warn");
    log({ n: 1 });
    log("debug", "a\0b");
    log("\ud800");
    log("error", long);
    (log as (...line: unknown[]) => void)("files:", 12);
  });
  await begin();
  await ended(TaskStatus.SUCCESS);
  const [warn, object, nul, surrogate, first = "", second = "", third = "", files] = lines();
  expect([warn, object, nul, surrogate]).toEqual(["warn", "{ n: 1 }", "a\u2400b", "\ufffd"]);
  expect(first + second + third).toBe(long);
  expect(Math.max(first.length, second.length, third.length)).toBeLessThanOrEqual(16_384);
  expect(first.isWellFormed() && second.isWellFormed()).toBe(true);
  expect(files).toBe("files: 12");
});

test("a server whose answers are lost for a while loses nothing and writes nothing twice", async () => {
  const { server, begin, ended, lines, errors, countCalls } = await run(({ log }) => {
    for (let n = 0; n < 3; n += 1) log(`line ${n}`);
  });
  // More often than the client repeats a call by itself.
  const away = new ConnectError("away", Code.Unavailable);
  server.failNext(WorkerService.method.appendLogs, away, { times: 8, answerLost: true });
  await begin();
  await ended(TaskStatus.SUCCESS);
  expect(lines()).toEqual(["line 0", "line 1", "line 2"]);
  expect([countCalls("AppendLogs"), errors.length]).toEqual([9, 1]);
});

test("what does not fit while the server is slow is dropped, and a line says how many lines that were", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { engine, begin, ended, lines } = await run(async ({ log }) => {
    for (let n = 0; n < 12_000; n += 1) log(`line ${n}`);
    await promise;
    log("after");
  });
  engine.beforeLog = () => promise;
  await begin();
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.RUNNING));
  resolve();
  await ended(TaskStatus.SUCCESS);
  const told = lines().filter((line) => line.includes("were dropped"));
  expect(told).toHaveLength(1);
  const kept = lines().filter((line) => line.startsWith("line "));
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => `line ${n}`));
  const after = lines().includes("after") ? 0 : 1;
  expect(told[0]).toMatch(new RegExp(`^${12_000 - kept.length + after} lines were dropped`));
  expect(kept.length).toBeGreaterThanOrEqual(10_000);
});

test("a server that takes no lines costs a task its log, not its result", async () => {
  const { engine, begin, ended, errors, countCalls } = await run(({ log }) => {
    for (let n = 0; n < 5_000; n += 1) log(`line ${n}`);
  });
  engine.beforeLog = () => {
    throw new ConnectError("not of this version", Code.Unimplemented);
  };
  await begin();
  await ended(TaskStatus.SUCCESS);
  expect(errors.length).toBeGreaterThan(0);
  expect(countCalls("AppendLogs")).toBeLessThanOrEqual(5);
});

test("the answer to lines tells a handler to stop", async () => {
  let reason: AttemptAborted["reason"] | undefined;
  const { engine, begin } = await run(async ({ log, signal }) => {
    await waitFor(() => {
      log("still here");
      expect(signal.aborted).toBe(true);
    });
    reason = (signal.reason as AttemptAborted).reason;
  });
  await begin();
  await waitFor(() => expect(engine.logCalls.length).toBeGreaterThan(0));
  engine.cancel(engine.byKey("a")?.taskId ?? "");
  await waitFor(() => expect(reason).toBe("cancel_requested"));
});

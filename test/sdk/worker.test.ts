import { setTimeout as sleep } from "node:timers/promises";
import type { JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  AttemptAborted,
  createGraph,
  createWorker,
  NonRetryable,
  type TaskContext,
  TaskService,
  TaskStatus,
  type WorkerOptions,
  WorkerService,
} from "@millpond/sdk";
import { expect, test } from "vitest";
import { startWorker, waitFor } from "./support/start-worker.ts";

async function setup(workerOptions: Partial<WorkerOptions> = {}) {
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const { server, client, worker, countCalls } = await startWorker({ onError, ...workerOptions });
  const submit = async (tasks: Record<string, string[]>, input?: JsonValue) => {
    const graph = createGraph();
    for (const [key, after] of Object.entries(tasks)) {
      graph.task(key, { kind: "work", after, ...(input !== undefined && { input }) });
    }
    await client.tasks.createTasks(graph.toRequest());
  };
  return { server, engine: server.engine, client, worker, errors, submit, countCalls };
}

/** A handler that begins and then waits to be let go. */
function gate() {
  const contexts: TaskContext[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const handler = async (_: unknown, context: TaskContext) => {
    contexts.push(context);
    await promise;
  };
  return { handler, contexts, open: resolve };
}

test("a graph runs in order; children get input and their parents' outputs", async () => {
  const { worker, engine, submit } = await setup();
  const seen: unknown[] = [];
  worker.handle("work", ({ task }, { input, parents }) => {
    seen.push([task?.key, input, Object.entries(parents).map(([key, { output }]) => [key, output])]);
    return { from: task?.key, at: new Date(0), nothing: undefined };
  });
  worker.start();
  await submit({ b: ["a"], a: [] }, { n: 1 });

  await waitFor(() => expect(engine.statusOf("b")).toBe(TaskStatus.SUCCESS));
  expect(seen).toEqual([
    ["a", { n: 1 }, []],
    ["b", { n: 1 }, [["a", { from: "a", at: "1970-01-01T00:00:00.000Z" }]]],
  ]);
});

test("it never runs more than its slots", async () => {
  const { worker, engine, submit } = await setup({ slots: 3 });
  let running = 0;
  let most = 0;
  worker.handle("work", async () => {
    most = Math.max(most, ++running);
    await sleep(2);
    running--;
  });
  worker.start();
  await submit(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`t${i}`, []])));

  await waitFor(() => expect(engine.statusOf("t19")).toBe(TaskStatus.SUCCESS));
  expect(most).toBe(3);
});

test("what ends while a report is in flight goes together into the next call", async () => {
  const { worker, engine, submit, countCalls } = await setup({ slots: 1_000 });
  const { handler, contexts, open } = gate();
  worker.handle("work", handler);
  worker.start();
  await submit(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`t${i}`, []])));
  await waitFor(() => expect(contexts).toHaveLength(500));
  open();

  await waitFor(() => expect(worker.running).toBe(0));
  expect([...engine.tasksById.values()].every(({ status }) => status === TaskStatus.SUCCESS)).toBe(true);
  expect(countCalls("ReportTasks")).toBeLessThanOrEqual(2);
});

test("a handler that throws fails its task with message and code", async () => {
  const { worker, engine, submit, server } = await setup();
  worker.handle("work", () => {
    throw new NonRetryable("no such sample", { code: "NO_SAMPLE" });
  });
  worker.start();
  await submit({ a: [], b: ["a"] });

  await waitFor(() => expect(engine.statusOf("b")).toBe(TaskStatus.FAILURE));
  expect(engine.byKey("a")?.failure).toMatchObject({ message: "no such sample", code: "NO_SAMPLE" });
  const report = server.calls.find(({ method }) => method === "ReportTasks")?.message;
  expect(report).toMatchObject({ reports: [{ report: { value: { nonRetryable: true } } }] });
});

test("an output that is no JSON fails the task and says so", async () => {
  const { worker, engine, submit } = await setup();
  worker.handle("work", () => ({ n: 1n }));
  worker.start();
  await submit({ a: [] });

  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.FAILURE));
  expect(engine.byKey("a")?.failure?.message).toContain("output is no JSON");
  expect(engine.byKey("a")?.failure?.code).toBe("OUTPUT_NOT_JSON");
});

test("an output that the server refuses fails the task and says so", async () => {
  const { worker, engine, submit, server } = await setup();
  server.failNext(TaskService.method.reportTasks, new ConnectError("too large", Code.InvalidArgument));
  worker.handle("work", () => "large");
  worker.start();
  await submit({ a: [] });

  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.FAILURE));
  expect(engine.byKey("a")?.failure?.message).toContain("too large");
});

test("a report that is refused as a whole harms only the task that is to blame", async () => {
  const { worker, engine, submit, server } = await setup();
  const { handler, contexts, open } = gate();
  server.failNext(TaskService.method.reportTasks, new ConnectError("malformed", Code.InvalidArgument));
  worker.handle("work", handler);
  worker.start();
  await submit({ a: [], b: [], c: [] });
  await waitFor(() => expect(contexts).toHaveLength(3));
  open();

  await waitFor(() => expect(worker.running).toBe(0));
  expect(["a", "b", "c"].map((key) => engine.statusOf(key))).toEqual(Array(3).fill(TaskStatus.SUCCESS));
});

test("a closing report whose answer was lost counts as done", async () => {
  const { worker, engine, submit, server, errors } = await setup();
  const lost = new ConnectError("away", Code.Unavailable);
  server.failNext(TaskService.method.reportTasks, lost, { answerLost: true });
  worker.handle("work", () => 1);
  worker.start();
  await submit({ a: [] });

  await waitFor(() => expect(worker.running).toBe(0));
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.SUCCESS));
  expect(errors).toEqual([]);
});

test("leases are extended while handlers run, and progress is reported", async () => {
  const { worker, engine, submit, countCalls } = await setup({ leaseMs: 1_200 });
  const { handler, contexts, open } = gate();
  worker.handle("work", handler);
  worker.start();
  await submit({ a: [] });
  await waitFor(() => expect(contexts).toHaveLength(1));
  await contexts[0]?.heartbeat({ percent: 40 });

  await waitFor(() => expect(countCalls("ExtendLeases")).toBeGreaterThanOrEqual(4));
  expect(contexts[0]?.signal.aborted).toBe(false);
  expect(engine.byKey("a")?.progress?.kind.case).toBe("structValue");
  open();
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.SUCCESS));
});

test("a canceled task's handler is told, and nothing more is reported", async () => {
  const { worker, engine, submit, countCalls } = await setup({ leaseMs: 1_200 });
  const { handler, contexts, open } = gate();
  worker.handle("work", handler);
  worker.start();
  await submit({ a: [] });
  await waitFor(() => expect(contexts).toHaveLength(1));
  engine.cancel(engine.byKey("a")?.taskId ?? "");

  await waitFor(() => expect(contexts[0]?.signal.aborted).toBe(true));
  expect(contexts[0]?.signal.reason).toBeInstanceOf(AttemptAborted);
  expect(contexts[0]?.signal.reason).toMatchObject({ reason: "cancel_requested" });
  open();
  await waitFor(() => expect(worker.running).toBe(0));
  expect(countCalls("ReportTasks")).toBe(0);
});

test("an attempt whose lease is lost is told to stop", async () => {
  const { worker, engine, submit } = await setup({ leaseMs: 1_200, slots: 1 });
  const { handler, contexts, open } = gate();
  worker.handle("work", handler);
  worker.start();
  await submit({ a: [] });
  await waitFor(() => expect(contexts).toHaveLength(1));
  engine.takeBack(engine.byKey("a")?.taskId ?? "");

  await waitFor(() => expect(contexts[0]?.signal.aborted).toBe(true));
  expect(contexts[0]?.signal.reason).toMatchObject({ reason: "lease_lost" });
  open();
});

test("an attempt whose lease cannot be extended is told to stop in time", async () => {
  const { worker, submit, server } = await setup({ leaseMs: 120 });
  const { handler, contexts, open } = gate();
  worker.handle("work", handler);
  worker.start();
  await submit({ a: [] });
  await waitFor(() => expect(contexts).toHaveLength(1));
  server.failNext(WorkerService.method.extendLeases, new ConnectError("away", Code.Unavailable), { times: 1_000 });

  await waitFor(() => expect(contexts[0]?.signal.aborted).toBe(true));
  expect(contexts[0]?.signal.reason).toMatchObject({ reason: "lease_lost" });
  open();
});

test("it comes back when the server was away", async () => {
  const { worker, engine, submit, server, errors } = await setup();
  server.failNext(WorkerService.method.claimTasks, new ConnectError("away", Code.Unavailable), { times: 4 });
  worker.handle("work", () => 1);
  worker.start();
  await submit({ a: [] });
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.SUCCESS));
  expect(errors).toHaveLength(4);

  server.breakConnections();
  await submit({ b: [] });
  await waitFor(() => expect(engine.statusOf("b")).toBe(TaskStatus.SUCCESS));
});

test("stop lets what runs finish and takes no more", async () => {
  const { worker, engine, submit } = await setup({ slots: 1 });
  const { handler, contexts, open } = gate();
  worker.handle("work", handler);
  worker.start();
  await submit({ a: [], b: [] });
  await waitFor(() => expect(contexts).toHaveLength(1));
  const stopped = worker.stop();
  open();

  await stopped;
  await worker.done;
  expect(engine.statusOf("a")).toBe(TaskStatus.SUCCESS);
  expect(engine.statusOf("b")).toBe(TaskStatus.PENDING);
});

test("handlers that outlast the grace are aborted, and their failure is reported", async () => {
  const { worker, engine, submit } = await setup({ stopGraceMs: 20 });
  worker.handle("work", async (_, { signal }) => {
    await sleep(60_000, undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  });
  worker.start();
  await submit({ a: [] });
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.RUNNING));
  await waitFor(() => expect(worker.running).toBe(1));

  await worker.stop();
  expect(engine.statusOf("a")).toBe(TaskStatus.FAILURE);
  expect(engine.byKey("a")?.failure?.code).toBe("WORKER_STOPPED");
});

test("SIGTERM stops the worker when it is asked to", async () => {
  const { worker } = await setup({ stopOnSigterm: true });
  worker.handle("work", () => 1);
  worker.start();
  process.emit("SIGTERM", "SIGTERM");
  await worker.done;
  expect(process.listenerCount("SIGTERM")).toBe(0);
});

test("a refusal for good ends the worker", async () => {
  const { worker, server } = await setup();
  server.failNext(WorkerService.method.claimTasks, new ConnectError("who are you", Code.Unauthenticated));
  worker.handle("work", () => 1);
  worker.start();
  await expect(worker.done).rejects.toThrow("who are you");
});

test("misuse is refused at once", async () => {
  const { worker, client } = await setup();
  expect(() => worker.start()).toThrow("the worker has no handler");
  expect(() => createWorker({ client, slots: 0 })).toThrow("a worker has from 1 to 10000");
});

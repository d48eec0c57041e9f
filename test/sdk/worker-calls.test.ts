import {
  type ClaimTasksRequest,
  createGraph,
  createWorker,
  type ReportTasksRequest,
  type TaskContext,
  TaskStatus,
  type WorkerOptions,
} from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { startWorker, waitFor } from "./support/start-worker.ts";

/** A worker whose ReportTasks calls arrive at the server when they are let through. */
async function setup(workerOptions: Partial<WorkerOptions> = {}) {
  const { server, client } = await startWorker();
  const held: { keys: string[]; cases: (string | undefined)[]; letThrough: () => void }[] = [];
  let holding = true;
  const release = () => {
    holding = false;
    for (const { letThrough } of held) letThrough();
  };
  const reportTasks: typeof client.tasks.reportTasks = async (request, options) => {
    const { reports } = request as ReportTasksRequest;
    const keys = reports.map(({ taskId }) => server.engine.tasksById.get(taskId)?.key ?? "");
    const { promise, resolve } = Promise.withResolvers<void>();
    held.push({ keys, cases: reports.map(({ report }) => report.case), letThrough: resolve });
    if (holding) await promise;
    return client.tasks.reportTasks(request, options);
  };
  const worker = createWorker({
    ...workerOptions,
    client: { workers: client.workers, tasks: { ...client.tasks, reportTasks } },
  });
  onTestFinished(async () => {
    release();
    await worker.stop();
  });
  const submit = async (keys: string[]) => {
    const graph = createGraph();
    for (const key of keys) graph.task(key, { kind: "work" });
    await client.tasks.createTasks(graph.toRequest());
  };
  const claims = () =>
    server.calls.flatMap(({ method, message }) =>
      method === "ClaimTasks" ? [(message as ClaimTasksRequest).maxTasks] : [],
    );
  return { worker, engine: server.engine, submit, claims, held, release };
}

const keysOf = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

test("it claims and begins the next task while the report of the last one is on its way", async () => {
  const { worker, engine, submit, held, release } = await setup({ slots: 1 });
  const begun: string[] = [];
  worker.handle("work", ({ task }) => void begun.push(task?.key ?? ""));
  worker.start();
  await submit(["a", "b"]);

  await waitFor(() => expect(begun).toEqual(["a", "b"]));
  expect(held.map(({ keys }) => keys)).toEqual([["a"]]);
  release();
  await waitFor(() => expect(engine.statusOf("b")).toBe(TaskStatus.SUCCESS));
});

test("slots that become free in one turn are claimed together", async () => {
  const { worker, submit, claims, release } = await setup({ slots: 100 });
  release();
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  worker.handle("work", async () => {
    begun++;
    await promise;
  });
  worker.start();
  await submit(keysOf(100, "t"));
  await waitFor(() => expect(begun).toBe(100));
  const before = claims().length;
  resolve();

  await waitFor(() => expect(worker.running).toBe(0));
  await waitFor(() => expect(claims().slice(before)).toEqual([50, 50]));
});

test("a claim asks for at most 1,000 tasks, and all slots are filled", async () => {
  const { worker, submit, claims } = await setup({ slots: 2_500 });
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.handle("work", () => promise);
  worker.start();
  await waitFor(() => expect(claims()).toEqual([1_000, 1_000]));
  await submit(keysOf(2_500, "t"));

  await waitFor(() => expect(worker.running).toBe(2_500));
  expect(Math.max(...claims())).toBe(1_000);
  resolve();
});

test("two calls with reports are in flight when there are many, and no third", async () => {
  const { worker, engine, submit, held, release } = await setup({ slots: 1_000 });
  worker.handle("work", () => undefined);
  worker.start();
  await submit(["first"]);
  await waitFor(() => expect(held).toHaveLength(1));
  await submit(keysOf(300, "second"));
  await waitFor(() => expect(held).toHaveLength(2));
  await submit(keysOf(300, "third"));
  await waitFor(() => expect(engine.statusOf("third299")).toBe(TaskStatus.RUNNING));
  await waitFor(() => expect(worker.running).toBe(601));

  expect(held).toHaveLength(2);
  release();
  await waitFor(() => expect(worker.running).toBe(0));
  expect(held.slice(2).flatMap(({ keys }) => keys)).toHaveLength(601 - 1 - (held[1]?.keys.length ?? 0));
  expect([...engine.tasksById.values()].every(({ status }) => status === TaskStatus.SUCCESS)).toBe(true);
});

test("a closing report waits for the answer to its attempt's heartbeat, whatever else is sent meanwhile", async () => {
  const { worker, engine, submit, held, release } = await setup({ slots: 1_000 });
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.handle("work", async ({ task }, { heartbeat }: TaskContext) => {
    if (task?.key !== "slow") return;
    void heartbeat({ percent: 40 });
    await promise;
  });
  worker.start();
  await submit(["slow"]);
  await waitFor(() => expect(held).toHaveLength(1));
  resolve();
  await submit(keysOf(200, "t"));
  await waitFor(() => expect(held).toHaveLength(2));

  expect(held[1]?.keys).not.toContain("slow");
  release();
  await waitFor(() => expect(worker.running).toBe(0));
  const ofSlow = held.flatMap(({ keys, cases }) => cases.filter((_, index) => keys[index] === "slow"));
  expect(ofSlow).toEqual(["heartbeat", "success"]);
  expect(engine.byKey("slow")?.progress?.kind.case).toBe("structValue");
  expect(engine.statusOf("slow")).toBe(TaskStatus.SUCCESS);
});

test("heartbeats that nobody waits for go together while the server takes none: the last progress is what it gets", async () => {
  const { worker, engine, submit, held, release } = await setup({ slots: 2 });
  const contexts = new Map<string, TaskContext>();
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.handle("work", async ({ task }, context) => {
    contexts.set(task?.key ?? "", context);
    await promise;
  });
  worker.start();
  await submit(["a", "b"]);
  await waitFor(() => expect(contexts.size).toBe(2));
  const answers = new Set<Promise<void>>();
  const tell = (key: string, progress?: number) => answers.add(contexts.get(key)!.heartbeat(progress));
  tell("a", 0);
  await waitFor(() => expect(held).toHaveLength(1));
  for (let n = 1; n <= 10_000; n += 1) {
    tell("a", n);
    tell("b", -n);
  }
  tell("a");
  // The first one of a, and what waits of each.
  expect(answers.size).toBe(3);

  resolve();
  release();
  await Promise.all(answers);
  await waitFor(() => expect(worker.running).toBe(0));
  const told = (key: string) => held.flatMap(({ keys, cases }) => cases.filter((_, index) => keys[index] === key));
  expect(told("a")).toEqual(["heartbeat", "heartbeat", "success"]);
  expect(told("b")).toEqual(["heartbeat", "success"]);
  expect(engine.byKey("a")?.progress?.kind.value).toBe(10_000);
  expect(engine.byKey("b")?.progress?.kind.value).toBe(-10_000);
});

test("a signal that is first read after the attempt was aborted is aborted with the reason", async () => {
  const { worker, engine, submit, release } = await setup({ leaseMs: 300 });
  release();
  const contexts: TaskContext[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.handle("work", async (_, context) => {
    contexts.push(context);
    await promise;
  });
  worker.start();
  await submit(["a"]);
  await waitFor(() => expect(contexts).toHaveLength(1));
  engine.cancel(engine.byKey("a")?.taskId ?? "");
  await contexts[0]?.heartbeat();

  expect(contexts[0]?.signal.reason).toMatchObject({ reason: "cancel_requested" });
  expect(contexts[0]?.signal).toBe(contexts[0]?.signal);
  resolve();
});

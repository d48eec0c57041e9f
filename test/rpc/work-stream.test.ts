import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { ErrorReason, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { detailsOf } from "./server-harness.ts";
import { newKind, sharedServer } from "./shared-server.ts";
import { type HelloInit, WorkerStream } from "./worker-stream.ts";

const heartbeatMs = 1_000;
const server = sharedServer({ MILLPOND_WORKER_HEARTBEAT: `${heartbeatMs}ms` });

let workers = 0;

/** Connects a worker, which is made to end with the test. */
function connect(hello: Partial<HelloInit> = {}): WorkerStream & Disposable {
  workers += 1;
  const stream = new WorkerStream(server.client, { workerId: `w${workers}`, kinds: [newKind()], slots: 10, ...hello });
  return Object.assign(stream, { [Symbol.dispose]: () => stream.break() });
}

function keyed(count: number, kind: string) {
  return Array.from({ length: count }, (_, n) => ({ key: `t${n}`, name: "t", kind }));
}

/** Sends heartbeats of what a worker has, as long as the test goes on. */
function keepAlive(stream: WorkerStream): Disposable {
  const timer = setInterval(() => {
    const { assignments } = stream;
    for (let from = 0; from === 0 || from < assignments.length; from += 1_000)
      stream.heartbeat(...assignments.slice(from, from + 1_000));
  }, heartbeatMs / 4);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe("a worker on a stream", () => {
  test("with places for thousands is handed a thousand at most at a time", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind], slots: 10_000 });
    using _ = keepAlive(stream);
    const { batchId } = await server.graph(keyed(2_500, kind));
    stream.credit(10_000);
    const assigned = await stream.assigned(2_500);
    expect(new Set(assigned.map(({ task }) => task?.taskId)).size).toBe(2_500);
    const sizes = stream.of("assignments").map(({ assignments }) => assignments.length);
    expect(sizes.every((size) => size <= 1_000)).toBe(true);
    for (let from = 0; from < assigned.length; from += 1_000) stream.report(assigned.slice(from, from + 1_000));
    await until("the end of all", async () => (await server.stats(batchId)).SUCCESS === 2_500);
  });

  test("is welcomed, gets what its credit allows, reports, and gets more", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    const { batchId } = await server.graph(keyed(5, kind));
    await until("the welcome", () => stream.of("welcome").length === 1);
    const [welcome] = stream.of("welcome");
    expect(welcome?.heartbeatInterval && durationMs(welcome.heartbeatInterval)).toBe(heartbeatMs);
    expect(welcome?.lease && durationMs(welcome.lease)).toBe(heartbeatMs * 2);

    stream.credit(3);
    const first = await stream.assigned(3);
    expect(first.map(({ task }) => [task?.status, task?.workerId, task?.kind])).toEqual(
      Array(3).fill([TaskStatus.RUNNING, `w${workers}`, kind]),
    );
    const sequence = stream.report(first);
    await until("the results", () => stream.of("reportResults").length === 1);
    expect(stream.of("reportResults")[0]?.sequence).toBe(sequence);
    expect(stream.of("reportResults")[0]?.results.map(({ result }) => result.case)).toEqual(Array(3).fill("task"));
    expect(stream.assignments).toHaveLength(3);

    stream.credit(10);
    stream.report((await stream.assigned(5)).slice(3));
    await until("the end of all", async () => (await server.stats(batchId)).SUCCESS === 5);
    stream.end();
    expect(await stream.over()).toBeNull();
  });

  test("is handed the child in the commit of its parent's success", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    const before = await counter();
    let taken = 0;
    // A place that nobody has used is taken back after a while, on a slow machine before the report has come: then the child comes from the queue.
    await until("a child that is handed over in the commit", async () => {
      const { ids } = await server.graph([
        { key: "a", name: "a", kind },
        { key: "b", name: "b", kind, dependencies: [{ parent: { case: "key", value: "a" } }] },
      ]);
      stream.credit(2);
      const parent = (await stream.assigned(taken + 1))[taken];
      expect(parent?.task?.taskId).toBe(ids.a);
      stream.report(parent ? [parent] : []);
      const child = (await stream.assigned(taken + 2))[taken + 1];
      expect(child?.task?.taskId).toBe(ids.b);
      expect(Object.keys(child?.parents ?? {})).toEqual(["a"]);
      stream.report(child ? [child] : []);
      taken += 2;
      return (await counter()) > before;
    });
  });

  test("gets only what its kinds and labels let it take, of several kinds", async () => {
    const [a, b] = [newKind(), newKind()];
    using stream = connect({ kinds: [a, b], labels: { gpu: "1" } });
    using _ = keepAlive(stream);
    stream.credit(10);
    const requires = (requiredLabels: Record<string, string>) => ({
      execution: { case: "worker" as const, value: { requiredLabels } },
    });
    const { ids } = await server.graph([
      { key: "one", name: "t", kind: a },
      { key: "two", name: "t", kind: b, ...requires({ gpu: "1" }) },
      { key: "none", name: "t", kind: b, ...requires({ gpu: "2" }) },
    ]);
    const assigned = await stream.assigned(2);
    expect(new Set(assigned.map(({ task }) => task?.taskId))).toEqual(new Set([ids.one, ids.two]));
    expect(await server.status(ids.none ?? "")).toBe("PENDING");
  });

  test("keeps what its heartbeats name; what they do not name is lost, and so is who is silent", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    const { ids } = await server.graph(keyed(2, kind));
    stream.credit(2);
    const [kept, left] = await stream.assigned(2);
    if (kept === undefined || left === undefined) throw new Error("two were assigned");
    const timer = setInterval(() => stream.heartbeat(kept), heartbeatMs / 4);
    await until(
      "the other one is lost",
      async () => (await server.task(left.task?.taskId ?? "")).status === TaskStatus.PENDING,
    );
    expect((await server.task(kept.task?.taskId ?? "")).status).toBe(TaskStatus.RUNNING);
    stream.heartbeat(kept, left);
    await until("it is told", () => stream.of("leaseLost").length > 0);
    expect(stream.of("leaseLost")[0]?.lease?.taskId).toBe(left.task?.taskId);
    clearInterval(timer);
    const error = await stream.over();
    expect([error?.code, detailsOf(error as never).reason]).toEqual([Code.FailedPrecondition, "LEASE_LOST"]);
    expect(error?.message).toContain("nothing came");
    await until("both are there again", async () =>
      (await Promise.all(Object.values(ids).map((id) => server.status(id)))).every((status) => status === "PENDING"),
    );
  });

  test("is told of a cancellation at once, with its reason", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    const { ids, batchId } = await server.graph(keyed(2, kind));
    stream.credit(2);
    await stream.assigned(2);
    const [one = "", two = ""] = [ids.t0, ids.t1];
    await server.client.tasks.cancelTasks({ taskIds: [one], reason: "not needed" });
    await until("the cancel", () => stream.of("cancel").length > 0);
    expect(stream.of("cancel")[0]).toMatchObject({ taskId: one, attempt: 1, reason: "not needed" });
    await server.client.batches.stopBatch({ batchId, reason: "enough" });
    await until("the other cancel", () =>
      stream.of("cancel").some(({ taskId, attempt }) => taskId === two && attempt === 1),
    );
  });

  test("is told to stop what has run for too long", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    const executionTimeout = { seconds: 0n, nanos: 300_000_000 };
    const { ids } = await server.graph([{ key: "a", name: "a", kind, executionTimeout }]);
    stream.credit(1);
    await stream.assigned(1);
    await until("the cancel", () => stream.of("cancel").length > 0);
    expect(stream.of("cancel")[0]?.taskId).toBe(ids.a);
    expect(stream.of("cancel")[0]?.reason).toContain("execution_timeout");
  });

  test("gets a result for each report: what was refused, with its reason", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    await server.graph(keyed(2, kind));
    stream.credit(2);
    const [one, two] = await stream.assigned(2);
    if (one === undefined || two === undefined) throw new Error("two were assigned");
    stream.report([one], { case: "heartbeat", value: {} });
    stream.report([one]);
    stream.report([one, { ...two, attempt: 7 }, two]);
    await until("three results", () => stream.of("reportResults").length === 3);
    const results = stream
      .of("reportResults")
      .map(({ sequence, results: all }) => [
        sequence,
        all.map(({ result }) => (result.case === "error" ? ErrorReason[result.value.reason] : result.case)),
      ]);
    expect(results).toEqual([
      [1n, ["task"]],
      [2n, ["task"]],
      [3n, ["TASK_ENDED", "STALE_ATTEMPT", "task"]],
    ]);
  });

  test("logs by its stream", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    await server.graph(keyed(1, kind));
    stream.credit(1);
    const [{ task, attempt } = { task: undefined, attempt: 0 }] = await stream.assigned(1);
    const taskId = task?.taskId ?? "";
    const logs = (attemptOf: number, ...messages: string[]) =>
      stream.send({
        case: "logs",
        value: { lease: { taskId, attempt: attemptOf }, entries: messages.map((message) => ({ message })) },
      });
    logs(attempt, "one", "two");
    logs(attempt, "three");
    await until("the lines", async () => {
      const { entries } = await server.client.workers.listLogs({ taskId });
      return entries.map(({ message }) => message).join() === "one,two,three";
    });
    logs(9, "of another attempt");
    await until("it is told", () => stream.of("leaseLost").length > 0);
  });

  test("is told which lines of its log are in, and sends the others again by its next stream, which writes each once", async () => {
    const kind = newKind();
    using first = connect({ kinds: [kind] });
    using _ = keepAlive(first);
    await server.graph(keyed(1, kind));
    first.credit(1);
    const [{ task, attempt } = { task: undefined, attempt: 0 }] = await first.assigned(1);
    const taskId = task?.taskId ?? "";
    const linesOf = (n: number) => ({
      lease: { taskId, attempt },
      entries: [{ message: `${n}a` }, { message: `${n}b` }],
      requestId: `${taskId} ${n}`,
    });
    const taken = (stream: WorkerStream) => stream.of("logsTaken").map(({ requestId }) => requestId);
    const total = 20;
    const ids = Array.from({ length: total }, (_, n) => linesOf(n).requestId);
    for (let n = 0; n < total; n += 1) first.send({ case: "logs", value: linesOf(n) });
    await until("some are in", () => taken(first).length > 0);
    first.break();
    await first.over();
    const known = taken(first);
    expect(known).toEqual(ids.slice(0, known.length));

    // All but those whose answer was lost in any case: sending again what is in does no harm.
    using second = connect({ kinds: [kind] });
    using __ = keepAlive(second);
    for (let n = known.length - 1; n < total; n += 1) second.send({ case: "logs", value: linesOf(n) });
    await until("all are in", () => taken(second).length === total - known.length + 1);
    expect(taken(second)).toEqual(ids.slice(known.length - 1));
    // The same lines by a call are the same lines.
    const { lease, ...rest } = linesOf(total - 1);
    await server.client.workers.appendLogs({ ...rest, ...lease });
    const { entries } = await server.client.workers.listLogs({ taskId, pageSize: 1_000 });
    expect(entries.map(({ message }) => message)).toEqual(
      Array.from({ length: total }, (_, n) => [`${n}a`, `${n}b`]).flat(),
    );
  });

  test("writes no lines behind such as it could not write: their order is that in which they are sent again", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    await server.graph(keyed(1, kind));
    stream.credit(1);
    const [{ task, attempt } = { task: undefined, attempt: 0 }] = await stream.assigned(1);
    const taskId = task?.taskId ?? "";
    const log = (requestId: string, message: string) =>
      stream.send({ case: "logs", value: { lease: { taskId, attempt }, entries: [{ message }], requestId } });
    log(`${taskId} same`, "first");
    log(`${taskId} same`, "of another message");
    log(`${taskId} next`, "later");
    expect(String(await stream.over())).toContain("was used for another request");
    await server.client.workers.appendLogs({ taskId, attempt, entries: [{ message: "last" }] });
    const { entries } = await server.client.workers.listLogs({ taskId });
    expect(entries.map(({ message }) => message)).toEqual(["first", "last"]);
  });

  test("drains: takes no more, finishes, ends", async () => {
    const kind = newKind();
    using stream = connect({ kinds: [kind] });
    using _ = keepAlive(stream);
    const { batchId } = await server.graph(keyed(1, kind));
    stream.credit(10);
    const assigned = await stream.assigned(1);
    stream.send({ case: "drain", value: {} });
    await until("it drains", async () => {
      const { workers: listed } = await server.client.workers.listWorkers({ kinds: [kind] });
      return listed[0]?.state === 2;
    });
    await server.graph(keyed(3, kind));
    stream.report(assigned);
    stream.end();
    expect(await stream.over()).toBeNull();
    expect(await server.stats(batchId)).toMatchObject({ SUCCESS: 1 });
    expect(stream.assignments).toHaveLength(1);
  });

  test("goes on by another stream with what it had, and its first stream is ended", async () => {
    const kind = newKind();
    using first = connect({ kinds: [kind], workerId: "twice" });
    const { ids } = await server.graph(keyed(1, kind));
    first.credit(1);
    const assigned = await first.assigned(1);
    using second = connect({ kinds: [kind], workerId: "twice" });
    using _ = keepAlive(Object.assign(second, { received: [...first.received] }));
    const error = await first.over();
    expect([error?.code, detailsOf(error as never)]).toMatchObject([
      Code.FailedPrecondition,
      { reason: "LEASE_LOST", metadata: { worker_id: "twice" } },
    ]);
    await new Promise((resolve) => setTimeout(resolve, heartbeatMs * 2.5));
    expect(await server.task(ids.t0 ?? "")).toMatchObject({ status: TaskStatus.RUNNING, attempt: 1 });
    second.report(assigned);
    await until("the success", async () => (await server.status(ids.t0 ?? "")) === "SUCCESS");
  });
});

describe("a worker that breaks the rules of the stream is refused:", () => {
  const hello = { case: "hello" as const, value: { workerId: "bad", kinds: ["k"], slots: 1 } };
  const credit = (tasks: number) => ({ case: "credit" as const, value: { tasks } });
  const reports = (sequence: bigint) => ({
    case: "reports" as const,
    value: {
      sequence,
      reports: [{ taskId: "01900000-0000-7000-8000-000000000000", report: { case: "success" as const, value: {} } }],
    },
  });
  test.each([
    ["credit before hello", [credit(1)], "credit"],
    ["a second hello", [hello, hello], "hello"],
    ["a hello without kinds", [{ ...hello, value: { ...hello.value, kinds: [] } }], "hello.kinds"],
    ["too much credit", [hello, credit(6_000), credit(6_000)], "credit.tasks"],
    ["no credit", [hello, credit(0)], "credit.tasks"],
    ["credit after drain", [hello, { case: "drain" as const, value: {} }, credit(1)], "credit"],
    ["a sequence that goes back", [hello, reports(2n), reports(2n)], "reports.sequence"],
  ])("%s", async (_, messages, field) => {
    const stream = new WorkerStream(server.client);
    for (const message of messages) stream.send(message);
    const error = await stream.over();
    expect([error?.code, detailsOf(error as never)]).toMatchObject([
      Code.InvalidArgument,
      { reason: "INVALID_FIELD", fields: [field] },
    ]);
  });

  test("nothing at all", async () => {
    const stream = new WorkerStream(server.client);
    stream.end();
    const error = await stream.over();
    expect([error?.code, detailsOf(error as never).fields]).toEqual([Code.InvalidArgument, ["hello"]]);
  });

  test("an attempt that it never had, in a heartbeat, is lost", async () => {
    using stream = connect();
    const lease = { taskId: "01900000-0000-7000-8000-000000000000", attempt: 1 };
    stream.send({ case: "heartbeat", value: { leases: [lease] } });
    await until("it is told", () => stream.of("leaseLost").length > 0);
    expect(stream.of("leaseLost")[0]?.lease).toMatchObject(lease);
  });
});

/** How many tasks were handed out in the commit that made them ready. */
async function counter(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/millpond_tasks_handed_out_total\{from="commit"\} (\d+)/.exec(text)?.[1] ?? 0);
}

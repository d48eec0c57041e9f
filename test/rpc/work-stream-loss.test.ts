import { createClient as createConnectClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { TaskStatus, WorkerService } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { newKind, sharedServer } from "./shared-server.ts";
import { WorkerStream } from "./worker-stream.ts";

const heartbeatMs = 1_000;
const server = sharedServer({ MILLPOND_WORKER_HEARTBEAT: `${heartbeatMs}ms` });

function connect(workerId: string, kind: string, client = server.client): WorkerStream & Disposable {
  const stream = new WorkerStream(client, { workerId, kinds: [kind], slots: 10 });
  return Object.assign(stream, { [Symbol.dispose]: () => stream.break() });
}

function beat(stream: WorkerStream, held: Pick<WorkerStream, "assignments"> = stream): Disposable {
  const timer = setInterval(() => stream.heartbeat(...held.assignments), heartbeatMs / 4);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

test("what a broken stream had runs elsewhere", async () => {
  const kind = newKind();
  using lost = connect("lost", kind);
  using other = connect("other", kind);
  using _ = beat(other);
  lost.credit(2);
  const { ids } = await server.graph([
    { key: "a", name: "a", kind },
    { key: "b", name: "b", kind },
  ]);
  const held = await lost.assigned(2);
  lost.heartbeat(...held);
  lost.break();
  other.credit(10);
  const again = await other.assigned(2);
  expect(new Set(again.map(({ task }) => task?.taskId))).toEqual(new Set(Object.values(ids)));
  expect(again.map(({ attempt }) => attempt)).toEqual([2, 2]);
  other.report(again);
  await until("both succeed", async () => (await server.status(ids.a ?? "")) === "SUCCESS");
  const [attempt] = (await server.client.tasks.getTask({ taskId: ids.a ?? "" })).attempts;
  expect([attempt?.attempt, attempt?.workerId]).toEqual([1, "lost"]);
});

test("the leases of a broken stream are cut to one heartbeat interval", async () => {
  await using s = await setup({ MILLPOND_WORKER_HEARTBEAT: "60s" });
  const stream = connect("cut", "k", s.client);
  stream.credit(1);
  const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "a", kind: "k" }] });
  const lease = async () =>
    (await s.client.tasks.getTask({ taskId: tasks[0]?.taskId ?? "" })).task?.leaseExpireTime?.seconds ?? 0n;
  await stream.assigned(1);
  const before = await lease();
  stream.break();
  await until("it is cut", async () => (await lease()) < before - 10n);
});

test("the last heartbeat of a broken stream, which was still to be written, does not make its leases long again", async () => {
  await using s = await setup({ MILLPOND_WORKER_HEARTBEAT: "60s" });
  using broken = connect("broken", "k", s.client);
  using other = connect("other", "other", s.client);
  broken.credit(1);
  other.credit(1);
  const { tasks } = await s.client.tasks.createTasks({
    tasks: [
      { name: "a", kind: "k" },
      { name: "b", kind: "other" },
    ],
  });
  const lease = async (n: number): Promise<number> => {
    const { task } = await s.client.tasks.getTask({ taskId: tasks[n]?.taskId ?? "" });
    return Number(task?.leaseExpireTime?.seconds ?? 0n) + (task?.leaseExpireTime?.nanos ?? 0) / 1e9;
  };
  await broken.assigned(1);
  await other.assigned(1);
  const first = await lease(0);
  // One is always there that has come and is not written.
  const beats = setInterval(() => broken.heartbeat(...broken.assignments), 2);
  onTestFinished(() => clearInterval(beats));
  await until("its lease is extended", async () => (await lease(0)) > first);
  broken.break();
  clearInterval(beats);
  // Heartbeats are written in the order in which they come.
  for (let n = 0; n < 2; n += 1) {
    const before = await lease(1);
    other.heartbeat(...other.assignments);
    await until("another one's lease is extended", async () => (await lease(1)) > before);
  }
  await until("it is cut", async () => (await lease(0)) < first - 10, 10_000);
});

test("a worker that has said that it sends no more is assigned no more, and what it does not read costs no attempt", async () => {
  await using s = await setup({ MILLPOND_WORKER_HEARTBEAT: "60s" });
  const kind = "k";
  // Without the wide windows of the SDK: one input of a task fills them.
  const narrow = createConnectClient(WorkerService, createGrpcTransport({ baseUrl: s.url }));
  const deaf = new WorkerStream({ workers: narrow }, { workerId: "half", kinds: [kind], slots: 10 });
  onTestFinished(() => deaf.break());
  const input = { kind: { case: "stringValue" as const, value: "x".repeat(900_000) } };
  const create = async (more: object = {}): Promise<string> => {
    const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "t", kind, ...more }] });
    return tasks[0]?.taskId ?? "";
  };
  const statusOf = async (taskId: string) => (await s.client.tasks.getTask({ taskId })).task?.status;
  await until("the welcome", () => deaf.of("welcome").length === 1);
  deaf.pause();
  deaf.credit(10);
  // The first is read, the second one is stuck on its way.
  for (let n = 0; n < 2; n += 1) {
    const taskId = await create({ input });
    await until("it is assigned", async () => (await statusOf(taskId)) === TaskStatus.RUNNING);
  }
  deaf.end();
  await until("it drains, or is gone where all that it was assigned found room on the way", async () => {
    const { workers } = await s.client.workers.listWorkers({ kinds: [kind] });
    return workers.every(({ state }) => state === 2);
  });
  const late = await create();
  using other = connect("whole", kind, s.client);
  // Where the worker is gone, what it had may come before.
  other.credit(3);
  const assigned = () => other.assignments.find(({ task }) => task?.taskId === late);
  await until("the late one is assigned to the other worker", () => assigned() !== undefined);
  expect(assigned()?.attempt).toBe(1);
});

test("a worker that comes back in time goes on with what it had", async () => {
  const kind = newKind();
  using first = connect("back", kind);
  first.credit(1);
  const { ids } = await server.graph([{ key: "a", name: "a", kind }]);
  const held = await first.assigned(1);
  first.heartbeat(...held);
  first.break();
  await first.over();
  using second = connect("back", kind);
  second.heartbeat(...held);
  using _ = beat(second, first);
  const taskId = ids.a ?? "";
  const before = (await server.task(taskId)).leaseExpireTime?.seconds ?? 0n;
  await until("its lease is extended beyond twice the interval", async () => {
    return ((await server.task(taskId)).leaseExpireTime?.seconds ?? 0n) > before + 3n;
  });
  expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.RUNNING, attempt: 1 });
  second.report(held);
  await until("the success", async () => (await server.status(taskId)) === "SUCCESS");
});

test("a worker that stops reading gets no more work, and what it was not told of goes elsewhere", async () => {
  const kind = newKind();
  using deaf = connect("deaf", kind);
  await until("the welcome", () => deaf.of("welcome").length === 1);
  deaf.pause();
  // It lives, and says so.
  using _ = beat(deaf, { assignments: [] });
  deaf.credit(1_000);
  // The inputs of all are beyond what the connection and the server hold of them.
  const input = { kind: { case: "stringValue" as const, value: "x".repeat(500_000) } };
  const tasks = Array.from({ length: 25 }, (_, n) => ({ key: `t${n}`, name: "t", kind, input }));
  for (let n = 0; n < 4; n += 1) await server.graph(tasks);
  const look = async () => {
    const [row] = await server.query<{ running: number; told: number; claimed: number }>(
      `select count(*) filter (where h.status = 4)::integer running, count(*) filter (where h.attempt > h.released)::integer told, sum(h.attempt)::integer claimed
       from task_state h join queue q on q.id = h.queue where q.kind = $1`,
      [kind],
    );
    return row ?? { running: -1, told: -1, claimed: -1 };
  };
  await until("some are assigned", async () => (await look()).told > 0);
  await until("all of it is lost or given back", async () => (await look()).running === 0);
  const before = await look();
  expect(before.told).toBeLessThan(100);
  const heartbeats = async () =>
    (await server.client.workers.listWorkers({ kinds: [kind] })).workers[0]?.heartbeatTime?.seconds ?? 0n;
  const heard = await heartbeats();
  await until("it has been heard of for some time", async () => (await heartbeats()) > heard + 2n);
  expect(await look()).toEqual(before);
  using other = connect("hears", kind);
  using __ = beat(other);
  other.credit(1_000);
  await other.assigned(100);
});

test("no assignment is beyond the credit, whatever comes at the same time", async () => {
  const kind = newKind();
  using stream = connect("credit", kind);
  using _ = beat(stream);
  let [given, reported] = [0, 0];
  const total = 300;
  const { batchId } = await server.graph(
    Array.from({ length: total }, (_, n) => ({
      ...{ key: `t${n}`, name: "t", kind },
      ...(n >= 30 && { dependencies: [{ parent: { case: "key" as const, value: `t${n - 30}` } }] }),
    })),
  );
  await until("all succeed", async () => {
    const fresh = stream.assignments.slice(reported);
    expect(stream.assignments.length).toBeLessThanOrEqual(given);
    if (fresh.length > 0) stream.report(fresh);
    reported += fresh.length;
    const more = 1 + (given % 7);
    if (given - stream.assignments.length < 20) {
      given += more;
      stream.credit(more);
    }
    return reported === total;
  });
  await until("the batch ends", async () => (await server.stats(batchId)).SUCCESS === total);
});

test("a server that stops says so, takes reports, and ends the stream; the attempts stay the worker's for their leases", async () => {
  const kind = newKind();
  const other = await server.setup.another();
  using stream = connect("moves", kind, other.client);
  using idle = connect("idle", kind, other.client);
  using _ = beat(stream);
  stream.credit(2);
  const { ids } = await server.graph([
    { key: "a", name: "a", kind },
    { key: "b", name: "b", kind },
  ]);
  const [one, two] = await stream.assigned(2);
  if (one === undefined || two === undefined) throw new Error("two were assigned");
  const stopped = other.server.stop(10_000);
  await until("it is told", () => stream.of("drain").length === 1);
  const ended = await idle.over();
  expect(ended?.message).toContain("shutting down");
  stream.report([one]);
  await until("the result", () => stream.of("reportResults").length === 1);
  stream.end();
  expect(await stream.over()).toBeNull();
  await stopped;
  using again = connect("moves", kind);
  again.heartbeat(two);
  again.report([two]);
  await until("both succeed", async () => (await server.status(ids.b ?? "")) === "SUCCESS");
  expect((await server.task(two.task?.taskId ?? "")).attempt).toBe(1);
});

test("a cancellation by another server is told at once, and a stream at another server takes over", async () => {
  const kind = newKind();
  const other = await server.setup.another();
  using stream = connect("here", kind);
  using _ = beat(stream);
  stream.credit(1);
  const { ids } = await server.graph([{ key: "a", name: "a", kind }]);
  await stream.assigned(1);
  await other.client.tasks.cancelTasks({ taskIds: [ids.a ?? ""], reason: "elsewhere" });
  await until("the cancel", () => stream.of("cancel").length > 0);
  expect(stream.of("cancel")[0]?.reason).toBe("elsewhere");
  using there = connect("here", kind, other.client);
  using __ = beat(there);
  const error = await stream.over();
  expect(error?.message).toContain("another stream");
});

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { WorkerState } from "@millpond/sdk";
import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import { expectRefusal, newKind, sharedServer } from "./shared-server.ts";
import { WorkerStream } from "./worker-stream.ts";

const server = sharedServer();

function connect(workerId: string, kinds: string[], client = server.client): WorkerStream & Disposable {
  const stream = new WorkerStream(client, { workerId, kinds, slots: 7, labels: { zone: "a" } });
  return Object.assign(stream, { [Symbol.dispose]: () => stream.break() });
}

const list = async (kinds: string[], client = server.client) => (await client.workers.listWorkers({ kinds })).workers;

test("a connected worker is listed with what it runs, since when, and when it was heard of; not when it has gone", async () => {
  const kind = newKind();
  const stream = connect("streams", [kind, "other"]);
  await until("the welcome", () => stream.of("welcome").length === 1);
  stream.credit(3);
  const { ids, batchId } = await server.graph([
    { key: "a", name: "a", kind },
    { key: "b", name: "b", kind },
  ]);
  const [one, two] = await stream.assigned(2);
  if (one === undefined || two === undefined) throw new Error("two were assigned");
  const [worker, ...others] = await list([kind]);
  expect(others).toEqual([]);
  expect(worker).toMatchObject({
    ...{ workerId: "streams", kinds: [kind, "other"], labels: { zone: "a" }, slots: 7, state: WorkerState.ACTIVE },
  });
  expect(worker?.running.map(({ taskId }) => taskId).sort()).toEqual(Object.values(ids).sort());
  const attempt = worker?.running.find(({ taskId }) => taskId === one.task?.taskId);
  expect(attempt).toMatchObject({
    batchId,
    kind,
    attempt: 1,
    runTime: one.task?.runTime,
    leaseExpireTime: one.leaseExpireTime,
  });
  expect(worker?.connectTime?.seconds).toBeGreaterThan(0n);
  expect(worker?.heartbeatTime?.seconds).toBeGreaterThanOrEqual(worker?.connectTime?.seconds ?? 0n);

  stream.report([one]);
  await until("one is left", async () => (await list([kind]))[0]?.running.length === 1);
  stream.report([two]);
  stream.end();
  await stream.over();
  await until("it has gone", async () => (await list([kind])).length === 0);
});

test("a worker that claims without a stream is listed, too, with what it has been handed", async () => {
  const kind = newKind();
  await server.graph([
    { key: "a", name: "a", kind },
    { key: "b", name: "b", kind },
  ]);
  const claimed = await server.claim(kind, { max: 2, workerId: "claims", labels: { gpu: "1" } });
  expect(await list([kind])).toMatchObject([
    { workerId: "claims", kinds: [kind], labels: { gpu: "1" }, slots: 2, state: WorkerState.ACTIVE },
  ]);
  expect((await list([kind]))[0]?.running).toHaveLength(2);
  await server.succeed(...claimed);
  expect((await list([kind]))[0]?.running).toEqual([]);
});

test("every server lists the workers of all, and explains by them", async () => {
  const kind = newKind();
  const other = await server.setup.another();
  using stream = connect("elsewhere", [kind], other.client);
  await until("it is listed here", async () => (await list([kind])).length === 1);
  stream.credit(1);
  const { ids } = await server.graph([
    { key: "a", name: "a", kind },
    { key: "b", name: "b", kind },
  ]);
  await stream.assigned(1);
  await until("what it runs is listed here", async () => (await list([kind]))[0]?.running.length === 1);
  const waiting = (await list([kind]))[0]?.running[0]?.taskId === ids.a ? ids.b : ids.a;
  const { blockers } = await server.client.tasks.explainTask({ taskId: waiting ?? "" });
  expect(blockers.map(({ blocker }) => blocker.value)).toMatchObject([{ kind, kindCount: 1n, matchingCount: 1n }]);
  stream.send({ case: "drain", value: {} });
  await until("it is seen to drain", async () => (await list([kind]))[0]?.state === WorkerState.DRAINING);
});

test("a server that dies takes its workers along", async () => {
  const kind = newKind();
  await server.query(
    `insert into worker_presence (connect_time, heartbeat_time, expire_time, session, namespace_id, slots, state, streams, name, kinds, labels, running_ids, running_attempts)
     values (now(), now(), now() + interval '300 milliseconds', gen_random_uuid(), 1, 1, 1, true, 'orphan', array[$1], '{}', '{}', '{}')`,
    [kind],
  );
  expect(await list([kind])).toHaveLength(1);
  await until("it has expired", async () => (await list([kind])).length === 0);
  const answer = await server.claim(kind, { workerId: "orphan" });
  expect(answer).toEqual([]);
  await until("it is back", async () => (await list([kind])).length === 1);
});

test("pages go by name, and are bound to their filters", async () => {
  const kind = newKind();
  const names = ["ä", "a b", "B", "z", "10", "9"];
  for (const workerId of names) await server.claim(kind, { workerId });
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await server.client.workers.listWorkers({ kinds: [kind], pageSize: 2, pageToken });
    expect(page.workers.length).toBeLessThanOrEqual(2);
    seen.push(...page.workers.map(({ workerId }) => workerId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  const { nextPageToken } = await server.client.workers.listWorkers({ kinds: [kind], pageSize: 2 });
  const expected = { code: "InvalidArgument", reason: "PAGE_TOKEN_MISMATCH" } as const;
  await expectRefusal(server.client.workers.listWorkers({ pageToken: nextPageToken }), expected);
  await expectRefusal(server.client.workers.listWorkers({ kinds: [kind], pageToken: "nonsense" }), expected);
});

test("an extension of leases is a sign of life, and of what the worker has", async () => {
  const kind = newKind();
  const other = await server.setup.another();
  await server.graph([{ key: "a", name: "a", kind }]);
  const { assignments } = await other.client.workers.claimTasks({ workerId: "two", kinds: [kind], maxTasks: 1 });
  await server.claim(kind, { workerId: "two" });
  const leases = assignments.map(({ task, attempt }) => ({ taskId: task?.taskId ?? "", attempt }));
  await server.client.workers.extendLeases({ workerId: "two", leases, lease: durationFromMs(60_000) });
  const [worker] = await list([kind]);
  expect(worker?.running.map(({ taskId }) => taskId)).toEqual(leases.map(({ taskId }) => taskId));
});

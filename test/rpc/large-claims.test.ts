import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { TaskStatus, WorkerService } from "@millpond/sdk";
import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";

const large = fromJson(ValueSchema, "x".repeat(900 * 1024));
const count = 8;

test("a claim holds what fits in an answer that gRPC clients accept; the others may start at once and lose no attempt", async () => {
  await using server = await setup();
  const workers = createClient(
    WorkerService,
    createGrpcTransport({ baseUrl: server.url, readMaxBytes: 4 * 1024 * 1024 }),
  );
  const tasks = Array.from({ length: count }, (_, n) => ({ name: `t${n}`, kind: "k", input: large }));
  await server.client.tasks.createTasks({ tasks });
  const names: string[] = [];
  for (let n = 0; names.length < count; n += 1) {
    expect(n).toBeLessThan(count);
    const { assignments } = await workers.claimTasks({
      workerId: "w",
      kinds: ["k"],
      maxTasks: count,
      waitTimeout: { seconds: 30n },
    });
    expect(assignments.length).toBeGreaterThan(0);
    names.push(...assignments.map(({ task }) => task?.name ?? ""));
  }
  expect(names.toSorted()).toEqual(tasks.map(({ name }) => name));
});

test.each([
  { what: "many small tasks, from the queue", size: 1_000, characters: 3_000, perCall: 500 },
  { what: "some large tasks, as they are created", size: 110, characters: 20 * 1_024, perCall: 110 },
])("what is known of tasks without reading is measured in bytes: $what", async ({ size, characters, perCall }) => {
  await using server = await setup();
  const workers = createClient(
    WorkerService,
    createGrpcTransport({ baseUrl: server.url, readMaxBytes: 4 * 1024 * 1024 }),
  );
  const claim = () =>
    workers.claimTasks({ workerId: "w", kinds: ["k"], maxTasks: 1_000, waitTimeout: { seconds: 30n } });
  await server.client.tasks.createTasks({ tasks: [{ name: "first", kind: "k" }] });
  expect((await claim()).assignments).toHaveLength(1);
  const waiting = claim();
  await until("the claim waits", async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return /^millpond_claims_waiting 1$/m.test(text);
  });
  const input = fromJson(ValueSchema, "水".repeat(characters));
  const tasks = Array.from({ length: size }, (_, n) => ({ name: `t${n}`, kind: "k", input }));
  for (let from = 0; from < size; from += perCall) {
    await server.client.tasks.createTasks({ tasks: tasks.slice(from, from + perCall) });
  }
  const names = (await waiting).assignments.map(({ task }) => task?.name ?? "");
  while (names.length < size) {
    const { assignments } = await claim();
    expect(assignments.length).toBeGreaterThan(0);
    names.push(...assignments.map(({ task }) => task?.name ?? ""));
  }
  expect(names.toSorted()).toEqual(tasks.map(({ name }) => name).toSorted());
});

test("outputs of parents that are too large together are left out and say so", async () => {
  await using server = await setup();
  const { client } = server;
  const parents = Array.from({ length: count }, (_, n) => ({ key: `p${n}`, name: `p${n}`, kind: "p" }));
  const dependencies = parents.map(({ key }) => ({ parent: { case: "key" as const, value: key } }));
  const created = await client.tasks.createTasks({ tasks: [...parents, { name: "child", kind: "c", dependencies }] });
  await client.workers.claimTasks({ workerId: "w", kinds: ["p"], maxTasks: count });
  const reports = created.tasks
    .slice(0, count)
    .map(({ taskId }) => ({ taskId, report: { case: "success" as const, value: { output: large } } }));
  for (const report of reports) await client.tasks.reportTasks({ reports: [report] });
  const { assignments } = await client.workers.claimTasks({
    workerId: "w",
    kinds: ["c"],
    waitTimeout: { seconds: 30n },
  });
  const results = Object.values(assignments[0]?.parents ?? {});
  expect(results.map((parent) => parent.status)).toEqual(parents.map(() => TaskStatus.SUCCESS));
  expect(results.filter((parent) => parent.output !== undefined)).toHaveLength(4);
  expect(results.filter((parent) => parent.outputOmitted)).toHaveLength(count - 4);
});

test("children of large parents come in several claims, each with all that its parents left", async () => {
  await using server = await setup();
  const { client } = server;
  const parents = Array.from({ length: 6 }, (_, n) => ({ key: `p${n}`, name: `p${n}`, kind: "p" }));
  const children = Array.from({ length: 3 }, (_, n) => ({
    ...{ name: `c${n}`, kind: "c" },
    dependencies: [2 * n, 2 * n + 1].map((p) => ({ parent: { case: "key" as const, value: `p${p}` } })),
  }));
  const { tasks } = await client.tasks.createTasks({ tasks: [...parents, ...children] });
  await client.workers.claimTasks({ workerId: "w", kinds: ["p"], maxTasks: 6 });
  for (const { taskId } of tasks.slice(0, 6)) {
    await client.tasks.reportTasks({ reports: [{ taskId, report: { case: "success", value: { output: large } } }] });
  }
  const outputs: number[] = [];
  while (outputs.length < children.length) {
    const waitTimeout = { seconds: 30n };
    const { assignments } = await client.workers.claimTasks({ workerId: "w", kinds: ["c"], maxTasks: 3, waitTimeout });
    expect(assignments.length).toBeGreaterThan(0);
    for (const each of assignments) {
      outputs.push(Object.values(each.parents).filter((parent) => parent.output !== undefined).length);
    }
  }
  expect(outputs).toEqual([2, 2, 2]);
});

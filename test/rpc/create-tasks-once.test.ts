import { BatchStatus, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

let requests = 0;
function newRequestId(): string {
  requests += 1;
  return `request-${requests}`;
}

function pair(kind: string): TaskInit[] {
  return [
    { key: "b", name: "b", kind, dependencies: dependsOn("a") },
    { key: "a", name: "a", kind },
  ];
}

describe("request_id", () => {
  test("gets the first answer again, also when the graph has moved on", async () => {
    const kind = newKind();
    const request = { requestId: newRequestId(), tasks: pair(kind) };
    const first = await server.client.tasks.createTasks(request);
    expect(await server.client.tasks.createTasks(request)).toEqual(first);
    await server.succeed(await server.claimOne(kind));
    await server.succeed(await server.claimOne(kind));
    const again = await server.client.tasks.createTasks(request);
    expect(again).toEqual(first);
    const { tasks } = await server.client.tasks.listTasks({ kinds: [kind] });
    expect(tasks).toHaveLength(2);
  });

  test("holds for an open batch, in which the keys of the first call exist now", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([{ key: "root", name: "root", kind }], { open: true });
    const tasks = [...pair(kind), { key: "c", name: "c", kind, dependencies: dependsOn("root", "b") }];
    const request = { requestId: newRequestId(), target: { case: "batchId" as const, value: batchId }, tasks };
    const first = await server.client.tasks.createTasks(request);
    expect(await server.client.tasks.createTasks(request)).toEqual(first);
    await server.client.batches.sealBatch({ batchId });
    expect(await server.client.tasks.createTasks(request)).toEqual(first);
    expect((await server.client.batches.getBatch({ batchId })).batch?.stats?.total).toBe(4n);
  });

  test("with another body is REQUEST_ID_REUSED, also for another RPC", async () => {
    const kind = newKind();
    const requestId = newRequestId();
    const { batch } = await server.client.tasks.createTasks({ requestId, tasks: pair(kind) });
    const refusal = { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" } as const;
    const { metadata } = await expectRefusal(
      server.client.tasks.createTasks({ requestId, tasks: [{ name: "other", kind }] }),
      refusal,
    );
    expect(metadata).toEqual({ request_id: requestId });
    const batchId = batch?.batchId ?? "";
    await expectRefusal(server.client.batches.stopBatch({ requestId, batchId }), refusal);
    await expectRefusal(server.client.batches.sealBatch({ requestId, batchId }), refusal);
    await expectRefusal(server.client.tasks.cancelTasks({ requestId, taskIds: [batchId] }), refusal);
    expect((await server.client.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.ACTIVE);
  });

  test.each([false, true])("creates one graph for twelve concurrent calls (into an open batch: %s)", async (open) => {
    const kind = newKind();
    const { batchId } = await server.graph([], { open: true });
    const request = {
      requestId: newRequestId(),
      tasks: pair(kind),
      ...(open ? { target: { case: "batchId" as const, value: batchId } } : {}),
    };
    const answers = await Promise.all(Array.from({ length: 12 }, () => server.client.tasks.createTasks(request)));
    expect(new Set(answers.map(({ tasks }) => tasks.map(({ taskId }) => taskId).join()))).toHaveLength(1);
    const { tasks } = await server.client.tasks.listTasks({ kinds: [kind] });
    expect(tasks).toHaveLength(2);
  });

  test("of a call that was refused is free", async () => {
    const kind = newKind();
    const requestId = newRequestId();
    await expectRefusal(
      server.client.tasks.createTasks({ requestId, tasks: [{ name: "a", kind, dependencies: dependsOn("nobody") }] }),
      { code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY" },
    );
    expect((await server.client.tasks.createTasks({ requestId, tasks: pair(kind) })).tasks).toHaveLength(2);
  });

  test("of two servers is one: the other one answers what the first has answered", async () => {
    const kind = newKind();
    const other = await server.setup.another();
    const request = { requestId: newRequestId(), tasks: pair(kind) };
    const first = await server.client.tasks.createTasks(request);
    expect(await other.client.tasks.createTasks(request)).toEqual(first);
  });

  test("covers keys that two concurrent calls without a common request_id want: one of them is DUPLICATE_KEY", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([], { open: true });
    const calls = Array.from({ length: 8 }, () =>
      server.client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks: pair(kind) }),
    );
    const results = await Promise.allSettled(calls);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const [n, result] of results.entries()) {
      if (result.status === "fulfilled") continue;
      const refusal = { code: "InvalidArgument", reason: "DUPLICATE_KEY" } as const;
      const { metadata } = await expectRefusal(calls[n] ?? Promise.resolve(), refusal);
      expect(["a", "b"]).toContain(metadata.key);
    }
  });
});

describe("validate_only", () => {
  test("answers what would have been, with empty ids, and writes nothing", async () => {
    const kind = newKind();
    const before = await server.rows();
    const answer = await server.client.tasks.createTasks({
      ...{ requestId: newRequestId(), validateOnly: true },
      target: { case: "newBatch", value: { name: "dry", metadata: { a: 1 } } },
      tasks: [...pair(kind), { key: "j", name: "j", kind, execution: { case: "join", value: {} } }],
    });
    expect(answer.batch).toMatchObject({ batchId: "", name: "dry", stats: { total: 3n } });
    expect(answer.tasks).toMatchObject([
      { key: "b", taskId: "", status: TaskStatus.WAITING },
      { key: "a", taskId: "", status: TaskStatus.PENDING },
      { key: "j", taskId: "", status: TaskStatus.SUCCESS },
    ]);
    expect(await server.rows()).toEqual(before);
    expect(await server.claim(kind)).toEqual([]);
  });

  test("does not use up the request_id, into an open batch leaves that as it is", async () => {
    const kind = newKind();
    const requestId = newRequestId();
    const { batchId } = await server.graph([{ key: "root", name: "root", kind: `${kind}-r` }], { open: true });
    const request = { requestId, target: { case: "batchId" as const, value: batchId }, tasks: pair(kind) };
    const dry = await server.client.tasks.createTasks({ ...request, validateOnly: true });
    expect(dry).toMatchObject({ batch: { batchId, stats: { total: 3n } }, tasks: [{ taskId: "" }, { taskId: "" }] });
    expect((await server.client.batches.getBatch({ batchId })).batch?.stats?.total).toBe(1n);
    expect((await server.client.tasks.createTasks(request)).batch?.stats?.total).toBe(3n);
  });

  test("fails with what the call itself would fail with", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([{ key: "a", name: "a", kind }], { open: true });
    const into = { case: "batchId" as const, value: batchId };
    const dry = (tasks: TaskInit[]) => server.client.tasks.createTasks({ validateOnly: true, target: into, tasks });
    const before = await server.rows();
    await expectRefusal(dry([{ key: "a", name: "again", kind }]), {
      ...{ code: "InvalidArgument", reason: "DUPLICATE_KEY", fields: ["tasks[0].key"] },
    });
    await expectRefusal(dry([{ name: "b", kind, dependencies: dependsOn("z") }]), {
      ...{ code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY", fields: ["tasks[0].dependencies[0].key"] },
    });
    const missing = { parent: { case: "taskId" as const, value: batchId } };
    await expectRefusal(dry([{ name: "b", kind, dependencies: [missing] }]), {
      ...{ code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY", fields: ["tasks[0].dependencies[0].task_id"] },
    });
    await expectRefusal(
      server.client.tasks.createTasks({
        ...{ validateOnly: true, tasks: [{ name: "b", kind }] },
        target: { case: "batchId", value: ids.a ?? "" },
      }),
      { code: "NotFound", reason: "BATCH_NOT_FOUND" },
    );
    expect(await server.rows()).toEqual(before);
  });
});

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { NewBatchSchema } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { detailsOf, errorOf, postJson } from "./server-harness.ts";
import { expectRefusal, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

const taskId = "01900000-0000-7000-8000-000000000000";

let rows: Record<string, number> = {};
beforeAll(async () => {
  rows = await server.rows();
});
afterAll(async () => {
  expect(await server.rows()).toEqual(rows);
});

describe("an RPC of a later version", () => {
  const requests: Record<string, object> = {
    "TaskService/UpdateTask": { task: { taskId }, updateMask: "priority" },
    "TaskService/AddCounts": { counts: [{ taskId, success: 1 }] },
    "TaskService/PauseTasks": { taskIds: [taskId] },
    "TaskService/ResumeTasks": { taskIds: [taskId] },
    "TaskService/RetryTasks": { taskIds: [taskId] },
    "TaskService/ExplainTask": { taskId },
    "BatchService/PauseBatch": { batchId: taskId },
    "BatchService/ResumeBatch": { batchId: taskId },
    "BatchService/RetryBatch": { batchId: taskId },
    "BatchService/UpdateBatchRules": { batchId: taskId, kind: "k" },
    "BatchService/GetBatchGraph": { batchId: taskId },
    "BatchService/ListRuleUsage": {},
    "WorkerService/AppendLogs": { taskId, entries: [{ message: "line" }] },
    "WorkerService/ListLogs": { taskId },
    "WorkerService/ListWorkers": {},
    "DeliveryService/ListDeliveries": {},
    "DeliveryService/ReplayDeliveries": { deliveryIds: [taskId] },
  };
  const calls = Object.entries(requests).flatMap(([method, request]) => [
    [method, request],
    [method, {}],
  ]);
  test.each(calls)("%s answers UNIMPLEMENTED and says so, whatever it is sent", async (method, request) => {
    const { status, json } = await postJson(`${server.url}/millpond.v1.${method}`, JSON.stringify(request));
    expect([json.code, json.message]).toEqual(["unimplemented", expect.stringContaining(`millpond.v1.${method}`)]);
    expect(json.message).toContain("not of this version");
    expect(status).toBe(501);
    expect(json.details?.[0]?.debug).toMatchObject({ reason: "UNIMPLEMENTED", domain: "millpond" });
  });

  test("that streams answers it as the stream's end", async () => {
    async function* none() {}
    const calls = [
      server.client.tasks.uploadTasks(none()),
      server.client.tasks.streamCounts(none())[Symbol.asyncIterator]().next(),
      server.client.tasks.streamReports(none())[Symbol.asyncIterator]().next(),
      server.client.workers.work(none())[Symbol.asyncIterator]().next(),
    ];
    for (const error of await Promise.all(calls.map(errorOf))) {
      expect(error.code).toBe(12);
      expect(error.message).toContain("not of this version");
      expect(detailsOf(error).reason).toBe("UNIMPLEMENTED");
    }
  });
});

describe("a field of a later version", () => {
  const hook = { url: "http://example.com/" };
  const fields: [string, TaskInit][] = [
    ["execution_timeout", { executionTimeout: durationFromMs(1) }],
    ["total_timeout", { totalTimeout: durationFromMs(1) }],
    ["retry", { retry: { maxAttempts: 2 } }],
    ["rules", { rules: [{ rule: { case: "concurrency", value: { max: 1 } } } as never] }],
    ["dedupe", { dedupe: [{ kind: "k", fields: ["a"] }] }],
    ["on_success", { onSuccess: [hook] }],
    ["on_failure", { onFailure: [hook] }],
    ["on_cancel", { onCancel: [hook] }],
    ["critical", { critical: true }],
    ["only_for_dependents", { onlyForDependents: true }],
  ];
  test.each(fields)("%s is refused by name", async (name, field) => {
    const ok = { name: "n", kind: "k" };
    const error = await errorOf(server.client.tasks.createTasks({ tasks: [ok, { ...ok, ...field }] }));
    // What is not even valid is said first.
    if (error.code === 3) return expect(detailsOf(error).fields[0]).toContain(name);
    const { error: refused } = await expectRefusal(
      server.client.tasks.createTasks({ tasks: [ok, { ...ok, ...field }] }),
      {
        ...{ code: "Unimplemented", reason: "UNIMPLEMENTED", fields: [`tasks[1].${name}`] },
      },
    );
    expect(refused.message).toContain(`tasks[1].${name}`);
  });

  test("of a batch too", async () => {
    const fields: [string, MessageInitShape<typeof NewBatchSchema>][] = [
      ["paused", { paused: true }],
      ["on_complete", { onComplete: [hook] }],
    ];
    for (const [name, value] of fields) {
      await expectRefusal(server.client.tasks.createTasks({ target: { case: "newBatch", value } }), {
        ...{ code: "Unimplemented", reason: "UNIMPLEMENTED", fields: [`new_batch.${name}`] },
      });
    }
  });
});

import {
  BatchStatus,
  DependencyCondition,
  ErrorReason,
  FailureCause,
  type ReportResult,
  TaskStatus,
} from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

function outcome({ result }: ReportResult): string {
  if (result.case === "task") return TaskStatus[result.value.status];
  return result.case === "error" ? ErrorReason[result.value.reason] : "nothing";
}

const onFailure = (key: string) => ({
  parent: { case: "key" as const, value: key },
  condition: DependencyCondition.FAILURE,
});

describe("CancelTasks", () => {
  test("cancels what has not ended, per item, and tells the executor to stop", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "running", name: "1", kind },
      { key: "done", name: "2", kind },
      { key: "pending", name: "3", kind: `${kind}-p` },
      { key: "waiting", name: "4", kind, dependencies: dependsOn("running") },
      { key: "cleanup", name: "5", kind: `${kind}-c`, dependencies: [onFailure("running")] },
    ]);
    const [running, done] = await server.claim(kind, { max: 2 });
    if (running === undefined || done === undefined) throw new Error("too few");
    await server.succeed(done);
    const foreign = "01900000-0000-7000-8000-000000000000";
    const taskIds = [ids.done, foreign, ids.running, ids.pending, ids.pending].map((id) => id ?? "");
    const { results } = await server.client.tasks.cancelTasks({ taskIds, reason: "not needed" });
    expect(results.map(outcome)).toEqual(["TASK_ENDED", "TASK_NOT_FOUND", "CANCELED", "CANCELED", "CANCELED"]);
    expect(results[2]?.result.value).toMatchObject({ cancelReason: "not needed", attempt: 1 });
    expect(results[0]?.result.value).toMatchObject({
      currentStatus: TaskStatus.SUCCESS,
      metadata: { status: "SUCCESS" },
    });
    expect(await server.task(ids.running ?? "")).toMatchObject({
      status: TaskStatus.CANCELED,
      cancelReason: "not needed",
    });
    expect(await server.task(ids.waiting ?? "")).toMatchObject({
      ...{
        status: TaskStatus.FAILURE,
        failure: { cause: FailureCause.DEPENDENCY, message: expect.stringContaining("CANCELED") },
      },
    });
    expect(await server.status(ids.cleanup ?? "")).toBe("PENDING");
    expect(await server.claim(`${kind}-p`)).toEqual([]);
    const reported = await server.client.tasks.reportTasks({
      reports: [{ taskId: ids.running ?? "", attempt: 1, report: { case: "success", value: {} } }],
    });
    expect(reported.results[0]).toMatchObject({
      cancelRequested: true,
      result: { value: { reason: ErrorReason.TASK_ENDED } },
    });
    expect(await server.stats(batchId)).toEqual({ CANCELED: 2, FAILURE: 1, PENDING: 1, SUCCESS: 1 });
  });

  test("the last task of a batch ends it as CANCELED, unless one has failed", async () => {
    const kind = newKind();
    const canceled = await server.graph([{ key: "a", name: "a", kind }]);
    await server.client.tasks.cancelTasks({ taskIds: [canceled.ids.a ?? ""] });
    expect((await server.client.batches.getBatch({ batchId: canceled.batchId })).batch?.status).toBe(
      BatchStatus.CANCELED,
    );
    const mixed = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind, dependencies: dependsOn("a") },
    ]);
    await server.client.tasks.cancelTasks({ taskIds: [mixed.ids.a ?? ""] });
    expect((await server.client.batches.getBatch({ batchId: mixed.batchId })).batch?.status).toBe(BatchStatus.FAILURE);
  });

  test("with a request_id answers the same again, and TASK_ENDED without one", async () => {
    const { ids } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    const request = { requestId: `cancel-${ids.a}`, taskIds: [ids.a ?? ""], reason: "r" };
    const first = await server.client.tasks.cancelTasks(request);
    expect(await server.client.tasks.cancelTasks(request)).toEqual(first);
    const { results } = await server.client.tasks.cancelTasks({ taskIds: request.taskIds });
    expect(results.map(outcome)).toEqual(["TASK_ENDED"]);
    await expectRefusal(server.client.tasks.cancelTasks({ ...request, reason: "other" }), {
      ...{ code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    });
  });

  test("takes 1 to 1000 ids that are uuids", async () => {
    const refusal = { code: "InvalidArgument", reason: "INVALID_FIELD" } as const;
    const id = "01900000-0000-7000-8000-000000000000";
    await expectRefusal(server.client.tasks.cancelTasks({}), { ...refusal, fields: ["task_ids"] });
    await expectRefusal(server.client.tasks.cancelTasks({ taskIds: [id, "", "x"] }), {
      ...{ ...refusal, fields: ["task_ids[1]", "task_ids[2]"] },
    });
    await expectRefusal(server.client.tasks.cancelTasks({ taskIds: Array.from({ length: 1001 }, () => id) }), {
      ...{ ...refusal, fields: ["task_ids"] },
    });
    const { results } = await server.client.tasks.cancelTasks({ taskIds: Array.from({ length: 1000 }, () => id) });
    expect(new Set(results.map(outcome))).toEqual(new Set(["TASK_NOT_FOUND"]));
    expect(results).toHaveLength(1000);
  });
});

describe("StopBatch", () => {
  test("cancels everything that has not ended, and counts it by the status that it had", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph(
      [
        { key: "done", name: "1", kind },
        { key: "running", name: "2", kind },
        { key: "pending", name: "3", kind: `${kind}-p` },
        { key: "w1", name: "4", kind, dependencies: dependsOn("running") },
        { key: "w2", name: "5", kind, dependencies: dependsOn("w1") },
        { key: "cleanup", name: "6", kind, dependencies: [onFailure("running")] },
      ],
      { open: true },
    );
    const outside = await server.graph([
      {
        key: "x",
        name: "x",
        kind: `${kind}-x`,
        dependencies: [{ parent: { case: "taskId", value: ids.running ?? "" } }],
      },
    ]);
    const [done] = await server.claim(kind, { max: 2 });
    if (done !== undefined) await server.succeed(done);
    const stopped = await server.client.batches.stopBatch({ batchId });
    expect(stopped).toMatchObject({
      canceledByStatus: { RUNNING: 1n, PENDING: 1n, WAITING: 3n },
      alreadyEnded: 1n,
      batch: {
        status: BatchStatus.CANCELED,
        open: false,
        stopReason: "Batch stopped",
        stats: { byStatus: { SUCCESS: 1n, CANCELED: 5n } },
      },
    });
    expect(stopped.batch?.endTime).toBeDefined();
    expect(await server.task(ids.w2 ?? "")).toMatchObject({
      status: TaskStatus.CANCELED,
      cancelReason: "Batch stopped",
    });
    expect(await server.task(outside.ids.x ?? "")).toMatchObject({ status: TaskStatus.FAILURE });
    expect((await server.client.batches.getBatch({ batchId: outside.batchId })).batch?.status).toBe(
      BatchStatus.FAILURE,
    );
    await expectRefusal(
      server.client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks: [{ name: "n", kind }] }),
      { code: "FailedPrecondition", reason: "BATCH_SEALED" },
    );
  });

  test("leaves a batch that has ended as it is, the first reason included", async () => {
    const { batchId } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    const first = await server.client.batches.stopBatch({ batchId, reason: "budget" });
    const second = await server.client.batches.stopBatch({ batchId, reason: "again" });
    expect(second).toMatchObject({ canceledByStatus: {}, alreadyEnded: 1n, batch: { stopReason: "budget" } });
    expect(second.batch).toEqual(first.batch);
    const kind = newKind();
    const ended = await server.graph([{ key: "a", name: "a", kind }]);
    await server.succeed(await server.claimOne(kind));
    expect(await server.client.batches.stopBatch({ batchId: ended.batchId })).toMatchObject({
      ...{ alreadyEnded: 1n, batch: { status: BatchStatus.SUCCESS, stopReason: "" } },
    });
  });

  test("with a request_id answers the same again", async () => {
    const { batchId } = await server.graph([{ key: "a", name: "a", kind: newKind() }], { open: true });
    const request = { requestId: `stop-${batchId}`, batchId, reason: "why" };
    const first = await server.client.batches.stopBatch(request);
    expect(first.canceledByStatus).toEqual({ PENDING: 1n });
    expect(await server.client.batches.stopBatch(request)).toEqual(first);
    const seal = { requestId: `seal-${batchId}`, batchId };
    expect(await server.client.batches.sealBatch(seal)).toEqual(await server.client.batches.sealBatch(seal));
  });

  test("of two stops at once cancels each task once", async () => {
    const { batchId } = await server.graph(
      Array.from({ length: 30 }, (_, n) => ({ key: `${n}`, name: "t", kind: newKind() })),
    );
    const answers = await Promise.all([1, 2, 3, 4].map(() => server.client.batches.stopBatch({ batchId })));
    const canceled = answers.reduce((sum, { canceledByStatus }) => sum + (canceledByStatus.PENDING ?? 0n), 0n);
    expect(canceled).toBe(30n);
    expect(await server.stats(batchId)).toEqual({ CANCELED: 30 });
  });

  test("and SealBatch of a batch that does not exist are BATCH_NOT_FOUND with its id", async () => {
    const { ids } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    for (const batchId of ["01900000-0000-7000-8000-000000000000", ids.a ?? ""]) {
      const refusal = { code: "NotFound", reason: "BATCH_NOT_FOUND" } as const;
      for (const call of [
        () => server.client.batches.stopBatch({ batchId }),
        () => server.client.batches.sealBatch({ batchId }),
        () => server.client.batches.getBatch({ batchId }),
      ]) {
        expect((await expectRefusal(call(), refusal)).metadata).toEqual({ batch_id: batchId });
      }
    }
  });
});

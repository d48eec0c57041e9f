import type { MessageInitShape } from "@bufbuild/protobuf";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { timestampFromDate, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  BatchStatus,
  ErrorReason,
  FailureCause,
  type ReportResult,
  type ReportTasksRequestSchema,
  TaskStatus,
} from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

type ReportInit = NonNullable<MessageInitShape<typeof ReportTasksRequestSchema>["reports"]>[number];
type Said = NonNullable<ReportInit["report"]>;

const value = (json: JsonValue) => fromJson(ValueSchema, json);
const started: Said = { case: "started", value: {} };
const heartbeat: Said = { case: "heartbeat", value: {} };
const success: Said = { case: "success", value: {} };
const failure: Said = { case: "failure", value: {} };

async function report(...reports: ReportInit[]): Promise<ReportResult[]> {
  return (await server.client.tasks.reportTasks({ reports })).results;
}

/** What became of a report, in short: the status, or the reason. */
function outcome({ result }: ReportResult): string {
  if (result.case === "task") return TaskStatus[result.value.status];
  return result.case === "error" ? ErrorReason[result.value.reason] : "nothing";
}

async function taskIn(state: string): Promise<string> {
  const kind = newKind();
  const startTime = timestampFromDate(new Date(Date.now() + 3_600_000));
  const { ids } = await server.graph([
    { key: "root", name: "root", kind },
    { key: "later", name: "later", kind, startTime },
    { key: "child", name: "child", kind, dependencies: dependsOn("root") },
  ]);
  const root = ids.root ?? "";
  if (state === "WAITING") return ids.child ?? "";
  if (state === "delayed") return ids.later ?? "";
  if (state === "PENDING") return root;
  const attempt = await server.claimOne(kind);
  if (state === "SUCCESS") await server.succeed(attempt);
  if (state === "FAILURE") await server.fail(attempt);
  if (state === "CANCELED") await server.client.tasks.cancelTasks({ taskIds: [root] });
  return root;
}

describe("each report in each state", () => {
  const says: [string, Said][] = [
    ["started", started],
    ["heartbeat", heartbeat],
    ["success", success],
    ["failure", failure],
  ];
  const running: Record<string, string> = {
    started: "RUNNING",
    heartbeat: "RUNNING",
    success: "SUCCESS",
    failure: "FAILURE",
  };
  const states = ["WAITING", "PENDING", "delayed", "RUNNING", "SUCCESS", "FAILURE", "CANCELED"];

  test.each(states)("%s", async (state) => {
    for (const [name, said] of says) {
      for (const attempt of [0, 1, 2]) {
        const taskId = await taskIn(state);
        const before = await server.task(taskId);
        const [result] = await report({ taskId, attempt, report: said });
        const ended = ["SUCCESS", "FAILURE", "CANCELED"].includes(state);
        let expected = "ILLEGAL_TRANSITION";
        if (attempt !== 0 && attempt !== before.attempt) expected = "STALE_ATTEMPT";
        else if (ended) expected = "TASK_ENDED";
        else if (state === "RUNNING") expected = running[name] ?? "";
        expect([name, attempt, outcome(result as ReportResult)]).toEqual([name, attempt, expected]);
        if (result?.result.case !== "error") continue;
        const { currentStatus, metadata, message } = result.result.value;
        expect(currentStatus).toBe(before.status);
        expect(message).not.toBe("");
        if (expected === "STALE_ATTEMPT") expect(metadata).toMatchObject({ current_attempt: String(before.attempt) });
        if (expected === "TASK_ENDED") expect(metadata).toEqual({ status: state });
        if (expected === "ILLEGAL_TRANSITION") {
          expect(metadata).toEqual({ from: TaskStatus[before.status], to: running[name] });
        }
        expect(result.cancelRequested).toBe(state === "CANCELED" || expected === "STALE_ATTEMPT");
        expect(await server.task(taskId)).toEqual(before);
      }
    }
  });
});

describe("an accepted report", () => {
  test("answers the state of the task after the call, without what was given at its creation", async () => {
    const kind = newKind();
    await server.graph([{ key: "a", name: "a", kind, expectedCount: 3n, metadata: { m: 1 }, input: value("in") }]);
    const { task, attempt } = await server.claimOne(kind, { workerId: "worker-7" });
    const taskId = task?.taskId ?? "";
    const said: Said = { case: "failure", value: { message: "disk full", code: "E7", details: value({ at: 1 }) } };
    const [result] = await report({ taskId, attempt, report: said, addSuccessCount: 2n, addFailureCount: 1n });
    const whole = await server.task(taskId);
    expect(result?.result.value).toMatchObject({
      ...{ taskId, batchId: whole.batchId, kind, status: TaskStatus.FAILURE, attempt: 1, priority: 0 },
      ...{ successCount: 2n, failureCount: 1n, expectedCount: 3n, workerId: "worker-7", cancelReason: "" },
      failure: { cause: FailureCause.REPORTED, message: "disk full", code: "E7" },
      ...{ createTime: whole.createTime, claimTime: whole.claimTime, runTime: whole.runTime, endTime: whole.endTime },
      etag: whole.etag,
    });
    expect(result?.result.value).toMatchObject({ key: "", name: "", dependencies: [] });
    expect(whole.failure?.details).toEqual(value({ at: 1 }));
  });

  test("success carries an output to the children, of any shape", async () => {
    const kind = newKind();
    const output = { text: "a\u0000b \ud83d\ude00", list: [1, null, { x: true }], "": 0 };
    const { ids } = await server.graph([
      { key: "a", name: "a", kind },
      { name: "b", key: "b", kind: `${kind}-b`, dependencies: dependsOn("a") },
    ]);
    const { task } = await server.claimOne(kind);
    await report({ taskId: task?.taskId ?? "", report: { case: "success", value: { output: value(output) } } });
    const child = await server.claimOne(`${kind}-b`);
    expect(child.parents.a).toMatchObject({
      taskId: ids.a,
      key: "a",
      status: TaskStatus.SUCCESS,
      output: value(output),
    });
    expect((await server.task(ids.a ?? "")).output).toEqual(value(output));
  });

  test("a parent's key may be any text, also one that means something in JavaScript", async () => {
    const kind = newKind();
    const keys = ["__proto__", "constructor", "toString", "ключ", "a b/c"];
    await server.graph([
      ...keys.map((key) => ({ key, name: key, kind })),
      { key: "child", name: "child", kind: `${kind}-c`, dependencies: dependsOn(...keys) },
    ]);
    const attempts = await server.claim(kind, { max: 10 });
    await report(
      ...attempts.map(({ task }) => ({
        taskId: task?.taskId ?? "",
        report: { case: "success" as const, value: { output: value(task?.key ?? "") } },
      })),
    );
    const child = await server.claimOne(`${kind}-c`);
    expect(Object.keys(child.parents).sort()).toEqual([...keys].sort());
  });

  test("heartbeats show progress, and one without leaves it", async () => {
    const kind = newKind();
    await server.graph([{ key: "a", name: "a", kind }]);
    const { task } = await server.claimOne(kind);
    const taskId = task?.taskId ?? "";
    const before = await server.task(taskId);
    await report({ taskId, report: { case: "heartbeat", value: { progress: value({ done: 5 }) } } });
    await report({ taskId, report: heartbeat });
    const seen = await server.task(taskId);
    expect(seen.progress).toEqual(value({ done: 5 }));
    expect(seen.activityTime).not.toEqual(before.activityTime);
    await report({ taskId, report: { case: "heartbeat", value: { progress: value(null) } } });
    expect((await server.task(taskId)).progress).toEqual(value(null));
  });

  test("adds counts to the task and to its batch, in the same transaction", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([{ key: "a", name: "a", kind }]);
    const { task } = await server.claimOne(kind);
    const taskId = task?.taskId ?? "";
    await report(
      { taskId, report: started, addSuccessCount: 5n },
      { taskId, report: heartbeat, addFailureCount: 2n },
      { taskId, report: success, addSuccessCount: 1n },
    );
    expect(await server.task(taskId)).toMatchObject({ successCount: 6n, failureCount: 2n });
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect(batch?.stats).toMatchObject({ successCount: 6n, failureCount: 2n });
    const [late] = await report({ taskId, report: heartbeat, addSuccessCount: 100n });
    expect(outcome(late as ReportResult)).toBe("TASK_ENDED");
    expect((await server.task(taskId)).successCount).toBe(6n);
  });

  test("counts beyond 64 bits are refused, not an internal error", async () => {
    const kind = newKind();
    await server.graph([{ key: "a", name: "a", kind }]);
    const { task } = await server.claimOne(kind);
    const said = { taskId: task?.taskId ?? "", report: heartbeat, addSuccessCount: (1n << 63n) - 1n };
    await report(said);
    await expectRefusal(report(said), { code: "InvalidArgument", reason: "INVALID_FIELD" });
    expect(await server.status(said.taskId)).toBe("RUNNING");
  });
});

describe("a call with many reports", () => {
  test("answers per item in request order, and refused ones harm no other", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind },
      { key: "c", name: "c", kind, dependencies: dependsOn("b") },
    ]);
    await server.claim(kind, { max: 2 });
    const [a = "", b = "", c = ""] = [ids.a, ids.b, ids.c];
    const foreign = "01900000-0000-7000-8000-000000000000";
    const results = await report(
      { taskId: c, report: started },
      { taskId: foreign, report: success },
      { taskId: b, attempt: 7, report: success },
      { taskId: b, report: { case: "heartbeat", value: { progress: value("x".repeat(70_000)) } } },
      { taskId: b, report: success },
      { taskId: batchId, report: success },
      { taskId: a, report: failure },
      { taskId: b, report: failure },
    );
    expect(results.map(outcome)).toEqual([
      ...["ILLEGAL_TRANSITION", "TASK_NOT_FOUND", "STALE_ATTEMPT", "INVALID_FIELD", "SUCCESS"],
      ...["TASK_NOT_FOUND", "FAILURE", "TASK_ENDED"],
    ]);
    const unknown = results[1]?.result;
    expect(unknown?.case === "error" ? unknown.value.metadata : {}).toEqual({ task_id: foreign });
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 1, FAILURE: 1, PENDING: 1 });
  });

  test("takes several reports of one task in their order", async () => {
    const kind = newKind();
    await server.graph([{ key: "a", name: "a", kind }]);
    const { task } = await server.claimOne(kind);
    const taskId = task?.taskId ?? "";
    const results = await report(
      { taskId, report: started },
      { taskId, report: { case: "heartbeat", value: { progress: value(1) } } },
      { taskId, report: success },
      { taskId, report: failure },
      { taskId, report: success },
    );
    expect(results.map(outcome)).toEqual(["RUNNING", "RUNNING", "SUCCESS", "TASK_ENDED", "TASK_ENDED"]);
  });

  test("of a whole level ends the batch once, whoever comes last", async () => {
    const kind = newKind();
    const { batchId } = await server.graph(Array.from({ length: 40 }, (_, n) => ({ key: `t${n}`, name: "t", kind })));
    const attempts = await server.claim(kind, { max: 100 });
    expect(attempts).toHaveLength(40);
    await Promise.all(attempts.map((attempt) => server.succeed(attempt)));
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect(batch).toMatchObject({ status: BatchStatus.SUCCESS, stats: { byStatus: { SUCCESS: 40n } } });
    const events = await server.events(1 + 40 * 3 + 1, { batchIds: [batchId] });
    expect(
      events.filter(({ payload }) => payload.case === "batchStatusChanged" && payload.value.to === BatchStatus.SUCCESS),
    ).toHaveLength(1);
  });
});

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { BatchStatus, DependencyCondition, FailureCause, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, eventually, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const on = (key: string, condition: DependencyCondition) => ({
  parent: { case: "key" as const, value: key },
  condition,
});

describe("the order of listing", () => {
  test("is free: children may stand before their parents, and answers come in the order of the request", async () => {
    const kind = newKind();
    const answer = await server.client.tasks.createTasks({
      tasks: [
        { key: "c", name: "c", kind, dependencies: dependsOn("b", "a") },
        { key: "b", name: "b", kind, dependencies: dependsOn("a") },
        { key: "a", name: "a", kind },
      ],
    });
    expect(answer.tasks.map(({ key, status }) => [key, status])).toEqual([
      ["c", TaskStatus.WAITING],
      ["b", TaskStatus.WAITING],
      ["a", TaskStatus.PENDING],
    ]);
    const order: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const assignment = await server.claimOne(kind);
      order.push(assignment.task?.key ?? "");
      expect(await server.claim(kind)).toEqual([]);
      await server.succeed(assignment);
    }
    expect(order).toEqual(["a", "b", "c"]);
    const { batch } = await server.client.batches.getBatch({ batchId: answer.batch?.batchId ?? "" });
    expect(batch?.status).toBe(BatchStatus.SUCCESS);
  });

  test("a task shows its parents by id, in the order that was given, with their conditions", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      {
        key: "z",
        name: "z",
        kind,
        dependencies: [on("y", DependencyCondition.COMPLETED), on("x", DependencyCondition.UNSPECIFIED)],
      },
      { key: "x", name: "x", kind },
      { key: "y", name: "y", kind },
    ]);
    const { dependencies } = await server.task(ids.z ?? "");
    expect(dependencies.map(({ parent, condition }) => [parent.value, condition])).toEqual([
      [ids.y, DependencyCondition.COMPLETED],
      [ids.x, DependencyCondition.SUCCESS],
    ]);
  });
});

describe("joins", () => {
  test("without parents succeed at once, and so does a chain of them: the batch has ended when the call answers", async () => {
    const kind = newKind();
    const { batch, tasks } = await server.client.tasks.createTasks({
      tasks: [
        { key: "c", name: "c", kind, execution: { case: "join", value: {} }, dependencies: dependsOn("b") },
        { key: "b", name: "b", kind, execution: { case: "join", value: {} }, dependencies: dependsOn("a") },
        { key: "a", name: "a", kind, execution: { case: "join", value: {} } },
      ],
    });
    expect(tasks.map(({ status }) => status)).toEqual([TaskStatus.SUCCESS, TaskStatus.SUCCESS, TaskStatus.SUCCESS]);
    expect(batch?.status).toBe(BatchStatus.SUCCESS);
    expect(batch?.stats?.byStatus).toEqual({ SUCCESS: 3n });
    const root = await server.task(tasks[2]?.taskId ?? "");
    expect(root).toMatchObject({ attempt: 0, execution: { case: "join" } });
    expect(root.endTime).toBeDefined();
  });

  test("succeed with the report that meets their last dependency, and are never handed to a worker", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "j", name: "j", kind, execution: { case: "join", value: {} }, dependencies: dependsOn("a", "b") },
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind },
      { key: "c", name: "c", kind, dependencies: dependsOn("j") },
    ]);
    const attempts = await server.claim(kind, { max: 10 });
    expect(attempts.map(({ task }) => task?.key).sort()).toEqual(["a", "b"]);
    await server.succeed(...attempts);
    expect(await server.status(ids.j ?? "")).toBe("SUCCESS");
    expect((await server.claim(kind, { max: 10 })).map(({ task }) => task?.key)).toEqual(["c"]);
  });

  test("wait for their start_time", async () => {
    const kind = newKind();
    const startTime = timestampFromDate(new Date(Date.now() + 1_500));
    const { ids } = await server.graph([
      { key: "j", name: "j", kind, startTime, execution: { case: "join", value: {} } },
    ]);
    const id = ids.j ?? "";
    expect(await server.status(id)).toBe("PENDING");
    const task = await eventually(async () => {
      const task = await server.task(id);
      return task.status === TaskStatus.SUCCESS ? task : undefined;
    }, "the join");
    expect(task.endTime?.seconds).toBeGreaterThanOrEqual(startTime.seconds);
    expect(task.startTime).toEqual(expect.objectContaining({ seconds: startTime.seconds }));
  });
});

describe("conditions", () => {
  const outcomes: [
    parent: "success" | "failure",
    condition: DependencyCondition,
    policy: UnmetPolicy,
    child: string,
  ][] = [
    ["success", DependencyCondition.SUCCESS, UnmetPolicy.UNSPECIFIED, "PENDING"],
    ["failure", DependencyCondition.SUCCESS, UnmetPolicy.UNSPECIFIED, "FAILURE"],
    ["failure", DependencyCondition.SUCCESS, UnmetPolicy.FAIL, "FAILURE"],
    ["failure", DependencyCondition.SUCCESS, UnmetPolicy.SKIP, "SKIPPED"],
    ["success", DependencyCondition.COMPLETED, UnmetPolicy.UNSPECIFIED, "PENDING"],
    ["failure", DependencyCondition.COMPLETED, UnmetPolicy.UNSPECIFIED, "PENDING"],
    ["success", DependencyCondition.FAILURE, UnmetPolicy.UNSPECIFIED, "SKIPPED"],
    ["success", DependencyCondition.FAILURE, UnmetPolicy.SKIP, "SKIPPED"],
    ["success", DependencyCondition.FAILURE, UnmetPolicy.FAIL, "FAILURE"],
    ["failure", DependencyCondition.FAILURE, UnmetPolicy.UNSPECIFIED, "PENDING"],
  ];
  test("decide what becomes of the child, whether the parent ends before or after it is created", async () => {
    const kind = newKind();
    for (const [how, condition, unmetPolicy, expected] of outcomes) {
      const { batchId, ids } = await server.graph(
        [
          { key: "parent", name: "parent", kind },
          { key: "child", name: "child", kind: `${kind}-child`, unmetPolicy, dependencies: [on("parent", condition)] },
        ],
        { open: true },
      );
      const attempt = await server.claimOne(kind);
      await (how === "success" ? server.succeed(attempt) : server.fail(attempt));
      const late = await server.client.tasks.createTasks({
        target: { case: "batchId", value: batchId },
        tasks: [{ name: "late", kind: `${kind}-child`, unmetPolicy, dependencies: [on("parent", condition)] }],
      });
      const what = `${how} ${DependencyCondition[condition]} ${UnmetPolicy[unmetPolicy]}`;
      expect([what, await server.status(ids.child ?? "")]).toEqual([what, expected]);
      expect([what, TaskStatus[late.tasks[0]?.status ?? 0]]).toEqual([what, expected]);
      for (const id of [ids.child, late.tasks[0]?.taskId]) {
        const { failure } = await server.task(id ?? "");
        if (expected !== "FAILURE") expect(failure).toBeUndefined();
        else {
          expect(failure?.cause).toBe(FailureCause.DEPENDENCY);
          expect(failure?.message).toContain('"parent"');
        }
      }
    }
  });

  test("a skipped parent skips children of SUCCESS and FAILURE edges and lets those of COMPLETED ones start", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "root", name: "root", kind },
      { key: "skipped", name: "s", kind: "none", dependencies: [on("root", DependencyCondition.FAILURE)] },
      { key: "success", name: "1", kind: "none", dependencies: dependsOn("skipped") },
      { key: "failure", name: "2", kind: "none", dependencies: [on("skipped", DependencyCondition.FAILURE)] },
      { key: "completed", name: "3", kind: "none", dependencies: [on("skipped", DependencyCondition.COMPLETED)] },
      { key: "deep", name: "4", kind: "none", dependencies: dependsOn("success", "completed") },
    ]);
    await server.succeed(await server.claimOne(kind));
    const statuses = await Promise.all(
      ["skipped", "success", "failure", "completed", "deep"].map((key) => server.status(ids[key] ?? "")),
    );
    expect(statuses).toEqual(["SKIPPED", "SKIPPED", "SKIPPED", "PENDING", "WAITING"]);
  });
});

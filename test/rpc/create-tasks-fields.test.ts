import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ErrorReason, UnmetPolicy } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { errorOf } from "./server-harness.ts";
import { dependsOn, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

describe("what a task is created with", () => {
  test("is shown as it was given, with the defaults where nothing was", async () => {
    const kind = newKind();
    const metadata = {
      s: "ü",
      n: 1.5,
      b: true,
      nothing: null,
      list: [1, "two", { three: [3] }],
      deep: { er: { x: [] } },
    };
    const given = {
      ...{ key: "k", name: "n", kind, metadata, priority: -7, expectedCount: 12n, unmetPolicy: UnmetPolicy.SKIP },
      ...{ startTimeout: durationFromMs(1_500), inactivityTimeout: durationFromMs(2_500) },
      execution: { case: "worker" as const, value: { requiredLabels: { zone: "a" } } },
    };
    const { ids } = await server.graph([given, { key: "plain", name: "plain", kind }]);
    const task = await server.task(ids.k ?? "");
    expect(task).toMatchObject(given);
    expect(await server.task(ids.plain ?? "")).toMatchObject({
      ...{
        priority: 0,
        attempt: 0,
        dependencies: [],
        unmetPolicy: UnmetPolicy.UNSPECIFIED,
        execution: { case: "worker" },
      },
      ...{ startTimeout: durationFromMs(30_000), inactivityTimeout: durationFromMs(60_000) },
    });
    expect((await server.task(ids.plain ?? "")).expectedCount).toBeUndefined();
  });

  test("timeouts of zero are the defaults", async () => {
    const { ids } = await server.graph([
      {
        key: "a",
        name: "a",
        kind: newKind(),
        startTimeout: durationFromMs(0),
        inactivityTimeout: durationFromMs(0),
        executionTimeout: durationFromMs(0),
        totalTimeout: durationFromMs(0),
      },
    ]);
    expect(await server.task(ids.a ?? "")).toMatchObject({
      ...{ startTimeout: durationFromMs(30_000), inactivityTimeout: durationFromMs(60_000) },
    });
  });

  test("expected counts are summed up in the batch, where there are any", async () => {
    const kind = newKind();
    const { batchId } = await server.graph(
      [
        { key: "a", name: "a", kind, expectedCount: 5n },
        { key: "b", name: "b", kind },
      ],
      { open: true },
    );
    const more = await server.client.tasks.createTasks({
      target: { case: "batchId", value: batchId },
      tasks: [{ name: "c", kind, expectedCount: 7n }],
    });
    expect(more.batch?.stats?.expectedCount).toBe(12n);
    const none = await server.graph([{ key: "a", name: "a", kind }]);
    expect(
      (await server.client.batches.getBatch({ batchId: none.batchId })).batch?.stats?.expectedCount,
    ).toBeUndefined();
    const most = { kind, expectedCount: (1n << 63n) - 1n };
    await expectRefusal(
      server.client.tasks.createTasks({
        tasks: [
          { name: "x", ...most },
          { name: "y", ...most },
        ],
      }),
      { code: "InvalidArgument", reason: "INVALID_FIELD" },
    );
  });

  test("a start_time in the future holds a task back until then", async () => {
    const kind = newKind();
    const startTime = timestampFromDate(new Date(Date.now() + 1_500));
    const { ids } = await server.graph([
      { key: "later", name: "later", kind, startTime },
      { key: "past", name: "past", kind, startTime: timestampFromDate(new Date(Date.now() - 60_000)) },
    ]);
    expect((await server.claim(kind, { max: 5 })).map(({ task }) => task?.key)).toEqual(["past"]);
    expect(await server.status(ids.later ?? "")).toBe("PENDING");
    const [later] = await server.claim(kind, { waitMs: 10_000 });
    expect(later?.task?.key).toBe("later");
    expect(later?.task?.claimTime?.seconds).toBeGreaterThanOrEqual(startTime.seconds);
    expect(later?.task?.startTime?.seconds).toBe(startTime.seconds);
  });
});

test("10,000 tasks are one call; 10,001 are refused", async () => {
  const kind = newKind();
  const tasks = Array.from({ length: 10_000 }, (_, n) => ({
    ...{ key: `t${n}`, name: `task ${n}`, kind },
    dependencies: n === 0 ? [] : dependsOn("t0"),
  }));
  const created = await server.client.tasks.createTasks({ tasks });
  expect(created.tasks).toHaveLength(10_000);
  expect(created.batch?.stats).toMatchObject({ total: 10_000n, byStatus: { PENDING: 1n, WAITING: 9_999n } });
  await server.succeed(await server.claimOne(kind));
  expect(await server.stats(created.batch?.batchId ?? "")).toEqual({ SUCCESS: 1, PENDING: 9_999 });
  const error = await errorOf(server.client.tasks.createTasks({ tasks: [...tasks, { name: "one more", kind }] }));
  expect(error.message).toContain("tasks");
  await expectRefusal(server.client.tasks.createTasks({ tasks: [...tasks, { name: "one more", kind }] }), {
    ...{ code: "InvalidArgument", reason: ErrorReason[ErrorReason.INVALID_FIELD], fields: ["tasks"] },
  });
});

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { FailureCause, type TaskSchema, TaskStatus } from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { controlServer, task } from "./control-server.ts";
import { dependsOn, eventually, newKind, type TaskInit } from "./shared-server.ts";

const { server } = controlServer();

/** Changes a timeout of a task; what is named and not given returns to its default. */
async function update(
  taskId: string | undefined,
  paths: string[],
  given: Omit<MessageInitShape<typeof TaskSchema>, "$typeName"> = {},
): Promise<void> {
  await server.client.tasks.updateTask({ task: { ...given, taskId: taskId ?? "" }, updateMask: { paths } });
}

const failed = async (taskId: string | undefined, what: string) =>
  eventually(async () => {
    const found = await server.task(taskId ?? "");
    return found.status === TaskStatus.FAILURE ? FailureCause[found.failure?.cause ?? 0] : undefined;
  }, what);

describe("timeouts that are edited are in force at once", () => {
  const running = async (more: TaskInit = {}): Promise<string> => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind, more)]);
    await server.claimOne(kind, { lease: { seconds: 600n } });
    return ids.a ?? "";
  };

  test("shorter ones fire: inactivity, execution, total", async () => {
    const taskIds = await Promise.all([running(), running(), running()]);
    const startedAt = Date.now();
    await update(taskIds[0], ["inactivity_timeout"], { inactivityTimeout: durationFromMs(300) });
    await update(taskIds[1], ["execution_timeout"], { executionTimeout: durationFromMs(300) });
    await update(taskIds[2], ["total_timeout"], { totalTimeout: durationFromMs(300) });
    expect(await Promise.all(taskIds.map((id) => failed(id, "a timeout")))).toEqual([
      ...["INACTIVITY_TIMEOUT", "EXECUTION_TIMEOUT", "TOTAL_TIMEOUT"],
    ]);
    expect(Date.now() - startedAt).toBeLessThan(20_000);
  });

  test("longer ones, and those that are taken away, do not fire at the old time", async () => {
    const short = durationFromMs(3_000);
    const taskIds = await Promise.all([
      ...[
        running({ inactivityTimeout: short }),
        running({ executionTimeout: short }),
        running({ totalTimeout: short }),
      ],
      ...[
        running({ inactivityTimeout: short }),
        running({ executionTimeout: short }),
        running({ totalTimeout: short }),
      ],
    ]);
    const marker = await running({ executionTimeout: durationFromMs(3_500) });
    const long = durationFromMs(60_000);
    await Promise.all([
      update(taskIds[0], ["inactivity_timeout"], { inactivityTimeout: long }),
      update(taskIds[1], ["execution_timeout"], { executionTimeout: long }),
      update(taskIds[2], ["total_timeout"], { totalTimeout: long }),
      update(taskIds[3], ["inactivity_timeout"]),
      update(taskIds[4], ["execution_timeout"]),
      update(taskIds[5], ["total_timeout"]),
    ]);
    // What was due later has been looked at: so have those that would have been due before.
    expect(await failed(marker, "the marker")).toBe("EXECUTION_TIMEOUT");
    expect(await Promise.all(taskIds.map((id) => server.status(id)))).toEqual(Array(6).fill("RUNNING"));
  });

  test("count from where the old ones did: editing is no sign of life", async () => {
    const taskId = await running({
      inactivityTimeout: durationFromMs(1_500),
      executionTimeout: durationFromMs(60_000),
    });
    const { activityTime, runTime } = await server.task(taskId);
    const startedAt = Date.now();
    let edits = 0;
    while ((await server.status(taskId)) === "RUNNING" && Date.now() - startedAt < 10_000) {
      edits += 1;
      await update(taskId, ["inactivity_timeout"], { inactivityTimeout: durationFromMs(1_500 + edits) }).catch(
        () => {},
      );
      expect((await server.task(taskId)).activityTime).toEqual(activityTime);
    }
    expect(await failed(taskId, "the timeout")).toBe("INACTIVITY_TIMEOUT");
    expect((await server.task(taskId)).runTime).toEqual(runTime);
  });

  test("of a task whose start call is being made: start_timeout", async () => {
    const target = await startReceiver(() => {});
    onTestFinished(() => target[Symbol.asyncDispose]());
    const { ids, batchId } = await server.graph([
      task("a", newKind(), { execution: { case: "onStart", value: { url: target.url } } }),
    ]);
    await eventually(async () => ((await server.status(ids.a ?? "")) === "CLAIMED" ? true : undefined), "a call");
    await update(ids.a, ["start_timeout"], { startTimeout: durationFromMs(200) });
    await eventually(async () => ((await server.task(ids.a ?? "")).attempt > 1 ? true : undefined), "a second attempt");
    await server.client.batches.stopBatch({ batchId });
  });

  test("of one that waits, is held or has not started: total_timeout", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("pending", kind),
      task("waiting", kind, { dependencies: dependsOn("pending") }),
      task("paused", kind),
    ]);
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    for (const key of ["waiting", "paused", "pending"])
      await update(ids[key], ["total_timeout"], { totalTimeout: durationFromMs(100) });
    for (const key of ["waiting", "paused", "pending"]) expect(await failed(ids[key], key)).toBe("TOTAL_TIMEOUT");
  });

  test("of one that runs again: total_timeout counts from then", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind)]);
    await server.fail(await server.claimOne(kind));
    const madeAt = Date.now();
    await eventually(async () => (Date.now() - madeAt > 1_200 ? true : undefined), "some time");
    const retriedAt = Date.now();
    await server.client.tasks.retryTasks({ taskIds: [ids.a ?? ""] });
    await update(ids.a, ["total_timeout"], { totalTimeout: durationFromMs(1_000) });
    expect(await failed(ids.a, "the timeout")).toBe("TOTAL_TIMEOUT");
    expect(Date.now() - retriedAt).toBeGreaterThan(900);
  });
});

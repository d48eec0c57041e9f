import { BatchStatus, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

describe("parents by task_id", () => {
  test("may be waiting, running, ended, of another batch, and are counted like any other", async () => {
    const kind = newKind();
    const first = await server.graph([
      { key: "ended", name: "ended", kind },
      { key: "running", name: "running", kind: `${kind}-r` },
    ]);
    await server.succeed(await server.claimOne(kind));
    const running = await server.claimOne(`${kind}-r`);
    const second = await server.graph([
      {
        ...{ key: "child", name: "child", kind: `${kind}-c` },
        dependencies: [first.ids.ended, first.ids.running].map((id) => ({
          parent: { case: "taskId", value: id ?? "" },
        })),
      },
    ]);
    expect(await server.status(second.ids.child ?? "")).toBe("WAITING");
    await server.succeed(running);
    expect(await server.status(second.ids.child ?? "")).toBe("PENDING");
    const child = await server.claimOne(`${kind}-c`);
    expect(Object.keys(child.parents).sort()).toEqual([first.ids.ended, first.ids.running].sort());
    expect(child.parents[first.ids.ended ?? ""]).toMatchObject({ key: "ended", status: TaskStatus.SUCCESS });
  });

  test("that do not exist are UNKNOWN_DEPENDENCY with the field and the name", async () => {
    const { ids } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    // Another task of the same database would have another check part.
    const forged = (ids.a ?? "").replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    for (const value of [forged, "01900000-0000-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000"]) {
      const { metadata } = await expectRefusal(
        server.client.tasks.createTasks({
          tasks: [
            { name: "ok", kind: "k" },
            {
              name: "b",
              kind: "k",
              dependencies: [{ parent: { case: "taskId", value: ids.a ?? "" } }, { parent: { case: "taskId", value } }],
            },
          ],
        }),
        { code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY", fields: ["tasks[1].dependencies[1].task_id"] },
      );
      expect(metadata).toEqual({ dependency: value });
    }
  });
});

describe("an open batch", () => {
  test("grows with tasks that depend on its earlier ones by key, and does not end before SealBatch", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([{ key: "a", name: "a", kind }], { open: true });
    await server.succeed(await server.claimOne(kind));
    expect((await server.client.batches.getBatch({ batchId })).batch).toMatchObject({
      status: BatchStatus.ACTIVE,
      open: true,
    });
    const more = await server.client.tasks.createTasks({
      target: { case: "batchId", value: batchId },
      tasks: [
        { key: "c", name: "c", kind, dependencies: dependsOn("b", "a") },
        { key: "b", name: "b", kind, dependencies: dependsOn("a") },
      ],
    });
    expect(more.batch).toMatchObject({ batchId, open: true, stats: { total: 3n } });
    const b = await server.claimOne(kind);
    expect(b.task?.key).toBe("b");
    expect(b.parents).toEqual({ a: expect.objectContaining({ taskId: ids.a }) });
    await server.succeed(b);
    await server.succeed(await server.claimOne(kind));
    const sealed = await server.client.batches.sealBatch({ batchId });
    expect(sealed.batch).toMatchObject({ status: BatchStatus.SUCCESS, open: false });
    expect((await server.client.batches.sealBatch({ batchId })).batch).toMatchObject({
      status: BatchStatus.SUCCESS,
      open: false,
    });
    await expectRefusal(
      server.client.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks: [{ name: "d", kind }] }),
      { code: "FailedPrecondition", reason: "BATCH_SEALED" },
    );
  });

  test("that is sealed while tasks run ends with the last of them", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([{ key: "a", name: "a", kind }], { open: true });
    expect((await server.client.batches.sealBatch({ batchId })).batch).toMatchObject({
      status: BatchStatus.ACTIVE,
      open: false,
    });
    await server.succeed(await server.claimOne(kind));
    expect((await server.client.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.SUCCESS);
  });

  test("a batch that was never open takes no more tasks, and one that does not exist is BATCH_NOT_FOUND", async () => {
    const { batchId } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    const add = (value: string) =>
      server.client.tasks.createTasks({ target: { case: "batchId", value }, tasks: [{ name: "b", kind: "k" }] });
    await expectRefusal(add(batchId), { code: "FailedPrecondition", reason: "BATCH_SEALED" });
    const other = "01900000-0000-7000-8000-000000000000";
    const { metadata } = await expectRefusal(add(other), { code: "NotFound", reason: "BATCH_NOT_FOUND" });
    expect(metadata).toEqual({ batch_id: other });
  });

  test("a batch without tasks ends at once, an open one waits to be sealed", async () => {
    const empty = await server.client.tasks.createTasks({});
    expect(empty).toMatchObject({ batch: { status: BatchStatus.SUCCESS, stats: { total: 0n } }, tasks: [] });
    expect(empty.batch?.endTime).toBeDefined();
    const open = await server.client.tasks.createTasks({ target: { case: "newBatch", value: { open: true } } });
    expect(open.batch).toMatchObject({ status: BatchStatus.ACTIVE, open: true });
    const batchId = open.batch?.batchId ?? "";
    expect((await server.client.batches.sealBatch({ batchId })).batch?.status).toBe(BatchStatus.SUCCESS);
  });
});

import { BatchStatus, ErrorReason, errorReason, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { dependsOn, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const onTask = (taskId: string | undefined) => ({ parent: { case: "taskId" as const, value: taskId ?? "" } });
const statusOf = (taskId: string | undefined) => server.status(taskId ?? "");
const batchOf = async (batchId: string) => (await server.client.batches.getBatch({ batchId })).batch;
const cancel = (taskId: string | undefined) => server.client.tasks.cancelTasks({ taskIds: [taskId ?? ""] });
/** The number that the database has for a task of a batch of one kind. */
const rowOf = async (kind: string, key: string): Promise<string> => {
  const rows = await server.query<{ id: string }>(
    "select t.id::text from task t join queue q on q.id = t.queue where q.kind = $1 and t.key = $2",
    [kind, key],
  );
  return rows[0]?.id ?? "";
};

const failOne = `select from mp_report(array[$1::bigint], array[1], array[4::smallint], array[null], array[1::smallint], array['no'], array[null],
  array[null], array[null], array[0::bigint], array[0::bigint], array[false], array[null::bigint], array[null])`;
const critical = (kind: string) =>
  server.graph([
    { key: "c", name: "1", kind, critical: true },
    { key: "other", name: "2", kind: `${kind}-p` },
  ]);

/** What a server leaves that dies between the commit of a change and what follows from it in a transaction of its own. */
describe.concurrent("of a server that died after its commit", () => {
  test("the stop of a critical task's batch is made by another", async () => {
    const kind = newKind();
    const { batchId, ids } = await critical(kind);
    await server.claimOne(kind);
    await server.query(failOne, [await rowOf(kind, "c")]);
    await until("the batch is stopped", async () => (await statusOf(ids.other)) === "CANCELED");
    expect(await batchOf(batchId)).toMatchObject({
      ...{ status: BatchStatus.CANCELED, stopReason: 'critical task "c" failed' },
    });
  });

  test("the stop is not made once the task runs again", async () => {
    const kind = newKind();
    const { batchId, ids } = await critical(kind);
    await server.claimOne(kind);
    const id = await rowOf(kind, "c");
    await withClient(server.setup.database.url, async (client) => {
      await client.query("begin");
      await client.query(failOne, [id]);
      await client.query("select from mp_retry(1, null, null, array[$1::bigint], null, false)", [id]);
      await client.query("commit");
    });
    await until("nothing is left to do", async () => (await server.query("select from follow_up")).length === 0);
    expect([await statusOf(ids.c), await statusOf(ids.other)]).toEqual(["PENDING", "PENDING"]);
    expect(await batchOf(batchId)).toMatchObject({ status: BatchStatus.ACTIVE, stopReason: "" });
  });

  test("the cancellation of what nothing needs any more is made by another, upward", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "top", name: "1", kind, onlyForDependents: true },
      { key: "middle", name: "2", kind, onlyForDependents: true, dependencies: dependsOn("top") },
      { key: "leaf", name: "3", kind, dependencies: dependsOn("middle") },
    ]);
    await server.query("select from mp_cancel_tasks(1, null, null, array[$1::bigint], 'no')", [
      await rowOf(kind, "leaf"),
    ]);
    await until("the top is canceled", async () => (await statusOf(ids.top)) === "CANCELED");
    expect(await statusOf(ids.middle)).toBe("CANCELED");
  });
});

describe("the answer of CreateTasks shows", () => {
  const failed = async () => {
    const kind = newKind();
    const { ids } = await server.graph([{ key: "a", name: "a", kind }]);
    await server.fail(await server.claimOne(kind));
    return ids.a;
  };

  test("the batch stopped by a critical task that failed as it was created", async () => {
    const kind = newKind();
    const parent = await failed();
    const answer = await server.client.tasks.createTasks({
      tasks: [
        { key: "c", name: "1", kind, critical: true, dependencies: [onTask(parent)] },
        { key: "other", name: "2", kind },
      ],
    });
    const batch = await batchOf(answer.batch?.batchId ?? "");
    expect(batch).toMatchObject({ status: BatchStatus.CANCELED, stopReason: 'critical task "c" failed' });
    expect(answer.batch).toEqual(batch);
    expect(answer.tasks.map(({ status }) => TaskStatus[status])).toEqual(["FAILURE", "CANCELED"]);
  });

  test("a task canceled that nothing needs, because its dependent failed as it was created", async () => {
    const kind = newKind();
    const parent = await failed();
    const answer = await server.client.tasks.createTasks({
      tasks: [
        { key: "p", name: "1", kind, onlyForDependents: true },
        { key: "c", name: "2", kind, dependencies: [onTask(parent), ...dependsOn("p")] },
      ],
    });
    expect(await statusOf(answer.tasks[0]?.taskId)).toBe("CANCELED");
    expect(answer.tasks.map(({ status }) => TaskStatus[status])).toEqual(["CANCELED", "FAILURE"]);
    expect(answer.batch).toEqual(await batchOf(answer.batch?.batchId ?? ""));
  });
});

describe("on two servers at once", () => {
  test("a task that nothing needs is canceled or gets its late dependent, never both", async () => {
    const other = await server.setup.another();
    const kind = newKind();
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const { ids } = await server.graph([
          { key: "p", name: "1", kind, onlyForDependents: true },
          { key: "c", name: "2", kind, dependencies: dependsOn("p") },
        ]);
        const late = { tasks: [{ name: "3", kind, dependencies: [onTask(ids.p)] }] };
        const [created] = await Promise.all([other.client.tasks.createTasks(late), cancel(ids.c)]);
        return `${await statusOf(ids.p)} ${await statusOf(created.tasks[0]?.taskId)}`;
      }),
    );
    for (const outcome of outcomes) expect(["PENDING WAITING", "CANCELED FAILURE"]).toContain(outcome);
  });

  test("a batch that a critical task stops takes new tasks before, and none after", async () => {
    const other = await server.setup.another();
    const kinds = Array.from({ length: 20 }, newKind);
    const outcomes = await Promise.all(
      kinds.map(async (kind) => {
        const { batchId } = await server.graph([{ key: "c", name: "1", kind, critical: true }], { open: true });
        const claimed = await server.claimOne(kind);
        const target = { case: "batchId", value: batchId } as const;
        const growing = other.client.tasks.createTasks({ target, tasks: [{ name: "2", kind: `${kind}-p` }] });
        const [grown] = await Promise.allSettled([growing, server.fail(claimed)]);
        const batch = await batchOf(batchId);
        expect(batch).toMatchObject({ status: BatchStatus.CANCELED, open: false });
        if (grown.status === "fulfilled") return statusOf(grown.value.tasks[0]?.taskId);
        const reason = errorReason(grown.reason);
        return typeof reason === "number" ? ErrorReason[reason] : reason;
      }),
    );
    for (const outcome of outcomes) expect(["CANCELED", "BATCH_SEALED"]).toContain(outcome);
  });

  test("critical tasks of many batches that bring each other down stop all of them", async () => {
    const other = await server.setup.another();
    const kind = newKind();
    // A ring of batches: each has a critical task that runs, and one that depends on a task of the batch before it.
    const first = await server.graph([
      { key: "c", name: "c", kind, critical: true },
      { key: "tail", name: "t", kind: `${kind}-p` },
    ]);
    const batches = [first];
    for (let n = 1; n < 8; n += 1) {
      const before = batches.at(-1)?.ids.tail;
      batches.push(
        await server.graph([
          { key: "c", name: "c", kind, critical: true },
          { key: "down", name: "d", kind, critical: true, dependencies: [onTask(before)] },
          { key: "tail", name: "t", kind: `${kind}-p` },
        ]),
      );
    }
    const attempts = await server.claim(kind, { max: 8 });
    await Promise.all(
      attempts.map(({ task, attempt }, n) =>
        (n % 2 === 0 ? server.client : other.client).tasks.reportTasks({
          reports: [{ taskId: task?.taskId ?? "", attempt, report: { case: "failure", value: { message: "no" } } }],
        }),
      ),
    );
    for (const { batchId } of batches) expect((await batchOf(batchId))?.status).toBe(BatchStatus.CANCELED);
  });
});

test("the tables are consistent after all of it", () => checkInvariants(server.setup.database.url));

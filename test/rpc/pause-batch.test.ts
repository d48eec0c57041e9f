import { BatchStatus, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { openTransaction } from "../engine/open-transaction.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { controlServer, foreignId, join, movesOf, task } from "./control-server.ts";
import { dependsOn, eventually, expectRefusal, newKind, type TaskInit } from "./shared-server.ts";

const { server, ask } = controlServer();

const many = (count: number, kind: string, more: TaskInit = {}): TaskInit[] =>
  Array.from({ length: count }, (_, n) => task(`t${n}`, kind, more));

const pauseBatch = async (batchId: string) => (await server.client.batches.pauseBatch({ batchId })).batch;
const resumeBatch = async (batchId: string) => (await server.client.batches.resumeBatch({ batchId })).batch;
async function batchMoves(batchId: string, count: number): Promise<string[]> {
  return eventually(async () => {
    const { events } = await server.client.events.listEvents({ filter: { batchIds: [batchId] }, pageSize: 1000 });
    const moves = movesOf(events.filter(({ payload }) => payload.case === "batchStatusChanged"));
    return moves.length >= count ? moves.map((move) => move.replace("batch ", "")) : undefined;
  }, `${count} events of the batch`);
}

describe("a paused batch", () => {
  test("starts nothing, for nobody, however long a claim waits; resumed it wakes who waits", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([task("a", kind), task("b", kind, { priority: 1 })]);
    expect(await pauseBatch(batchId)).toMatchObject({
      status: BatchStatus.PAUSED,
      stats: { byStatus: { PENDING: 2n } },
    });
    expect(await server.claim(kind, { waitMs: 400 })).toEqual([]);
    expect(await server.status(ids.a ?? "")).toBe("PENDING");
    const claiming = server.claim(kind, { max: 2, waitMs: 20_000 });
    expect(await resumeBatch(batchId)).toMatchObject({ status: BatchStatus.ACTIVE });
    expect((await claiming).map(({ task }) => task?.key)).toEqual(["b", "a"]);
    expect(await batchMoves(batchId, 3)).toEqual(["UNSPECIFIED > ACTIVE", "ACTIVE > PAUSED", "PAUSED > ACTIVE"]);
  });

  test("that no claim has met before it is resumed goes on, too; on another server as well", async () => {
    const kind = newKind();
    const { batchId } = await server.graph(many(3, kind));
    await pauseBatch(batchId);
    const other = await server.setup.another();
    expect((await other.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 3 })).assignments).toEqual(
      [],
    );
    const claiming = server.claim(kind, { max: 3, waitMs: 20_000 });
    await other.client.batches.resumeBatch({ batchId });
    expect(await claiming).toHaveLength(3);
  });

  test("calls no start webhook", async () => {
    await using target = await startReceiver((response) => response.writeHead(202).end());
    const onStart: TaskInit = { execution: { case: "onStart", value: { url: target.url } } };
    const [kind, marker] = [newKind(), newKind()];
    const held = await server.graph([task("a", kind, onStart)], { paused: true });
    const free = await server.graph([task("marker", marker, onStart)]);
    await eventually(
      async () => ((await server.status(free.ids.marker ?? "")) === "RUNNING" ? true : undefined),
      "a call",
    );
    expect(target.calls.map(({ headers }) => headers["x-task-id"])).toEqual([free.ids.marker]);
    expect(await server.task(held.ids.a ?? "")).toMatchObject({ status: TaskStatus.PENDING, attempt: 0 });
    await resumeBatch(held.batchId);
    await eventually(
      async () => ((await server.status(held.ids.a ?? "")) === "RUNNING" ? true : undefined),
      "the call",
    );
    expect(target.calls).toHaveLength(2);
  });

  test("lets what runs go on: its children are PENDING then, and do not start", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("running", kind),
      task("child", kind, { dependencies: dependsOn("running") }),
      task("join", kind, { ...join, dependencies: dependsOn("running") }),
    ]);
    const running = await server.claimOne(kind);
    await pauseBatch(batchId);
    const { results } = await server.client.tasks.reportTasks({
      reports: [{ taskId: ids.running ?? "", attempt: 1, report: { case: "heartbeat", value: {} } }],
    });
    expect(results[0]).toMatchObject({ cancelRequested: false, result: { case: "task" } });
    await server.succeed(running);
    expect(await server.status(ids.child ?? "")).toBe("PENDING");
    // Joins do no work: they are not held.
    expect(await server.status(ids.join ?? "")).toBe("SUCCESS");
    expect(await server.claim(kind, { waitMs: 300 })).toEqual([]);
    expect(await server.stats(batchId)).toEqual({ PENDING: 1, SUCCESS: 2 });
    await resumeBatch(batchId);
    expect(await server.claim(kind)).toHaveLength(1);
  });

  test("holds back what a failure would repeat, and what a lost lease gives back", async () => {
    const kind = newKind();
    const retry = { maxAttempts: 2, initialBackoff: { seconds: 0n }, jitter: 0 };
    const { batchId, ids } = await server.graph([task("a", kind, { retry, priority: 1 }), task("b", kind)]);
    const [a] = await server.claim(kind);
    await server.claim(kind, { lease: { seconds: 1n } });
    await pauseBatch(batchId);
    if (a !== undefined) await server.fail(a);
    const isPending = async () => ((await server.status(ids.b ?? "")) === "PENDING" ? true : undefined);
    await eventually(isPending, "the lease to be lost");
    expect(await server.claim(kind, { max: 2, waitMs: 300 })).toEqual([]);
    await resumeBatch(batchId);
    expect((await server.claim(kind, { max: 2 })).map(({ attempt }) => attempt)).toEqual([2, 2]);
  });

  test("ends while it is paused, when its last task ends; then it neither pauses nor resumes", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([task("a", kind)]);
    const running = await server.claimOne(kind);
    await pauseBatch(batchId);
    await server.succeed(running);
    expect(await batchMoves(batchId, 3)).toEqual(["UNSPECIFIED > ACTIVE", "ACTIVE > PAUSED", "PAUSED > SUCCESS"]);
    for (const [to, call] of Object.entries({ PAUSED: pauseBatch, ACTIVE: resumeBatch })) {
      const refusal = { code: "FailedPrecondition", reason: "ILLEGAL_TRANSITION" } as const;
      expect((await expectRefusal(call(batchId), refusal)).metadata).toEqual({ from: "SUCCESS", to });
    }
    expect(
      await server.query("select from paused_batch join batch_state using (batch_id) where end_time is not null"),
    ).toEqual([]);
  });

  test("ends by StopBatch and by CancelTasks of all; what it held is gone from the queues", async () => {
    const kind = newKind();
    for (const how of ["stop", "cancel"]) {
      const { batchId, ids } = await server.graph([task("a", kind), task("b", kind)], { paused: true });
      expect(await server.claim(kind)).toEqual([]);
      await server.client.tasks.pauseTasks({ taskIds: [ids.b ?? ""] });
      if (how === "stop") {
        const stopped = await server.client.batches.stopBatch({ batchId, reason: "why" });
        expect(stopped).toMatchObject({ canceledByStatus: { PENDING: 1n, PAUSED: 1n }, alreadyEnded: 0n });
        expect(stopped.batch).toMatchObject({ status: BatchStatus.CANCELED, stopReason: "why" });
      } else await server.client.tasks.cancelTasks({ taskIds: Object.values(ids) });
      expect(await batchMoves(batchId, 2)).toEqual(["UNSPECIFIED > PAUSED", "PAUSED > CANCELED"]);
    }
    expect(await server.query("select from parked p join task_state h on h.id = p.id where h.status > 5")).toEqual([]);
    expect(await server.claim(kind, { waitMs: 200 })).toEqual([]);
  });

  test("takes tasks when it is open, and starts them when it is resumed; sealed and empty it ends", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([], { open: true, paused: true });
    const target = { case: "batchId" as const, value: batchId };
    const grown = await server.client.tasks.createTasks({ target, tasks: [task("a", kind), task("j", kind, join)] });
    expect(grown.batch).toMatchObject({ status: BatchStatus.PAUSED, open: true });
    expect(grown.tasks.map(({ status }) => TaskStatus[status])).toEqual(["PENDING", "SUCCESS"]);
    expect(await server.claim(kind, { waitMs: 300 })).toEqual([]);
    const sealed = await server.client.batches.sealBatch({ batchId });
    expect(sealed.batch).toMatchObject({ status: BatchStatus.PAUSED, open: false });
    await resumeBatch(batchId);
    await server.succeed(await server.claimOne(kind));
    expect(await ask.statusOfBatch(batchId)).toBe("SUCCESS");
    const empty = await server.graph([], { open: true, paused: true });
    await server.client.batches.sealBatch({ batchId: empty.batchId });
    expect(await batchMoves(empty.batchId, 3)).toEqual(["UNSPECIFIED > PAUSED", "PAUSED > PAUSED", "PAUSED > SUCCESS"]);
  });

  test("keeps paused what is paused itself when it is resumed, and holds what is resumed while it is paused", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([task("a", kind), task("b", kind)], { paused: true });
    const taskIds = [ids.a ?? ""];
    await server.client.tasks.pauseTasks({ taskIds: Object.values(ids) });
    await server.client.tasks.resumeTasks({ taskIds });
    expect(await server.stats(batchId)).toEqual({ PENDING: 1, PAUSED: 1 });
    expect(await server.claim(kind, { waitMs: 200 })).toEqual([]);
    await resumeBatch(batchId);
    expect((await server.claim(kind, { max: 2 })).map(({ task }) => task?.key)).toEqual(["a"]);
    expect(await server.status(ids.b ?? "")).toBe("PAUSED");
  });
});

describe("PauseBatch and ResumeBatch", () => {
  test("twice leave the batch as it is, without an event", async () => {
    const { batchId } = await server.graph([task("a", newKind())]);
    expect((await resumeBatch(batchId))?.status).toBe(BatchStatus.ACTIVE);
    const first = await pauseBatch(batchId);
    expect(await pauseBatch(batchId)).toEqual(first);
    const second = await resumeBatch(batchId);
    expect(await resumeBatch(batchId)).toEqual(second);
    expect(first?.etag).not.toBe(second?.etag);
    await server.client.batches.stopBatch({ batchId });
    expect(await batchMoves(batchId, 4)).toEqual([
      ...["UNSPECIFIED > ACTIVE", "ACTIVE > PAUSED", "PAUSED > ACTIVE", "ACTIVE > CANCELED"],
    ]);
  });

  test("of a batch that does not exist are BATCH_NOT_FOUND with its id", async () => {
    for (const call of [pauseBatch, resumeBatch]) {
      const { metadata } = await expectRefusal(call(foreignId), { code: "NotFound", reason: "BATCH_NOT_FOUND" });
      expect(metadata).toEqual({ batch_id: foreignId });
      await expectRefusal(call("x"), { code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["batch_id"] });
    }
  });

  test("with a request_id answer the same again, on any server, and do nothing", async () => {
    const { batchId } = await server.graph([task("a", newKind())]);
    const other = (await server.setup.another()).client;
    const asked = { requestId: `hold-${batchId}`, batchId };
    const first = await server.client.batches.pauseBatch(asked);
    await resumeBatch(batchId);
    expect(await other.batches.pauseBatch(asked)).toEqual(first);
    expect(await ask.statusOfBatch(batchId)).toBe("ACTIVE");
    const reuse = { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" } as const;
    const another = await server.graph([task("b", newKind())]);
    await expectRefusal(other.batches.pauseBatch({ ...asked, batchId: another.batchId }), reuse);
    await expectRefusal(other.batches.resumeBatch(asked), reuse);
    const again = { requestId: `resume-${batchId}`, batchId };
    expect(await other.batches.resumeBatch(again)).toEqual(await server.client.batches.resumeBatch(again));
  });
});

describe("what is held hides nothing", () => {
  test("thousands of urgent tasks of a paused batch before others of the same kind", async () => {
    const kind = newKind();
    const held = await server.graph(many(3_000, kind, { priority: 500 }));
    await pauseBatch(held.batchId);
    const free = await server.graph(many(5, kind, { priority: -5 }));
    const claimed = await server.claim(kind, { max: 10 });
    expect(claimed.map(({ task }) => task?.batchId)).toEqual(Array(5).fill(free.batchId));
    expect(await server.stats(held.batchId)).toEqual({ PENDING: 3_000 });
    await resumeBatch(held.batchId);
    expect((await server.claim(kind, { max: 1000 })).map(({ task }) => task?.batchId)).toEqual(
      Array(1000).fill(held.batchId),
    );
    await server.client.batches.stopBatch({ batchId: held.batchId });
  });

  test("nothing of a paused batch starts while claims that have not ended hold the first tasks of the queue", async () => {
    const kind = newKind();
    const free = await server.graph(many(1_200, kind));
    const held = await server.graph(many(10, kind));
    await pauseBatch(held.batchId);
    await using others = await openTransaction(server.setup.database.url);
    const queue = "(select h.queue from task_state h order by h.id desc limit 1)";
    for (const max of [1000, 200])
      await others.query(`select mp_claim(array[${queue}], ${max}, array[1], array[600000])`);
    // What the others hold is passed over: the next in the queue are of the batch that is held.
    expect((await server.claim(kind, { max: 5 })).map(({ task }) => task?.batchId)).toEqual([]);
    expect(await server.stats(held.batchId)).toEqual({ PENDING: 10 });
    await others[Symbol.asyncDispose]();
    await server.client.batches.stopBatch({ batchId: held.batchId });
    await server.client.batches.stopBatch({ batchId: free.batchId });
  });
});

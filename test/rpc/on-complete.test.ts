import { createServer } from "node:http";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, type Delivery, DeliveryState, DeliveryTrigger, DependencyCondition } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

async function receiver(): Promise<Receiver> {
  const started = await startReceiver((response) => response.end());
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

const statusOf = async (batchId: string) =>
  BatchStatus[(await server.client.batches.getBatch({ batchId })).batch?.status ?? 0];
const onTask = (taskId: string | undefined) => ({ parent: { case: "taskId" as const, value: taskId ?? "" } });

/** The deliveries of the ends of a batch, oldest first. */
async function told(batchId: string): Promise<Delivery[]> {
  const { deliveries } = await server.client.deliveries.listDeliveries({ batchId });
  return deliveries.filter(({ trigger }) => trigger === DeliveryTrigger.BATCH_COMPLETE).reverse();
}

/** A way in which a batch may end: makes one with these options and ends it; answers its id and how it ended. */
type Way = (options: { onComplete: { url: string }[] }) => Promise<readonly [batchId: string, status: string]>;

const ways: Record<string, Way> = {
  "its only task succeeds": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph([{ name: "a", kind }], options);
    await server.succeed(await server.claimOne(kind));
    return [batchId, "SUCCESS"];
  },
  "its last two tasks end in one call": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph(
      [
        { name: "a", kind },
        { name: "b", kind },
      ],
      options,
    );
    await server.fail(...(await server.claim(kind, { max: 2 })));
    return [batchId, "FAILURE"];
  },
  "its last task is canceled": async (options) => {
    const { batchId, ids } = await server.graph([{ key: "a", name: "a", kind: newKind() }], options);
    await server.client.tasks.cancelTasks({ taskIds: [ids.a ?? ""] });
    return [batchId, "CANCELED"];
  },
  "its last task is skipped": async (options) => {
    const kind = newKind();
    const parent = { case: "key", value: "a" } as const;
    const dependencies = [{ parent, condition: DependencyCondition.FAILURE }];
    const tasks: TaskInit[] = [
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind, dependencies },
    ];
    const { batchId } = await server.graph(tasks, options);
    await server.succeed(await server.claimOne(kind));
    return [batchId, "SUCCESS"];
  },
  "its last task is brought down by one of another batch": async (options) => {
    const kind = newKind();
    const other = await server.graph([{ key: "a", name: "a", kind }]);
    const { batchId } = await server.graph(
      [
        { key: "b", name: "b", kind, dependencies: [onTask(other.ids.a)] },
        { key: "c", name: "c", kind, dependencies: dependsOn("b") },
      ],
      options,
    );
    await server.fail(await server.claimOne(kind));
    return [batchId, "FAILURE"];
  },
  "its only task is brought down as it is created": async (options) => {
    const kind = newKind();
    const other = await server.graph([{ key: "a", name: "a", kind }]);
    await server.fail(await server.claimOne(kind));
    const { batchId } = await server.graph([{ name: "b", kind, dependencies: [onTask(other.ids.a)] }], options);
    return [batchId, "FAILURE"];
  },
  "its last task is a join": async (options) => {
    const join = { execution: { case: "join", value: {} } } as const;
    const { batchId } = await server.graph([{ name: "j", kind: "join", ...join }], options);
    return [batchId, "SUCCESS"];
  },
  "the total timeout of its last task runs out": async (options) => {
    const task = { name: "a", kind: newKind(), totalTimeout: durationFromMs(20) };
    const { batchId } = await server.graph([task], options);
    await eventually(async () => ((await statusOf(batchId)) === "ACTIVE" ? undefined : true), "the end");
    return [batchId, "FAILURE"];
  },
  "it is closed and empty": async (options) => {
    const { batchId } = await server.graph([], options);
    return [batchId, "SUCCESS"];
  },
  "it is closed, empty and held": async (options) => {
    const { batchId } = await server.graph([], { ...options, paused: true });
    return [batchId, "SUCCESS"];
  },
  "it is open, empty, and sealed": async (options) => {
    const { batchId } = await server.graph([], { ...options, open: true });
    expect(await told(batchId)).toEqual([]);
    await server.client.batches.sealBatch({ batchId });
    await server.client.batches.sealBatch({ batchId });
    return [batchId, "SUCCESS"];
  },
  "it is sealed after its last task": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph([{ name: "a", kind }], { ...options, open: true });
    await server.fail(await server.claimOne(kind));
    expect(await told(batchId)).toEqual([]);
    await server.client.batches.sealBatch({ batchId });
    return [batchId, "FAILURE"];
  },
  "it is stopped, twice": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph(
      [
        { name: "a", kind },
        { name: "b", kind },
      ],
      options,
    );
    await server.client.batches.stopBatch({ batchId });
    await server.client.batches.stopBatch({ batchId });
    return [batchId, "CANCELED"];
  },
  "it is stopped while it is held, open and empty": async (options) => {
    const { batchId } = await server.graph([], { ...options, open: true, paused: true });
    await server.client.batches.stopBatch({ batchId });
    return [batchId, "CANCELED"];
  },
  "all of its tasks are duplicates": async (options) => {
    const kind = newKind();
    const task = { name: "a", kind, metadata: { x: 1 }, dedupe: [{ kind, fields: ["x"] }] };
    await server.graph([task]);
    const { batchId } = await server.graph([task, task], options);
    return [batchId, "SUCCESS"];
  },
  "its last task ends while it is held": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph([{ name: "a", kind }], options);
    const claimed = await server.claimOne(kind);
    await server.client.batches.pauseBatch({ batchId });
    await server.succeed(claimed);
    return [batchId, "SUCCESS"];
  },
  "its critical task fails": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph(
      [
        { name: "a", kind, critical: true },
        { name: "b", kind: `${kind}-p` },
      ],
      options,
    );
    await server.fail(await server.claimOne(kind));
    return [batchId, "CANCELED"];
  },
  "its critical task fails, which is its last": async (options) => {
    const kind = newKind();
    const { batchId } = await server.graph([{ name: "a", kind, critical: true }], options);
    await server.fail(await server.claimOne(kind));
    return [batchId, "FAILURE"];
  },
  "nothing needs its last task any more": async (options) => {
    const { batchId, ids } = await server.graph(
      [{ key: "a", name: "a", kind: newKind(), onlyForDependents: true }],
      options,
    );
    const child = await server.graph([{ key: "b", name: "b", kind: newKind(), dependencies: [onTask(ids.a)] }]);
    await server.client.batches.stopBatch({ batchId: child.batchId });
    return [batchId, "CANCELED"];
  },
};

test.each(Object.entries(ways))("on_complete is called once when %s", async (_, end) => {
  const target = await receiver();
  const [batchId, status] = await end({ onComplete: [{ url: `${target.url}?of=end` }] });
  expect(await statusOf(batchId)).toBe(status);
  // The rows are written with the end itself.
  expect(await told(batchId)).toHaveLength(1);
  const delivered = await eventually(async () => {
    const deliveries = await told(batchId);
    return deliveries.every(({ state }) => state === DeliveryState.DELIVERED) ? deliveries : undefined;
  }, "the delivery");
  expect(delivered).toHaveLength(1);
  expect(delivered[0]).toMatchObject({ taskId: "", batchId, url: `${target.url}?of=end`, attemptCount: 1 });
  expect(target.calls).toHaveLength(1);
  expect(JSON.parse(target.calls[0]?.body ?? "")).toMatchObject({
    ...{ batchId, batchStatusChanged: { to: `BATCH_STATUS_${status}` } },
  });
  expect(target.calls[0]?.headers).toMatchObject({ "x-task-trigger": "batch_complete" });
});

test("on_complete is called again for each end of a batch that runs again, and not for a retry that changes nothing", async () => {
  const target = await receiver();
  const kind = newKind();
  const { batchId } = await server.graph([{ name: "a", kind }], { onComplete: [{ url: target.url }] });
  await server.fail(await server.claimOne(kind));
  expect((await server.client.batches.retryBatch({ batchId })).retriedCount).toBe(1n);
  expect(await told(batchId)).toHaveLength(1);
  await server.succeed(await server.claimOne(kind));
  expect(await told(batchId)).toHaveLength(2);
  expect((await server.client.batches.retryBatch({ batchId })).retriedCount).toBe(0n);
  expect(await statusOf(batchId)).toBe("SUCCESS");
  expect(await told(batchId)).toHaveLength(2);
  await eventually(async () => (target.calls.length === 2 ? true : undefined), "two calls");
  const said = target.calls.map(({ body }) => JSON.parse(body).batchStatusChanged.to).toSorted();
  expect(said).toEqual(["BATCH_STATUS_FAILURE", "BATCH_STATUS_SUCCESS"]);
});

test("a join that runs again and succeeds at once ends its batch again", async () => {
  const target = await receiver();
  const join = { execution: { case: "join", value: {} } } as const;
  const { batchId, ids } = await server.graph([{ key: "j", name: "j", kind: "join", ...join }], {
    onComplete: [{ url: target.url }],
  });
  await server.client.tasks.retryTasks({ taskIds: [ids.j ?? ""] });
  expect(await statusOf(batchId)).toBe("SUCCESS");
  expect(await told(batchId)).toHaveLength(2);
});

test("each webhook of on_complete is a delivery of its own", async () => {
  const target = await receiver();
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const address = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  const nobody = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
  const onComplete = [{ url: nobody }, ...["1", "2", "3"].map((n) => ({ url: `${target.url}/${n}` }))];
  const { batchId } = await server.graph([], { onComplete });
  expect((await told(batchId)).map(({ url }) => url)).toEqual(onComplete.map(({ url }) => url));
  await eventually(async () => (target.calls.length === 3 ? true : undefined), "three calls");
});

test("a call that creates nothing tells nobody: validate_only, a repetition, a refusal", async () => {
  const target = await receiver();
  const value = { onComplete: [{ url: target.url }] };
  const newBatch = { case: "newBatch", value } as const;
  const rows = () => server.query("select from delivery");
  const before = await rows();
  await server.client.tasks.createTasks({ target: newBatch, validateOnly: true });
  await expect(
    server.client.tasks.createTasks({
      target: newBatch,
      tasks: [{ name: "a", kind: "k", dependencies: dependsOn("z") }],
    }),
  ).rejects.toThrow("z");
  expect(await rows()).toHaveLength(before.length);
  for (const _ of [1, 2]) await server.client.tasks.createTasks({ requestId: "empty", target: newBatch });
  expect(await rows()).toHaveLength(before.length + 1);
});

test("the tables are consistent after all of it", () => checkInvariants(server.setup.database.url));

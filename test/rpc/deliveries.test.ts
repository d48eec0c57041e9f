import type { ServerResponse } from "node:http";
import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliveryState, DeliveryTrigger } from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ReceivedCall, type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

async function receiver(answer: (response: ServerResponse, call: ReceivedCall) => void = (response) => response.end()) {
  const started = await startReceiver(answer);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

async function calls(of: Receiver, count: number): Promise<readonly ReceivedCall[]> {
  await eventually(async () => (of.calls.length >= count ? true : undefined), `${count} calls`);
  return of.calls;
}

/** The deliveries of a task or batch once all of them are in a state other than PENDING, newest first. */
function settled(
  filter: { taskId?: string; batchId?: string; states?: DeliveryState[] },
  count = 1,
): Promise<Delivery[]> {
  return eventually(async () => {
    const { deliveries } = await server.client.deliveries.listDeliveries(filter);
    const isSettled = deliveries.every(({ state }) => state !== DeliveryState.PENDING);
    return deliveries.length === count && isSettled ? deliveries : undefined;
  }, `${count} settled deliveries`);
}

const json = (value: Parameters<typeof fromJson>[1]) => fromJson(ValueSchema, value);
const nowDue = () => server.query("update delivery set due = now() where state = 1 and due > now()");

describe("on_success", () => {
  test("is called with the change as an Event, once, and its delivery says so", async () => {
    const target = await receiver();
    const kind = newKind();
    const { ids, batchId } = await server.graph([{ key: "a", name: "A", kind, onSuccess: [{ url: target.url }] }]);
    const { task, attempt } = await server.claimOne(kind);
    await server.client.tasks.reportTasks({
      reports: [
        { taskId: task?.taskId ?? "", attempt, report: { case: "success", value: { output: json({ lines: 3 }) } } },
      ],
    });
    const [delivery] = await settled({ taskId: ids.a ?? "" });
    expect(delivery).toMatchObject({
      ...{ taskId: ids.a, batchId, trigger: DeliveryTrigger.SUCCESS, state: DeliveryState.DELIVERED, url: target.url },
      ...{ attemptCount: 1, lastStatusCode: 200, lastError: "" },
    });
    expect(delivery?.deliverTime).toBeDefined();
    expect(delivery?.nextAttemptTime).toBeUndefined();
    const [call] = await calls(target, 1);
    expect(call?.headers).toMatchObject({
      ...{ "webhook-id": delivery?.deliveryId, "idempotency-key": delivery?.deliveryId, "x-task-id": ids.a },
      ...{ "x-task-trigger": "success", "x-task-attempt": "1", "content-type": "application/json" },
    });
    expect(JSON.parse(call?.body ?? "")).toEqual({
      ...{ batchId, taskId: ids.a, kind, eventTime: expect.any(String) },
      taskStatusChanged: { to: "TASK_STATUS_SUCCESS", attempt: 1, workerId: "w", output: { lines: 3 } },
    });
    expect(target.calls).toHaveLength(1);
  });

  test("sends the body that was given, an object with what happened added to it", async () => {
    const target = await receiver();
    const kind = newKind();
    const bodies = [{ body: json({ mine: 1 }) }, { body: json([1, 2]) }];
    const onSuccess = bodies.map((body, n) => ({ url: `${target.url}/${n}`, ...body }));
    const { ids, batchId } = await server.graph([{ key: "a", name: "A", kind, onSuccess }]);
    await server.succeed(await server.claimOne(kind));
    await settled({ taskId: ids.a ?? "" }, 2);
    const bodyOf = (path: string): unknown =>
      JSON.parse(target.calls.find(({ url }) => url.pathname.endsWith(path))?.body ?? "null");
    expect(bodyOf("/1")).toEqual([1, 2]);
    expect(bodyOf("/0")).toEqual({
      mine: 1,
      millpond: {
        ...{ trigger: "success", task_id: ids.a, batch_id: batchId, key: "a", name: "A", kind, attempt: 1 },
        ...{ status: "TASK_STATUS_SUCCESS", end_time: expect.any(String) },
      },
    });
  });

  test("is called with text that no column of text could hold, and so is on_complete", async () => {
    const target = await receiver();
    const kind = newKind();
    const body = json({ text: "NUL \0, C:\\u0000" });
    const { tasks } = await server.client.tasks.createTasks({
      target: { case: "newBatch", value: { onComplete: [{ url: target.url, body }] } },
      tasks: [{ key: "a", name: "A", kind, onSuccess: [{ url: target.url, body }] }],
    });
    const { task, attempt } = await server.claimOne(kind);
    await server.client.tasks.reportTasks({
      reports: [{ taskId: task?.taskId ?? "", attempt, report: { case: "success", value: {} } }],
    });
    expect(await server.status(tasks[0]?.taskId ?? "")).toBe("SUCCESS");
    for (const call of await calls(target, 2))
      expect(JSON.parse(call.body)).toMatchObject({ text: "NUL \0, C:\\u0000" });
    const hosts = await server.query<{ host: string }>(
      `select host from delivery where batch_id = (select batch_id from delivery order by id desc limit 1)`,
    );
    expect(hosts.map(({ host }) => host)).toEqual([`127.0.0.1:${target.port}`, `127.0.0.1:${target.port}`]);
  });

  test("is not called for another end", async () => {
    const target = await receiver();
    const kind = newKind();
    const { ids } = await server.graph([{ key: "a", name: "A", kind, onSuccess: [{ url: target.url }] }]);
    await server.fail(await server.claimOne(kind));
    expect(await server.status(ids.a ?? "")).toBe("FAILURE");
    expect((await server.client.deliveries.listDeliveries({ taskId: ids.a ?? "" })).deliveries).toEqual([]);
  });
});

test("on_failure is called for a task that its parent brought down", async () => {
  const target = await receiver();
  const kind = newKind();
  const onFailure = [{ url: target.url }];
  const { ids } = await server.graph([
    { key: "parent", name: "parent", kind },
    { key: "child", name: "child", kind, dependencies: dependsOn("parent"), onFailure },
  ]);
  await server.fail(await server.claimOne(kind));
  const [delivery] = await settled({ taskId: ids.child ?? "" });
  expect(delivery?.trigger).toBe(DeliveryTrigger.FAILURE);
  expect(JSON.parse(target.calls[0]?.body ?? "")).toMatchObject({
    taskId: ids.child,
    taskStatusChanged: {
      to: "TASK_STATUS_FAILURE",
      failure: { cause: "FAILURE_CAUSE_DEPENDENCY", details: { task_id: ids.parent } },
    },
  });
});

test("on_cancel is called for what CancelTasks and StopBatch cancel", async () => {
  const target = await receiver();
  const kind = newKind();
  const onCancel = [{ url: target.url }];
  const { ids, batchId } = await server.graph([
    { key: "a", name: "a", kind, onCancel },
    { key: "b", name: "b", kind, onCancel },
  ]);
  await server.client.tasks.cancelTasks({ taskIds: [ids.a ?? ""], reason: "enough" });
  await settled({ taskId: ids.a ?? "" });
  expect(JSON.parse(target.calls[0]?.body ?? "")).toMatchObject({
    taskStatusChanged: { to: "TASK_STATUS_CANCELED", cancelReason: "enough" },
  });
  await server.client.batches.stopBatch({ batchId });
  const [delivery] = await settled({ taskId: ids.b ?? "" });
  expect(delivery?.trigger).toBe(DeliveryTrigger.CANCEL);
  expect(target.calls.map(({ headers }) => headers["x-task-trigger"])).toEqual(["cancel", "cancel"]);
});

describe("on_complete is called once", () => {
  const ended = async (batchId: string, target: Receiver, to: string): Promise<void> => {
    const [delivery] = await settled({ batchId });
    expect(delivery).toMatchObject({ taskId: "", batchId, trigger: DeliveryTrigger.BATCH_COMPLETE, url: target.url });
    expect(target.calls).toHaveLength(1);
    expect(target.calls[0]?.headers["x-task-trigger"]).toBe("batch_complete");
    expect(target.calls[0]?.headers).not.toHaveProperty("x-task-id");
    expect(JSON.parse(target.calls[0]?.body ?? "")).toMatchObject({ batchId, batchStatusChanged: { to } });
  };

  test("where the last task succeeds", async () => {
    const target = await receiver();
    const kind = newKind();
    const tasks = [
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind },
    ];
    const { batchId } = await server.graph(tasks, { onComplete: [{ url: target.url }] });
    await server.succeed(await server.claimOne(kind));
    expect((await server.client.deliveries.listDeliveries({ batchId })).deliveries).toEqual([]);
    await server.succeed(await server.claimOne(kind));
    await ended(batchId, target, "BATCH_STATUS_SUCCESS");
  });

  test("where the batch is empty", async () => {
    const target = await receiver();
    const { batchId } = await server.graph([], { onComplete: [{ url: target.url }] });
    await ended(batchId, target, "BATCH_STATUS_SUCCESS");
  });

  test("where the batch is stopped", async () => {
    const target = await receiver();
    const { batchId } = await server.graph([{ key: "a", name: "a", kind: newKind() }], {
      onComplete: [{ url: target.url }],
    });
    await server.client.batches.stopBatch({ batchId, reason: "enough" });
    await ended(batchId, target, "BATCH_STATUS_CANCELED");
    expect(JSON.parse(target.calls[0]?.body ?? "").batchStatusChanged.stopReason).toBe("enough");
  });

  test("where the last task is brought down by another's failure", async () => {
    const target = await receiver();
    const kind = newKind();
    const { batchId } = await server.graph(
      [
        { key: "a", name: "a", kind },
        { key: "b", name: "b", kind, dependencies: dependsOn("a") },
      ],
      { onComplete: [{ url: target.url, body: json({ mine: true }) }] },
    );
    await server.fail(await server.claimOne(kind));
    await settled({ batchId });
    expect(target.calls).toHaveLength(1);
    expect(JSON.parse(target.calls[0]?.body ?? "")).toEqual({
      mine: true,
      millpond: {
        ...{ trigger: "batch_complete", batch_id: batchId, name: "", status: "BATCH_STATUS_FAILURE" },
        end_time: expect.any(String),
      },
    });
  });
});

describe("a receiver", () => {
  test("that fails twice is called again until it answers 2xx, with the same id", async () => {
    const answers = [500, 404];
    const target = await receiver((response) => response.writeHead(answers.shift() ?? 200).end("body"));
    const kind = newKind();
    const { ids } = await server.graph([{ key: "a", name: "a", kind, onSuccess: [{ url: target.url }] }]);
    await server.succeed(await server.claimOne(kind));
    const failure = await eventually(async () => {
      const { deliveries } = await server.client.deliveries.listDeliveries({ taskId: ids.a ?? "" });
      return deliveries[0]?.lastStatusCode === 500 ? deliveries[0] : undefined;
    }, "the first failure");
    expect(failure).toMatchObject({ state: DeliveryState.PENDING, attemptCount: 1, lastError: "answered 500: body" });
    expect(failure.nextAttemptTime).toBeDefined();
    await nowDue();
    await calls(target, 2);
    await eventually(
      async () =>
        (await server.query("select from delivery where last_status_code = 404")).length > 0 ? true : undefined,
      "the second failure",
    );
    await nowDue();
    const [delivery] = await settled({ taskId: ids.a ?? "" });
    expect(delivery).toMatchObject({ state: DeliveryState.DELIVERED, attemptCount: 3, lastError: "" });
    expect(new Set(target.calls.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([delivery?.deliveryId]));
  });

  test("that is gone is not called again until somebody asks for it", async () => {
    let isGone = true;
    const target = await receiver((response) => response.writeHead(isGone ? 410 : 200).end());
    const kind = newKind();
    const { ids, batchId } = await server.graph([{ key: "a", name: "a", kind, onSuccess: [{ url: target.url }] }]);
    await server.succeed(await server.claimOne(kind));
    const [gone] = await settled({ taskId: ids.a ?? "" });
    expect(gone).toMatchObject({ state: DeliveryState.EXHAUSTED, lastStatusCode: 410, attemptCount: 1 });
    isGone = false;
    const replay = { requestId: "replay", deliveryIds: [gone?.deliveryId ?? ""] };
    expect(await server.client.deliveries.replayDeliveries(replay)).toMatchObject({ replayedCount: 1n });
    const [delivered] = await settled({ batchId, states: [DeliveryState.DELIVERED] });
    expect(delivered).toMatchObject({ attemptCount: 2, lastStatusCode: 200 });
    expect(await server.client.deliveries.replayDeliveries(replay)).toMatchObject({ replayedCount: 1n });
    expect(await server.client.deliveries.replayDeliveries({ batchId })).toMatchObject({ replayedCount: 0n });
    expect(target.calls).toHaveLength(2);
    const unknown = server.client.deliveries.replayDeliveries({ deliveryIds: [batchId] });
    await expectRefusal(unknown, { code: "InvalidArgument", reason: "INVALID_FIELD" });
  });
});

test("a receiver that is back is found by its host, and gets all that it missed", async () => {
  let isGone = true;
  const [target, other] = [
    await receiver((response) => response.writeHead(isGone ? 410 : 200).end()),
    await receiver((response) => response.writeHead(410).end()),
  ];
  const kind = newKind();
  const both = [{ url: target.url }, { url: other.url }];
  const { batchId } = await server.graph(
    ["a", "b", "c"].map((key) => ({ key, name: key, kind, onSuccess: both, onFailure: both })),
  );
  await server.succeed(...(await server.claim(kind, { max: 2 })));
  await server.fail(...(await server.claim(kind)));
  await settled({ batchId }, 6);
  const host = `127.0.0.1:${target.port}`;
  const list = async (filter: Parameters<typeof server.client.deliveries.listDeliveries>[0]) =>
    (await server.client.deliveries.listDeliveries(filter)).deliveries;
  const missed = await list({ host, states: [DeliveryState.EXHAUSTED] });
  expect(missed.map(({ url }) => url)).toEqual([target.url, target.url, target.url]);
  expect(await list({ host: host.toUpperCase(), batchId })).toEqual(missed);
  expect(await list({ host, triggers: [DeliveryTrigger.FAILURE] })).toHaveLength(1);
  expect(await list({ host: "127.0.0.1" })).toEqual([]);

  isGone = false;
  expect(await server.client.deliveries.replayDeliveries({ host })).toMatchObject({ replayedCount: 3n });
  await eventually(
    async () => (await list({ host, states: [DeliveryState.DELIVERED] })).length === 3,
    "what it missed to be delivered",
  );
  expect(other.calls).toHaveLength(3);
  const two = server.client.deliveries.replayDeliveries({ host, batchId });
  await expectRefusal(two, { code: "InvalidArgument", reason: "INVALID_FIELD" });
});

describe("an executor that is to stop", () => {
  const push = (url: string, onCancel: { url: string }[] = []) => ({
    ...{ key: "a", name: "a", kind: newKind(), onCancel },
    execution: { case: "onStart" as const, value: { url } },
  });
  const running = (taskId: string) =>
    eventually(async () => ((await server.status(taskId)) === "RUNNING" ? true : undefined), "the task to run");

  test("is told by the webhook that its start registered", async () => {
    const target = await receiver((response, { url }) => {
      const cancel = { url: `${target.url}/stop`, method: "PUT", headers: { "x-job": "7" } };
      response.end(url.pathname.endsWith("/stop") ? "" : JSON.stringify({ cancel }));
    });
    const { ids } = await server.graph([push(target.url)]);
    await running(ids.a ?? "");
    await server.client.tasks.cancelTasks({ taskIds: [ids.a ?? ""], reason: "enough" });
    const [delivery] = await settled({ taskId: ids.a ?? "" });
    expect(delivery).toMatchObject({ trigger: DeliveryTrigger.STOP, url: `${target.url}/stop` });
    expect(target.calls[1]).toMatchObject({ method: "PUT", headers: { "x-job": "7", "x-task-trigger": "stop" } });
    expect(JSON.parse(target.calls[1]?.body ?? "")).toMatchObject({
      taskStatusChanged: { to: "TASK_STATUS_CANCELED", attempt: 1, cancelReason: "enough" },
    });
  });

  test("is told by on_cancel where it registered nothing and its attempt timed out", async () => {
    const target = await receiver();
    const stopped = await receiver();
    const { ids } = await server.graph([
      { ...push(target.url, [{ url: stopped.url }]), inactivityTimeout: { seconds: 0n, nanos: 200_000_000 } },
    ]);
    const [delivery] = await settled({ taskId: ids.a ?? "" });
    expect(delivery?.trigger).toBe(DeliveryTrigger.CANCEL);
    expect(JSON.parse(stopped.calls[0]?.body ?? "")).toMatchObject({
      taskStatusChanged: { attempt: 1, failure: { cause: "FAILURE_CAUSE_INACTIVITY_TIMEOUT" } },
    });
  });
});

test("a webhook that may not be called is refused when it is created", async () => {
  const forbidden = [{ url: "http://169.254.169.254/latest" }];
  const create = server.graph([{ key: "a", name: "a", kind: newKind(), onFailure: forbidden }]);
  const fields = ["tasks[0].on_failure[0].url"];
  await expectRefusal(create, { code: "InvalidArgument", reason: "URL_FORBIDDEN", fields });
  const batch = server.graph([], { onComplete: forbidden });
  await expectRefusal(batch, {
    code: "InvalidArgument",
    reason: "URL_FORBIDDEN",
    fields: ["new_batch.on_complete[0].url"],
  });
});

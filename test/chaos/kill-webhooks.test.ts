import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliveryState, type MillpondClient } from "@millpond/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGraph, statusOf } from "../engine/two-servers.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { type Answer, type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { insist } from "./insist.ts";
import { committed, type Stage, startStage } from "./kill-point.ts";
import { type MortalPostgres, startMortalPostgres } from "./mortal-postgres.ts";
import { count, prove } from "./prove-end.ts";

const victims = ["a server", "PostgreSQL"] as const;
let postgres: MortalPostgres | undefined;

beforeAll(async () => {
  postgres = await startMortalPostgres();
});

afterAll(() => postgres?.[Symbol.asyncDispose]());

const stageOf = (victim: (typeof victims)[number]): Promise<Stage> =>
  startStage(victim === "PostgreSQL" ? postgres : undefined);

test.each(victims)(
  "between the transition's commit and the claim of its deliveries, kill -9 of %s: each is made once",
  async (victim) => {
    await using stage = await stageOf(victim);
    await using receiver = await startReceiver(accept);
    const { client, databaseUrl } = stage;
    // Whoever looks for what is due waits for ever.
    const withheld = stage.database.withhold({ request: "next_delivery_due", judge: committed() });
    await withheld.arrived();
    const { taskId, end } = await claimedTask(client, receiver.url);
    await insist(end);
    expect(await count(databaseUrl, "delivery where state = 1 and fence = 0")).toBe(2);
    await stage.kill();
    expect(receiver.calls).toEqual([]);
    await stage.revive();

    await delivered(databaseUrl);
    expect(await statusOf(client, taskId)).toBe("SUCCESS");
    const deliveries = await list(client);
    expect(deliveries.map(({ attemptCount, lastStatusCode }) => [attemptCount, lastStatusCode])).toEqual([
      [1, 200],
      [1, 200],
    ]);
    expectCalls(receiver, deliveries);
    await prove(client, databaseUrl);
  },
);

test.each(victims)(
  "between the claim of deliveries and their calls, kill -9 of %s: each is made once its lease is over",
  async (victim) => {
    await using stage = await stageOf(victim);
    await using receiver = await startReceiver(accept);
    const { client, databaseUrl } = stage;
    const withheld = stage.database.withhold({ request: "claim_deliveries", judge: committed(/[0-9a-f]:\d+/) });
    const { end } = await claimedTask(client, receiver.url);
    await insist(end);
    await withheld.arrived();
    await stage.kill();
    expect(receiver.calls).toEqual([]);
    await stage.revive();

    expectOneAttempt(await list(client));
    await endLeases(databaseUrl);
    await delivered(databaseUrl);
    expectCalls(receiver, await list(client));
    await prove(client, databaseUrl);
  },
);

test("during the calls, kill -9 of a server: they are made again with the same ids once their leases are over", async () => {
  await using stage = await startStage();
  let isSilent = true;
  await using receiver = await startReceiver((response) => {
    if (!isSilent) response.end();
  });
  const { client, databaseUrl } = stage;
  const { end } = await claimedTask(client, receiver.url);
  await insist(end);
  await until("both calls are under way", () => receiver.calls.length === 2);
  await stage.kill();
  isSilent = false;
  await stage.revive();

  expectOneAttempt(await list(client));
  await endLeases(databaseUrl);
  await delivered(databaseUrl);
  const deliveries = await list(client);
  expect(deliveries.map(({ attemptCount }) => attemptCount)).toEqual([2, 2]);
  expectCalls(receiver, [...deliveries, ...deliveries]);
  await prove(client, databaseUrl);
});

test("during the calls, kill -9 of PostgreSQL: what they came to is kept when it is back, and none is made again", async () => {
  await using stage = await stageOf("PostgreSQL");
  const answers: (() => void)[] = [];
  await using receiver = await startReceiver((response) => void answers.push(() => response.end()));
  const { client, databaseUrl } = stage;
  const { end } = await claimedTask(client, receiver.url);
  await insist(end);
  await until("both calls are under way", () => answers.length === 2);
  await stage.kill();
  for (const answer of answers) answer();
  await stage.revive();

  await delivered(databaseUrl);
  const deliveries = await list(client);
  expect(deliveries.map(({ attemptCount }) => attemptCount)).toEqual([1, 1]);
  expectCalls(receiver, deliveries);
  await prove(client, databaseUrl);
});

test("during a start call, kill -9 of PostgreSQL: what it came to is kept when it is back, and it is not called again", async () => {
  await using stage = await stageOf("PostgreSQL");
  const answers: (() => void)[] = [];
  await using receiver = await startReceiver((response) => void answers.push(() => response.end('{"success":{}}')));
  const { client, databaseUrl } = stage;
  const taskId = await pushedTask(client, receiver.url, { startTimeoutMs: 600_000 });
  await until("the call is under way", () => answers.length === 1);
  await stage.kill();
  answers[0]?.();
  await stage.revive();

  await until("the task has ended", async () => (await statusOf(client, taskId)) === "SUCCESS");
  expect((await client.tasks.getTask({ taskId })).attempts.map(({ attempt }) => attempt)).toEqual([1]);
  expect(receiver.calls).toHaveLength(1);
  await prove(client, databaseUrl);
});

test("during a start call, kill -9 of a server: its start_timeout returns the task, and the next call is another attempt's", async () => {
  await using stage = await startStage();
  await using receiver = await startReceiver((response) => {
    if (receiver.calls.length > 1) response.end('{"success":{}}');
  });
  const { client, databaseUrl } = stage;
  const taskId = await pushedTask(client, receiver.url, { startTimeoutMs: 3_000 });
  await until("the call is under way", () => receiver.calls.length === 1);
  await stage.kill();
  await stage.revive();

  await until("the task has ended", async () => (await statusOf(client, taskId)) === "SUCCESS");
  const ids = receiver.calls.map(({ headers }) => headers["webhook-id"]);
  expect(ids).toEqual([1, 2].map((attempt) => `${taskId}:${attempt}:start`));
  await prove(client, databaseUrl);
});

test("during the start call of a task that is canceled, kill -9 of a server: its cancellation is told once the call can be no more", async () => {
  await using stage = await startStage();
  await using receiver = await startReceiver((response, { url }) => {
    if (url.pathname !== "/start") response.end();
  });
  const { client, databaseUrl } = stage;
  const onCancel = [{ url: receiver.url.replace("/start", "/canceled") }];
  const taskId = await pushedTask(client, receiver.url, { startTimeoutMs: 8_000, onCancel });
  await until("the call is under way", () => receiver.calls.length === 1);
  await client.tasks.cancelTasks({ taskIds: [taskId] });
  await stage.kill();
  expect(await count(databaseUrl, "delivery where state = 1 and fence = 0 and due > create_time")).toBe(1);
  await stage.revive();

  await until("it is told", async () => (await count(databaseUrl, "delivery where state = 2")) === 1);
  expect(receiver.calls.map(({ url }) => url.pathname)).toEqual(["/start", "/canceled"]);
  expect(await statusOf(client, taskId)).toBe("CANCELED");
  await prove(client, databaseUrl);
});

const accept: Answer = (response) => response.end();
const longTime = durationFromMs(600_000);

/** A task that a worker has, and whose end has two webhooks called: its own, and that of its batch. */
async function claimedTask(
  client: MillpondClient,
  url: string,
): Promise<{ readonly taskId: string; readonly end: () => Promise<unknown> }> {
  const created = await client.tasks.createTasks({
    target: { case: "newBatch", value: { onComplete: [{ url }] } },
    tasks: [{ name: "a", kind: "now", inactivityTimeout: longTime, onSuccess: [{ url }] }],
  });
  const taskId = created.tasks[0]?.taskId as string;
  const { assignments } = await client.workers.claimTasks({ workerId: "worker", kinds: ["now"], lease: longTime });
  expect(assignments.map(({ task }) => task?.taskId)).toEqual([taskId]);
  const report = { taskId, attempt: 1, report: { case: "success", value: {} } } as const;
  return { taskId, end: () => client.tasks.reportTasks({ reports: [report] }) };
}

/** A task that is started by a webhook. */
async function pushedTask(
  client: MillpondClient,
  url: string,
  more: { readonly startTimeoutMs: number; readonly onCancel?: { readonly url: string }[] },
): Promise<string> {
  const { startTimeoutMs, onCancel = [] } = more;
  const execution = { case: "onStart", value: { url } } as const;
  const task = { key: "a", execution, startTimeout: durationFromMs(startTimeoutMs), onCancel };
  return (await createGraph(client, [task])).id("a");
}

async function list(client: MillpondClient): Promise<Delivery[]> {
  return (await insist(() => client.deliveries.listDeliveries({}))).deliveries;
}

/** Expects that somebody has taken both deliveries, and has not told what came of it. */
function expectOneAttempt(deliveries: readonly Delivery[]): void {
  const found = deliveries.map(({ state, attemptCount, lastError }) => [state, attemptCount, lastError]);
  expect(found).toEqual([1, 2].map(() => [DeliveryState.PENDING, 1, ""]));
}

/** As if the time of those who have them were over. */
async function endLeases(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, (client) => client.query("update delivery set due = now() where state = 1"));
}

async function delivered(databaseUrl: string): Promise<void> {
  const left = "delivery where state <> 2 or deliver_time is null";
  await until("both are delivered", async () => (await count(databaseUrl, left)) === 0);
  expect(await count(databaseUrl, "delivery")).toBe(2);
}

/** Expects the calls of these deliveries and no others. */
function expectCalls({ calls }: Receiver, deliveries: readonly Delivery[]): void {
  const ids = calls.map(({ headers }) => headers["webhook-id"]);
  expect(ids.sort()).toEqual(deliveries.map(({ deliveryId }) => deliveryId).sort());
  const triggers = new Set(calls.map(({ headers }) => headers["x-task-trigger"]));
  expect([...triggers].sort()).toEqual(["batch_complete", "success"]);
}

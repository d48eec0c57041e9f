import { BatchStatus, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { count } from "../chaos/prove-end.ts";
import { setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { type Answer, type ReceivedCall, type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { after, claim, createGraph, getTask, range, report, startTwoServers, type TaskInit } from "./two-servers.ts";

const batches = 12;
const ofBatch = 30;

async function receiver(answer: Answer): Promise<Receiver> {
  const started = await startReceiver(answer);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

/** Started by webhooks or by workers; most succeed, some fail, some are brought down by these, some are canceled before they start. */
function taskOf(n: number, url: string): TaskInit {
  const task: TaskInit = {
    ...{ key: `${n}`, kind: n % 5 === 4 ? "bad" : "good" },
    onSuccess: [{ url: `${url}/success` }, { url: `${url}/success/too` }],
    ...{ onFailure: [{ url: `${url}/failure` }], onCancel: [{ url: `${url}/cancel` }] },
  };
  if (n % 10 === 9) return { ...task, dependencies: after(`${n - 5}`) };
  if (n % 10 === 7) return { ...task, kind: "canceled" };
  if (n % 2 === 1) return task;
  return { ...task, execution: { case: "onStart", value: { url: `${url}/start/${task.kind}` } } };
}

const answerStart: Answer = (response, { url }) => {
  const said = url.pathname.endsWith("/start/good") ? '{"success":{}}' : '{"failure":{}}';
  response.end(url.pathname.includes("/start/") ? said : "");
};

/** What a call tells, and whom it is about: which must be told once. */
function toldBy({ url, headers, body }: ReceivedCall): string {
  const { batchId } = JSON.parse(body);
  return `${url.pathname} ${headers["x-task-id"] ?? batchId} ${headers["x-task-trigger"]} ${headers["x-task-attempt"]}`;
}

test("two servers that call at once tell each start and each end of hundreds of tasks once", async () => {
  const target = await receiver(answerStart);
  await using servers = await startTwoServers();
  const { a, b, databaseUrl, urls } = servers;
  const created = await Promise.all(range(batches).map((n) => createBatch(n % 2 === 0 ? a : b, target.url)));
  const taskIds = created.flatMap((batch) => batch.taskIds);
  await Promise.all([a, b].flatMap((client) => [work(client, "good"), work(client, "bad")]));
  for (const [n, { canceled }] of created.entries())
    await (n % 2 === 0 ? b : a).tasks.cancelTasks({ taskIds: canceled });
  await until("everything has ended", async () => {
    await Promise.all([work(a, "good"), work(b, "bad")]);
    return (await count(databaseUrl, "batch_state where status < 3")) === 0;
  });
  await allDelivered(databaseUrl);

  const expected = (await Promise.all(taskIds.map((taskId) => toldOf(a, taskId)))).flat();
  for (const { batchId } of created) {
    expect((await a.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.FAILURE);
    expected.push(`/start/complete ${batchId} batch_complete undefined`);
  }
  expect(expected.length).toBeGreaterThan(700);
  expect(target.calls.map(toldBy).sort()).toEqual(expected.sort());
  expect(repeated(target.calls)).toEqual([]);

  // All of them at once.
  const before = await Promise.all(urls.map(deliveredBy));
  const calls = target.calls.splice(0);
  const ids = calls.map(({ headers }) => `${headers["webhook-id"]}`).filter((id) => !id.endsWith(":start"));
  await Promise.all(
    [a, b].map((client, half) =>
      replay(
        client,
        ids.filter((_, n) => n % 2 === half),
      ),
    ),
  );
  await allDelivered(databaseUrl);
  expect(target.calls.map(({ headers }) => headers["webhook-id"]).sort()).toEqual(ids.sort());
  const made = (await Promise.all(urls.map(deliveredBy))).map((total, n) => total - (before[n] ?? 0));
  expect(made[0] ?? 0).toBeGreaterThan(0);
  expect(made[1] ?? 0).toBeGreaterThan(0);
  expect((made[0] ?? 0) + (made[1] ?? 0)).toBe(ids.length);
  await servers.finish();
});

/** Creates a batch of tasks; tells which are to be canceled. */
async function createBatch(client: MillpondClient, url: string) {
  const { batch, tasks } = await client.tasks.createTasks({
    target: { case: "newBatch", value: { onComplete: [{ url: `${url}/complete` }] } },
    tasks: range(ofBatch).map((n) => ({ name: "task", ...taskOf(n, url) })),
  });
  const canceled = tasks.filter(({ key }) => Number(key) % 10 === 7).map(({ taskId }) => taskId);
  return { batchId: batch?.batchId as string, taskIds: tasks.map(({ taskId }) => taskId), canceled };
}

/** Does what there is of a kind, some at a time. */
async function work(client: MillpondClient, kind: "good" | "bad"): Promise<void> {
  for (;;) {
    const taskIds = await claim(client, kind, 7);
    if (taskIds.length === 0) return;
    await report(client, taskIds, kind === "good" ? "success" : "failure");
  }
}

/** What is to be told of a task. */
async function toldOf(client: MillpondClient, taskId: string): Promise<string[]> {
  const { status, attempt, execution } = await getTask(client, taskId);
  const ends: Partial<Record<TaskStatus, [string, string[]]>> = {
    [TaskStatus.SUCCESS]: ["success", ["success", "success/too"]],
    [TaskStatus.FAILURE]: ["failure", ["failure"]],
    [TaskStatus.CANCELED]: ["cancel", ["cancel"]],
  };
  const [trigger, paths] = ends[status] ?? ["none", ["none"]];
  const told = paths.map((path) => `/start/${path} ${taskId} ${trigger} ${attempt}`);
  if (execution.case === "onStart" && attempt > 0) {
    told.push(`${new URL(execution.value.url).pathname} ${taskId} start ${attempt}`);
  }
  return told;
}

function repeated(calls: readonly ReceivedCall[]): string[] {
  const seen = new Set<string>();
  return calls.map(({ headers }) => `${headers["webhook-id"]}`).filter((id) => seen.size === seen.add(id).size);
}

async function replay(client: MillpondClient, deliveryIds: string[]): Promise<void> {
  const { replayedCount } = await client.deliveries.replayDeliveries({ deliveryIds });
  expect(replayedCount).toBe(BigInt(deliveryIds.length));
}

async function allDelivered(databaseUrl: string): Promise<void> {
  await until("all is delivered", async () => (await count(databaseUrl, "delivery where state <> 2")) === 0);
}

/** How many deliveries a server has made, as its metrics tell. */
async function deliveredBy(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^millpond_deliveries_total\{outcome="delivered"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
}

/** A server with one place, which a call has whose time is over, and a second server. */
interface Fenced {
  readonly target: Receiver;
  /** Ends the call of the first server. */
  answerFirst(status: number): void;
  /** Waits until what the second server made of the delivery is stored, stops it, and tells the row. */
  settledBySecond(): Promise<object>;
  /** Waits until what the first made of it is dealt with, and tells the row. */
  settledByFirst(): Promise<object>;
}

async function fence(answerSecond: Answer): Promise<Fenced> {
  const answers: ((status: number) => void)[] = [];
  const target = await receiver((response, call, socket) => {
    if (call.url.pathname === "/probe") response.end();
    else if (answers.length > 0) answerSecond(response, call, socket);
    else answers.push((status) => response.writeHead(status).end());
  });
  const first = await setup({ MILLPOND_WEBHOOK_HOST_CONCURRENCY: "1", MILLPOND_WEBHOOK_TIMEOUT: "10m" });
  onTestFinished(() => first[Symbol.asyncDispose]());
  const { client, database } = first;
  const end = async (url: string): Promise<void> => {
    await createGraph(client, [{ key: "a", onSuccess: [{ url }] }]);
    await report(client, await claim(client, "work"));
  };
  const row = (): Promise<{ fence: number; due: Date } & object> =>
    withClient(database.url, async (pg) => (await pg.query("select * from delivery order by id limit 1")).rows[0]);
  await end(target.url);
  await until("the first server's call is under way", () => answers.length === 1);
  const second = await first.another();
  await withClient(database.url, (pg) => pg.query("update delivery set due = now()"));
  return {
    target,
    answerFirst: (status) => answers[0]?.(status),
    settledBySecond: async () => {
      await until("the second server has called", () => target.calls.length === 2);
      // Waits for its call and what is stored of it.
      await second.server.stop();
      return row();
    },
    settledByFirst: async () => {
      // Only the first server is left, and its one place is free when it is done with its call.
      await end(target.url.replace("/start", "/probe"));
      await until("the first server has its place back", () => target.calls.length === 3);
      return row();
    },
  };
}

test("a sender whose lease is over and whose delivery another has made changes nothing by its own failure", async () => {
  const fenced = await fence((response) => response.end());
  const settled = await fenced.settledBySecond();
  expect(settled).toMatchObject({ state: 2, fence: 2, attempt_count: 2, last_status_code: 200, last_error: null });
  fenced.answerFirst(500);
  expect(await fenced.settledByFirst()).toEqual(settled);
  expect(new Set(fenced.target.calls.slice(0, 2).map(({ headers }) => headers["webhook-id"])).size).toBe(1);
});

test("a sender whose lease is over changes nothing by its own success where another has failed since", async () => {
  const fenced = await fence((response) => response.writeHead(503, { "retry-after": "3600" }).end("away"));
  const settled = await fenced.settledBySecond();
  expect(settled).toMatchObject({ state: 1, fence: 2, last_status_code: 503, last_error: "answered 503: away" });
  fenced.answerFirst(200);
  expect(await fenced.settledByFirst()).toEqual(settled);
});

import { fromJson } from "@bufbuild/protobuf";
import { durationFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { DeliveryState, FailureCause, TaskStatus } from "@millpond/sdk";
import { Webhook } from "standardwebhooks";
import { describe, expect, onTestFinished, test } from "vitest";
import { secretText } from "../../src/domain/webhook-secret.ts";
import { type ReceivedCall, type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { eventually, newKind, type SharedServer, sharedServer } from "./shared-server.ts";

const server = sharedServer();
const impatient = sharedServer({ MILLPOND_WEBHOOK_TIMEOUT: "200ms" });

async function receiver(answer: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  const started = await startReceiver(answer);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

const called = (of: Receiver, path: string): Promise<ReceivedCall> =>
  eventually(async () => of.calls.find(({ url }) => url.pathname === path), `a call of ${path}`);

/** A receiver that answers start calls when it is told to, and everything else at once; and a task whose start call it has. */
async function startedTask(more: { readonly startTimeoutMs?: number; readonly totalTimeoutMs?: number } = {}) {
  let answerStart = (_body: string): void => {};
  const target = await receiver((response, { url }) => {
    if (url.pathname === "/start") answerStart = (body) => response.end(body);
    else response.end();
  });
  const at = (path: string) => ({ url: target.url.replace("/start", path) });
  const { ids } = await server.graph([
    {
      ...{ key: "a", name: "a", kind: newKind(), execution: { case: "onStart", value: { url: target.url } } },
      ...{ onCancel: [at("/canceled")], onFailure: [at("/failed")], onSuccess: [at("/succeeded")] },
      startTimeout: durationFromMs(more.startTimeoutMs ?? 600_000),
      ...(more.totalTimeoutMs !== undefined && { totalTimeout: durationFromMs(more.totalTimeoutMs) }),
    },
  ]);
  const call = await called(target, "/start");
  return { target, taskId: ids.a ?? "", handle: call.url.searchParams.get("handle") ?? "", answer: answerStart };
}

const pending = (taskId: string) =>
  server.client.deliveries.listDeliveries({ taskId, states: [DeliveryState.PENDING] });
const cancel = (taskId: string) => server.client.tasks.cancelTasks({ taskIds: [taskId] });

describe("what tells of an end", () => {
  test("waits for the answer of the start call, and follows it", async () => {
    const { target, taskId, answer } = await startedTask();
    await cancel(taskId);
    expect(await server.status(taskId)).toBe("CANCELED");
    const [delivery] = (await pending(taskId)).deliveries;
    expect(Number(delivery?.nextAttemptTime?.seconds) * 1000).toBeGreaterThan(Date.now() + 300_000);
    expect(target.calls).toHaveLength(1);
    answer("");
    await called(target, "/canceled");
    await eventually(async () => (await pending(taskId)).deliveries.length === 0, "the delivery to be recorded");
  });

  test("waits also where the call is answered with an error, or not at all", async () => {
    for (const end of ["error", "broken"] as const) {
      let finish = (): void => {};
      const target = await receiver((response, { url }, socket) => {
        if (url.pathname !== "/start") response.end();
        else finish = () => (end === "error" ? response.writeHead(500).end() : socket.destroy());
      });
      const { ids } = await server.graph([
        {
          ...{ key: "a", name: "a", kind: newKind(), execution: { case: "onStart", value: { url: target.url } } },
          ...{ onCancel: [{ url: target.url.replace("/start", "/canceled") }], startTimeout: durationFromMs(600_000) },
        },
      ]);
      await called(target, "/start");
      await cancel(ids.a ?? "");
      finish();
      await called(target, "/canceled");
    }
  });

  test("waits for it where a total_timeout ends the task, and not longer than the start_timeout", async () => {
    const { target, taskId } = await startedTask({ startTimeoutMs: 1_500, totalTimeoutMs: 200 });
    await eventually(async () => ((await server.status(taskId)) === "FAILURE" ? true : undefined), "the timeout");
    // The receiver never answers.
    await called(target, "/failed");
    const { createTime, lastAttemptTime } =
      (await server.client.deliveries.listDeliveries({ taskId })).deliveries[0] ?? {};
    const ms = (time: { seconds: bigint; nanos: number } | undefined): number =>
      Number(time?.seconds ?? 0n) * 1000 + (time?.nanos ?? 0) / 1e6;
    expect(ms(lastAttemptTime) - ms(createTime)).toBeGreaterThan(500);
  });

  test("follows a start call that its start_timeout has cut off", async () => {
    const log: string[] = [];
    const target = await receiver((response, { url, headers }, socket) => {
      const name = `${url.pathname} ${headers["x-task-attempt"]}`;
      log.push(name);
      if (url.pathname === "/start") socket.on("close", () => log.push(`${name} ends`));
      else response.end();
    });
    const { ids } = await server.graph([
      {
        ...{ key: "a", name: "a", kind: newKind(), execution: { case: "onStart", value: { url: target.url } } },
        ...{ onCancel: [{ url: target.url.replace("/start", "/canceled") }], startTimeout: durationFromMs(700) },
      },
    ]);
    await eventually(async () => log.includes("/canceled 2"), "two start timeouts");
    await cancel(ids.a ?? "");
    for (const attempt of [1, 2]) {
      expect(log).toContain(`/start ${attempt} ends`);
      expect(log.indexOf(`/start ${attempt} ends`)).toBeLessThan(log.indexOf(`/canceled ${attempt}`));
    }
    const causes = await server.query<{ cause: number }>(
      "select distinct cause from task_attempt where task_id = (select task_id from delivery order by id desc limit 1) and attempt < 3",
    );
    expect(causes).toEqual([{ cause: FailureCause.START_TIMEOUT }]);
  });

  test("does not wait where the receiver has reported: it has the start", async () => {
    for (const report of ['{"success":{}}', '{"failure":{}}']) {
      const { target, taskId, handle } = await startedTask();
      expect((await fetch(handle, { method: "POST", body: report })).status).toBe(200);
      await called(target, report.includes("success") ? "/succeeded" : "/failed");
      expect(target.calls.filter(({ url }) => url.pathname === "/start")).toHaveLength(1);
      expect((await server.task(taskId)).attempt).toBe(1);
    }
    const { target, taskId, handle } = await startedTask();
    expect((await fetch(handle, { method: "POST", body: '{"started":{}}' })).status).toBe(200);
    await cancel(taskId);
    await called(target, "/canceled");
  });
});

test("every call is signed so that the library of Standard Webhooks verifies it", async () => {
  const { rows } = { rows: await server.query<{ secret: Buffer }>("select webhook_secret secret from namespace") };
  const webhook = new Webhook(secretText(rows[0]?.secret ?? Buffer.alloc(0)));
  const verify = ({ body, headers }: ReceivedCall): unknown => webhook.verify(body, headers as Record<string, string>);
  const target = await receiver((response, { url }) => response.end(url.pathname === "/start" ? '{"success":{}}' : ""));
  const body = fromJson(ValueSchema, { name: "Zoë" });
  const other = target.url.replace("/start", "/ended");
  await server.graph([
    {
      ...{ key: "a", name: "a", kind: newKind(), execution: { case: "onStart", value: { url: target.url } } },
      onSuccess: [{ url: other, body }, { url: `${other}/event` }],
    },
  ]);
  const start = await called(target, "/start");
  expect(start.headers["webhook-id"]).toBe(start.headers["idempotency-key"]);
  expect(verify(start)).toMatchObject({ attempt: 1 });
  expect(verify(await called(target, "/ended"))).toMatchObject({ name: "Zoë", millpond: { trigger: "success" } });
  expect(verify(await called(target, "/ended/event"))).toMatchObject({ taskStatusChanged: {} });
});

test("a host that is not reached keeps its tasks, which use up no attempts, and ExplainTask says so", async () => {
  let isAway = true;
  const target = await receiver((response) => response.writeHead(isAway ? 503 : 200).end('{"success":{}}'));
  const kind = newKind();
  const task = (key: string) => ({
    ...{ key, name: key, kind, execution: { case: "onStart" as const, value: { url: target.url } } },
  });
  const failing = await server.graph(Array.from({ length: 5 }, (_, n) => task(`t${n}`)));
  await eventually(async () => (await server.stats(failing.batchId)).FAILURE === 5, "five failures");
  const { ids, batchId } = await server.graph([task("waits")]);
  const taskId = ids.waits ?? "";
  const { blockers } = await server.client.tasks.explainTask({ taskId });
  expect(blockers.map(({ blocker }) => blocker)).toMatchObject([
    { case: "unreachedHost", value: { host: `127.0.0.1:${target.port}`, retryTime: { seconds: expect.any(BigInt) } } },
  ]);
  expect(await server.task(taskId)).toMatchObject({ attempt: 0, status: TaskStatus.PENDING });
  isAway = false;
  await eventually(async () => (await server.stats(batchId)).SUCCESS === 1, "the task to be called");
  expect((await server.client.tasks.explainTask({ taskId })).blockers).toEqual([]);
});

describe("a host that answers no call within the start_timeout", () => {
  /** Whether tasks with so long a start_timeout, one after the other, have the host left alone. */
  const isLeftAlone = async (of: SharedServer, target: Receiver, startTimeoutMs: number): Promise<boolean> => {
    const { ids } = await of.graph([
      {
        ...{ key: "a", name: "a", kind: newKind(), startTimeout: durationFromMs(startTimeoutMs) },
        execution: { case: "onStart", value: { url: target.url } },
      },
    ]);
    const { blockers } = await of.client.tasks.explainTask({ taskId: ids.a ?? "" });
    return blockers.some(({ blocker }) => blocker.case === "unreachedHost");
  };

  test("is one that is not reached, where it had as long as any call may take", async () => {
    const target = await receiver(() => {});
    await eventually(() => isLeftAlone(impatient, target, 250), "the host to be left alone");
  });

  test("may be there, where it had no time to answer: others' tasks are called", async () => {
    const target = await receiver(() => {});
    for (let n = 0; n < 20; n += 1) expect(await isLeftAlone(server, target, 100)).toBe(false);
    await eventually(async () => target.calls.length >= 60, "calls that are cut off");
    expect(await isLeftAlone(server, target, 100)).toBe(false);
  });
});

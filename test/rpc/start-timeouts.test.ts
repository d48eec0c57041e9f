import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliveryTrigger, FailureCause, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { eventually, sharedServer } from "./shared-server.ts";
import { msOf, taskHistory } from "./task-history.ts";

const server = sharedServer();
const history = taskHistory(server);

const ms = durationFromMs;
/** Longer than any test: what is not to run out here. */
const long = { inactivityTimeout: ms(3_600_000) };

type Answer = Parameters<typeof startReceiver>[0];

function receiver(answer: Answer = (response) => response.writeHead(202).end()): Promise<Receiver> {
  return startReceiver(answer);
}

describe.concurrent("start_timeout", () => {
  const silence: Answer = () => {};

  test("calls again three times, then fails; each call is another attempt, which has not begun to run", async () => {
    await using target = await receiver(silence);
    const { taskId, batchId } = await history.single({
      startTimeout: ms(1_000),
      execution: { case: "onStart", value: { url: target.url } },
    });
    const task = await history.reaches(taskId, "FAILURE");
    expect(task).toMatchObject({ attempt: 4, failure: { cause: FailureCause.START_TIMEOUT } });
    expect(task.failure?.message).toContain("start_timeout");
    expect(task.runTime).toBeUndefined();
    expect(await history.outcomes(taskId)).toEqual([1, 2, 3, 4].map((n) => `${n} FAILURE START_TIMEOUT`));
    for (const { startTime } of await history.attempts(taskId)) expect(startTime).toBeUndefined();
    await eventually(async () => (target.calls.length === 4 ? true : undefined), "four calls");
    expect(target.calls.map(({ headers }) => headers["x-task-attempt"]).sort()).toEqual(["1", "2", "3", "4"]);
    expect(await server.stats(batchId)).toEqual({ FAILURE: 1 });
  });

  test("is, after the three, a failed attempt under the policy", async () => {
    await using target = await receiver(silence);
    const { taskId } = await history.single({
      ...{ startTimeout: ms(80), retry: { maxAttempts: 2, initialBackoff: ms(700), jitter: 0 } },
      execution: { case: "onStart", value: { url: target.url } },
    });
    await history.reaches(taskId, "FAILURE");
    const attempts = await history.attempts(taskId);
    expect(attempts).toHaveLength(5);
    expect(msOf(attempts[4]?.endTime) - msOf(attempts[3]?.endTime)).toBeGreaterThanOrEqual(780);
  });

  test("cuts the call off, and takes no report of its receiver any more", async () => {
    await using target = await receiver((response, { headers }) => {
      if (headers["x-task-attempt"] !== "1") response.writeHead(202).end();
    });
    const { taskId } = await history.single({
      startTimeout: ms(1_000),
      execution: { case: "onStart", value: { url: target.url } },
    });
    await eventually(async () => {
      const task = await server.task(taskId);
      return task.attempt > 1 && task.status === TaskStatus.RUNNING ? task : undefined;
    }, "a later attempt to run");
    const dead = target.calls[0]?.url.searchParams.get("handle") ?? "";
    expect((await fetch(dead, { method: "POST", body: '{"success":{}}' })).status).toBe(410);
    expect(await server.status(taskId)).toBe("RUNNING");
    const outcomes = await history.outcomes(taskId);
    expect([outcomes[0], outcomes.at(-1)]).toEqual([
      "1 FAILURE START_TIMEOUT",
      `${outcomes.length} RUNNING UNSPECIFIED`,
    ]);
  });
});

describe.concurrent("an executor behind a webhook is told to stop", () => {
  const settled = (taskId: string, count: number): Promise<Delivery[]> =>
    eventually(async () => {
      const { deliveries } = await server.client.deliveries.listDeliveries({ taskId });
      return deliveries.length >= count && deliveries.every((d) => d.deliverTime !== undefined)
        ? deliveries
        : undefined;
    }, `${count} calls`);

  test("when an attempt times out that will be repeated, by the webhook that it registered", async () => {
    await using target = await receiver((response, { url }) =>
      response.end(url.pathname === "/start" ? JSON.stringify({ cancel: { url: `${target.url}/stop` } }) : ""),
    );
    const { taskId } = await history.single({
      ...{ ...long, executionTimeout: ms(100), retry: { maxAttempts: 2, initialBackoff: ms(0) } },
      ...{ execution: { case: "onStart", value: { url: target.url } }, onCancel: [{ url: `${target.url}/canceled` }] },
    });
    await history.reaches(taskId, "FAILURE");
    const deliveries = await settled(taskId, 2);
    expect(deliveries.map(({ trigger, url }) => [DeliveryTrigger[trigger], url])).toEqual(
      [1, 2].map(() => ["STOP", `${target.url}/stop`]),
    );
    const stops = target.calls.filter(({ url }) => url.pathname === "/start/stop");
    expect(stops.map(({ headers }) => headers["x-task-attempt"]).sort()).toEqual(["1", "2"]);
    for (const { body } of stops) {
      expect(JSON.parse(body)).toMatchObject({
        taskStatusChanged: { failure: { cause: "FAILURE_CAUSE_EXECUTION_TIMEOUT" } },
      });
    }
  });

  test("when its start was not answered in time, or the task took too long in all, by on_cancel", async () => {
    await using stopped = await receiver();
    await using target = await receiver(({ req }) => void req);
    const push = {
      execution: { case: "onStart" as const, value: { url: target.url } },
      onCancel: [{ url: stopped.url }],
    };
    const late = await history.single({
      startTimeout: ms(100),
      totalTimeout: ms(1_500),
      retry: { maxAttempts: 9 },
      ...push,
    });
    await history.reaches(late.taskId, "FAILURE");
    const { attempt } = await server.task(late.taskId);
    const deliveries = await settled(late.taskId, attempt);
    expect(new Set(deliveries.map(({ trigger }) => trigger))).toEqual(new Set([DeliveryTrigger.CANCEL]));
    const told = stopped.calls.map(({ headers }) => Number(headers["x-task-attempt"])).sort((a, b) => a - b);
    expect(told).toEqual(Array.from({ length: attempt }, (_, n) => n + 1));
  });
});

import { expect, it, onTestFinished, test } from "vitest";
import type { DeliveryOutcome } from "../../src/domain/delivery.ts";
import { callDelivery, type DeliveryCall } from "../../src/webhooks/delivery-call.ts";
import { createUrlGuard } from "../../src/webhooks/url-guard.ts";
import { createWebhookClient, type WebhookClientOptions } from "../../src/webhooks/webhook-client.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const deliveryId = "01900000-0000-7000-8000-000000000001";
const taskId = "01900000-0000-7000-8000-000000000002";

it("carries the delivery's id, the trigger, the task and the default body", async () => {
  const { receiver, call } = await setup((res) => res.end());
  expect(await call()).toEqual({ kind: "delivered", status: 200 });
  const [received] = receiver.calls;
  expect(received).toMatchObject({ method: "POST", body: '{"event":1}' });
  expect(received?.url.pathname).toBe("/start");
  expect(received?.url.search).toBe("");
  expect(received?.headers).toMatchObject({
    "webhook-id": deliveryId,
    "idempotency-key": deliveryId,
    "x-task-id": taskId,
    "x-task-trigger": "success",
    "x-task-attempt": "2",
    traceparent: expect.stringMatching(new RegExp(`^00-${taskId.replaceAll("-", "")}-[0-9a-f]{16}-01$`)),
    "content-type": "application/json",
    "user-agent": "millpond",
  });
});

it("names no task where a batch has ended, and keeps the user's method, query, headers and body", async () => {
  const { receiver, call } = await setup((res) => res.end());
  const webhook = { method: "PUT" as const, headers: { "X-Own": "1", "User-Agent": "me" }, body: { a: 1 } };
  await call({ task: undefined, trigger: "batch_complete" }, { ...webhook, url: `${receiver.url}?tenant=7` });
  const [received] = receiver.calls;
  expect(received).toMatchObject({ method: "PUT", body: '{"a":1}' });
  expect(received?.url.search).toBe("?tenant=7");
  expect(received?.headers).toMatchObject({ "x-own": "1", "user-agent": "me", "x-task-trigger": "batch_complete" });
  expect(received?.headers).not.toHaveProperty("x-task-id");
  expect(received?.headers).not.toHaveProperty("x-task-attempt");
});

test.each<[number, DeliveryOutcome]>([
  [204, { kind: "delivered", status: 204 }],
  [307, { kind: "failed", status: 307, message: "answered 307, a redirect; redirects are not followed" }],
  [400, { kind: "failed", status: 400, message: "answered 400: no" }],
  [404, { kind: "failed", status: 404, message: "answered 404: no" }],
  [410, { kind: "refused", status: 410, message: "answered 410: no" }],
  [429, { kind: "failed", status: 429, message: "answered 429: no", retryAfterMs: 7000 }],
  [500, { kind: "failed", status: 500, message: "answered 500: no" }],
])("an answer of %i", async (status, outcome) => {
  const headers = status === 429 ? { "retry-after": "7" } : {};
  const { call } = await setup((res) => res.writeHead(status, headers).end(status === 204 ? "" : "no"));
  expect(await call()).toEqual({ ...outcome });
});

it("fails without a status where no answer comes in time", async () => {
  const { call } = await setup(() => undefined, { timeoutMs: 100 });
  expect(await call()).toEqual({ kind: "failed", status: 0, message: "no answer within 0.1 s" });
});

it("is refused where the guard or the header rules do not let it out", async () => {
  const { receiver, call } = await setup((res) => res.end());
  const message = expect.stringContaining("the webhook may not be called");
  expect(await call({}, { url: "http://10.0.0.1/" })).toEqual({ kind: "refused", status: 0, message });
  expect(await call({}, { headers: { Host: "h" } })).toEqual({ kind: "refused", status: 0, message });
  expect(receiver.calls).toEqual([]);
});

async function setup(
  answer: Parameters<typeof startReceiver>[0],
  options: Partial<WebhookClientOptions> = {},
): Promise<{
  receiver: Receiver;
  call: (more?: Partial<DeliveryCall>, webhook?: Partial<DeliveryCall["webhook"]>) => Promise<DeliveryOutcome>;
}> {
  const receiver = await startReceiver(answer);
  const client = createWebhookClient({ guard: createUrlGuard({ allowLoopback: true }), ...options });
  onTestFinished(async () => {
    await client.close();
    await receiver[Symbol.asyncDispose]();
  });
  const plain = {
    ...{ deliveryId, trigger: "success", batchId: deliveryId, task: { id: taskId, attempt: 2 } },
    ...{ secrets: [Buffer.alloc(32, 7)], defaultBody: '{"event":1}' },
  };
  return {
    receiver,
    call: (more = {}, webhook = {}) =>
      callDelivery(
        { client },
        { ...plain, ...more, webhook: { url: receiver.url, ...webhook } },
        new AbortController().signal,
      ),
  };
}

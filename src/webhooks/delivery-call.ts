import type { DeliveryOutcome } from "../domain/delivery.ts";
import { traceparentOf } from "./traceparent.ts";
import { describeAnswer, parseRetryAfter, type WebhookAnswer } from "./webhook-answer.ts";
import type { WebhookClient } from "./webhook-client.ts";
import { type Webhook, type WebhookRequest, webhookRequest } from "./webhook-request.ts";

/** DeliveryCall is one webhook to be called because something ended. */
export interface DeliveryCall {
  /** The same in every attempt. */
  readonly deliveryId: string;
  /** What it tells of: `success`, `failure`, `cancel`, `batch_complete` or `stop`. */
  readonly trigger: string;
  readonly batchId: string;
  /** undefined: it tells of a batch. */
  readonly task: { readonly id: string; readonly attempt: number } | undefined;
  readonly webhook: Webhook;
  /** What it is signed with, the current secret first. */
  readonly secrets: readonly Uint8Array[];
  /** JSON text that is sent if the user gave no body: the Event as ProtoJSON. */
  readonly defaultBody: string;
}

/** What {@link callDelivery} works with. */
export interface DeliveryCallerOptions {
  readonly client: Pick<WebhookClient, "send">;
  /** Default: `Date.now`. */
  readonly now?: () => number;
}

/** Makes one call and says what it came to. It throws only the signal's reason, when the signal aborts. */
export async function callDelivery(
  { client, now = Date.now }: DeliveryCallerOptions,
  call: DeliveryCall,
  signal: AbortSignal,
): Promise<DeliveryOutcome> {
  const result = await client.send(call.webhook, () => deliveryRequest(call, now()), signal);
  switch (result.kind) {
    case "answered":
      return outcomeOf(result.answer, now());
    case "failed":
      return { kind: "failed", status: 0, message: result.message };
    case "forbidden":
      return { kind: "refused", status: 0, message: result.message };
  }
}

function deliveryRequest(
  { deliveryId, trigger, batchId, task, webhook, secrets, defaultBody }: DeliveryCall,
  nowMs: number,
): WebhookRequest {
  const ownHeaders: Record<string, string> = {
    ...{ "idempotency-key": deliveryId, "x-task-trigger": trigger, traceparent: traceparentOf(task?.id ?? batchId) },
    ...(task === undefined ? {} : { "x-task-id": task.id, "x-task-attempt": String(task.attempt) }),
  };
  return webhookRequest({ webhook, ownHeaders, signing: { id: deliveryId, secrets, nowMs }, defaultBody });
}

/** A receiver that says that it is gone is not called again; everything else but 2xx may be over the next time. */
function outcomeOf(answer: WebhookAnswer, nowMs: number): DeliveryOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: "delivered", status };
  const message = describeAnswer(answer);
  if (status === 410) return { kind: "refused", status, message };
  return { kind: "failed", status, message, retryAfterMs: parseRetryAfter(answer.retryAfter, nowMs) };
}

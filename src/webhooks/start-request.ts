import type { StartCall } from "./start-call.ts";
import { traceparentOf } from "./traceparent.ts";
import { type WebhookRequest, webhookRequest } from "./webhook-request.ts";

/**
 * startRequest makes the request of a start call: the user's method, headers and body, the handle added to the query,
 * and Millpond's own headers. GET and DELETE carry a body only if the user gave one.
 * The URL must have passed the guard.
 */
export function startRequest(start: StartCall, nowMs: number): WebhookRequest {
  const { webhook, taskId, attempt, defaultBody, secrets } = start;
  const id = `${taskId}:${attempt}:start`;
  const ownHeaders: Record<string, string> = {
    "idempotency-key": id,
    "x-task-id": taskId,
    "x-task-trigger": "start",
    "x-task-attempt": String(attempt),
    traceparent: traceparentOf(taskId),
  };
  const addedQuery = `handle=${encodeURIComponent(start.handle)}`;
  return webhookRequest({ webhook, ownHeaders, signing: { id, secrets, nowMs }, defaultBody, addedQuery });
}

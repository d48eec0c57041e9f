import { parseBoundedJson } from "./bounded-json.ts";
import type { StartOutcome } from "./start-call.ts";
import { describeAnswer, parseRetryAfter, type WebhookAnswer } from "./webhook-answer.ts";
import type { Webhook } from "./webhook-request.ts";

/** outcomeOfAnswer decides by the status what an answer means; `nowMs` is what a date in Retry-After is relative to. */
export function outcomeOfAnswer(answer: WebhookAnswer, nowMs: number): StartOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return outcomeOfReport(answer);
  const code = `HTTP_${status}`;
  const message = describeAnswer(answer);
  if (status >= 300 && status < 500 && status !== 408 && status !== 429) return { kind: "rejected", code, message };
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs);
  return { kind: "failed", code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/**
 * A 2xx starts the task whatever its body is, unless that is a TaskReport with an object as `success` or `failure` and
 * nothing in it that a report does not have: many frameworks answer `{"success": true}` and mean only that they heard.
 * `{"cancel": {"url": …}}` asks for a call if the attempt is canceled or times out.
 */
function outcomeOfReport(answer: WebhookAnswer): StartOutcome {
  const report = (answer.complete ? jsonObject(answer.body) : undefined) ?? {};
  const isOne = report.success === undefined || report.failure === undefined;
  const ended = isOne ? (successOf(report.success) ?? failureOf(report.failure)) : undefined;
  if (ended !== undefined) return ended;
  const cancelWebhook = webhookOf(report.cancel);
  return { kind: "started", ...(cancelWebhook === undefined ? {} : { cancelWebhook }) };
}

/** Reads a Webhook in ProtoJSON, within the bounds of the contract; undefined if it is none. */
function webhookOf(value: unknown): Webhook | undefined {
  if (!isObject(value) || !hasOnly(value, ["url", "method", "headers", "body"])) return undefined;
  const { url, method = "POST", headers = {}, body } = value;
  const knownMethod = typeof method === "string" ? methods.get(method.replace(/^HTTP_METHOD_/, "")) : undefined;
  if (typeof url !== "string" || url === "" || url.length > 2048 || url.includes("\0")) return undefined;
  if (knownMethod === undefined || !isObject(headers) || Object.keys(headers).length > 50) return undefined;
  for (const [name, text] of Object.entries(headers)) {
    if (typeof text !== "string" || name.length > 100 || text.length > 4096) return undefined;
  }
  return {
    ...{ url, method: knownMethod, headers: headers as Record<string, string> },
    ...(body === undefined ? {} : { body }),
  };
}

const methods = new Map(
  (["GET", "POST", "PUT", "PATCH", "DELETE"] as const).map((method) => [method as string, method]),
);

function jsonObject(body: Uint8Array): JsonObject | undefined {
  if (body.length === 0) return undefined;
  try {
    const value = parseBoundedJson(body);
    return isObject(value) ? value : undefined;
  } catch {
    // Not JSON: the receiver owes none.
    return undefined;
  }
}

function successOf(value: unknown): StartOutcome | undefined {
  if (!isObject(value) || !hasOnly(value, ["output"])) return undefined;
  return { kind: "success", output: value.output };
}

function failureOf(value: unknown): StartOutcome | undefined {
  if (!isObject(value)) return undefined;
  if (!hasOnly(value, ["message", "code", "details", "nonRetryable", "non_retryable", "retryDelay", "retry_delay"])) {
    return undefined;
  }
  const message = value.message ?? "";
  const code = value.code ?? "";
  const nonRetryable = value.nonRetryable ?? value.non_retryable ?? false;
  const retryDelay = value.retryDelay ?? value.retry_delay ?? undefined;
  const retryDelayMs = retryDelay === undefined ? undefined : parseDuration(retryDelay);
  if (typeof message !== "string" || typeof code !== "string" || typeof nonRetryable !== "boolean") return undefined;
  if (retryDelay !== undefined && retryDelayMs === undefined) return undefined;
  return {
    kind: "failure",
    message,
    code,
    details: value.details,
    nonRetryable,
    ...(retryDelayMs === undefined ? {} : { retryDelayMs }),
  };
}

/** Reads a google.protobuf.Duration in ProtoJSON that is not negative, such as "1.5s". */
function parseDuration(value: unknown): number | undefined {
  if (typeof value !== "string" || !/^\d{1,12}(\.\d{1,9})?s$/.test(value)) return undefined;
  return Math.round(Number(value.slice(0, -1)) * 1000);
}

type JsonObject = { readonly [key: string]: unknown };

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasOnly(value: JsonObject, keys: readonly string[]): boolean {
  return Object.keys(value).every((key) => keys.includes(key));
}

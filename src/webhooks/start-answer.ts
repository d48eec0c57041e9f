import { parseBoundedJson } from "./bounded-json.ts";
import type { StartOutcome } from "./start-call.ts";

/** StartAnswer is what came back for a start call. */
export interface StartAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly location: string | undefined;
  /** What arrived of the body, up to the bound. */
  readonly body: Uint8Array;
  /** False if the body was longer than the bound, stalled or broke off. */
  readonly complete: boolean;
}

/** The longest delay that a Retry-After header is believed: 24 h. */
export const retryAfterMsMax = 24 * 60 * 60 * 1000;

/** outcomeOfAnswer decides by the status what an answer means; `nowMs` is what a date in Retry-After is relative to. */
export function outcomeOfAnswer(answer: StartAnswer, nowMs: number): StartOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return outcomeOfReport(answer);
  const code = `HTTP_${status}`;
  if (status >= 300 && status < 400) {
    const target = answer.location === undefined ? "" : ` to ${printable(answer.location)}`;
    return { kind: "rejected", code, message: `answered ${status}, a redirect${target}; redirects are not followed` };
  }
  const text = printable(new TextDecoder().decode(answer.body));
  const message = text === "" ? `answered ${status}` : `answered ${status}: ${text}`;
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) return { kind: "rejected", code, message };
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs);
  return { kind: "failed", code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/**
 * A 2xx starts the task whatever its body is, unless that is a TaskReport with an object as `success` or `failure` and
 * nothing in it that a report does not have: many frameworks answer `{"success": true}` and mean only that they heard.
 */
function outcomeOfReport(answer: StartAnswer): StartOutcome {
  const report = answer.complete ? jsonObject(answer.body) : undefined;
  if (report === undefined || (report.success !== undefined && report.failure !== undefined))
    return { kind: "started" };
  return successOf(report.success) ?? failureOf(report.failure) ?? { kind: "started" };
}

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

/** Reads Retry-After (RFC 9110, 10.2.3): seconds or a date; undefined if it is absent or malformed. */
function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  const isDate = /^[A-Za-z]{3,9},? /.test(text);
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1000 : isDate ? Date.parse(text) - nowMs : Number.NaN;
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), retryAfterMsMax);
}

/** One line of at most 200 characters that a log, a terminal and PostgreSQL (which knows no NUL) take as it is. */
function printable(text: string): string {
  const line = text
    .slice(0, 2000)
    .replace(/[\p{Cc}\p{Cf}\p{Z}]+/gu, " ")
    .trim();
  return (line.length > 200 ? `${line.slice(0, 200)}…` : line).toWellFormed();
}

type JsonObject = { readonly [key: string]: unknown };

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasOnly(value: JsonObject, keys: readonly string[]): boolean {
  return Object.keys(value).every((key) => keys.includes(key));
}

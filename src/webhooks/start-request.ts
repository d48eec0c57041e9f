import type { StartCall } from "./start-call.ts";

/** StartRequest is the HTTP request of a start call. */
export interface StartRequest {
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers: Record<string, string>;
  /** null: none is sent. */
  readonly body: string | null;
}

/**
 * startRequest makes the request of a start call: the user's method, headers and body, the handle added to the query,
 * and Millpond's own headers. GET and DELETE carry a body only if the user gave one.
 *
 * `newTraceparent` is asked if the call brings no trace of its own. The URL must have passed the guard.
 */
export function startRequest(start: StartCall, newTraceparent: () => string): StartRequest {
  const { webhook, taskId, attempt } = start;
  const url = new URL(webhook.url);
  const method = webhook.method ?? "POST";
  const body = bodyOf(start, method);
  const headers: Record<string, string> = {
    "idempotency-key": `${taskId}:${attempt}:start`,
    "x-task-id": taskId,
    "x-task-trigger": "start",
    "x-task-attempt": String(attempt),
    traceparent: start.traceparent ?? newTraceparent(),
  };
  if (start.traceparent !== undefined && start.tracestate) headers.tracestate = start.tracestate;
  const names = new Set<string>();
  for (const [name, value] of Object.entries(webhook.headers ?? {})) {
    headers[name] = value;
    names.add(name.toLowerCase());
  }
  if (!names.has("user-agent")) headers["user-agent"] = "millpond";
  if (body !== null && !names.has("content-type")) headers["content-type"] = "application/json";
  const query = `${url.search === "" ? "?" : `${url.search}&`}handle=${encodeURIComponent(start.handle)}`;
  return { origin: url.origin, path: url.pathname + query, method, headers, body };
}

function bodyOf({ webhook, defaultBody }: StartCall, method: StartRequest["method"]): string | null {
  if (webhook.body !== undefined) return JSON.stringify(webhook.body);
  return method === "GET" || method === "DELETE" ? null : defaultBody;
}

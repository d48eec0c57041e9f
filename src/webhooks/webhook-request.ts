import { type Signing, signatureHeaders } from "./signature.ts";

/** Webhook is an HTTP call as its user gave it. */
export interface Webhook {
  readonly url: string;
  /** Default: POST. */
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A JSON value; undefined: none was given (null is a value). */
  readonly body?: unknown;
}

/** WebhookRequest is the HTTP request of a call. */
export interface WebhookRequest {
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers: Record<string, string>;
  /** null: none is sent. */
  readonly body: string | null;
}

/**
 * webhookRequest makes the request of a call: the user's method and headers, and Millpond's own headers. GET and DELETE
 * carry a body only if the user gave one. The URL must have passed the guard.
 */
export function webhookRequest(call: {
  readonly webhook: Webhook;
  /** Millpond's own headers, in lower case, beside those of the signature. */
  readonly ownHeaders: Readonly<Record<string, string>>;
  readonly signing: Signing;
  /** JSON text that is sent if the user gave no body. */
  readonly defaultBody: string;
  /** What is added to the URL's query: `name=value`, encoded. */
  readonly addedQuery?: string;
}): WebhookRequest {
  const { webhook } = call;
  const url = new URL(webhook.url);
  const method = webhook.method ?? "POST";
  const body = bodyOf(webhook, method, call.defaultBody);
  const headers: Record<string, string> = { ...call.ownHeaders, ...signatureHeaders(call.signing, body) };
  const names = new Set<string>();
  for (const [name, value] of Object.entries(webhook.headers ?? {})) {
    headers[name] = value;
    names.add(name.toLowerCase());
  }
  if (!names.has("user-agent")) headers["user-agent"] = "millpond";
  if (body !== null && !names.has("content-type")) headers["content-type"] = "application/json";
  return { origin: url.origin, path: url.pathname + queryOf(url, call.addedQuery), method, headers, body };
}

function queryOf(url: URL, added: string | undefined): string {
  if (added === undefined) return url.search;
  return `${url.search === "" ? "?" : `${url.search}&`}${added}`;
}

function bodyOf(webhook: Webhook, method: WebhookRequest["method"], defaultBody: string): string | null {
  if (webhook.body !== undefined) return JSON.stringify(webhook.body);
  return method === "GET" || method === "DELETE" ? null : defaultBody;
}

import { Agent } from "undici";
import { startDeadline } from "../lib/deadline.ts";
import { checkHeaders } from "./header-rules.ts";
import { ForbiddenAddressError, type UrlGuard } from "./url-guard.ts";
import type { WebhookAnswer } from "./webhook-answer.ts";
import type { Webhook, WebhookRequest } from "./webhook-request.ts";

/** What {@link createWebhookClient} needs; every bound has a default. */
export interface WebhookClientOptions {
  readonly guard: UrlGuard;
  /** From the look-up of the name to the end of the answer; default 10 s. */
  readonly timeoutMs?: number;
  /** Look-up, TCP and TLS together; default 5 s. */
  readonly connectTimeoutMs?: number;
  /** How much of an answer's body is read before it is cut off; default 64 KiB. */
  readonly answerBytesMax?: number;
}

/** UnansweredCall says why there is no answer: nothing was sent (`forbidden`), or nothing came back in time (`failed`). */
export type UnansweredCall =
  | { readonly kind: "failed"; readonly code: "TIMEOUT" | "NETWORK"; readonly message: string }
  | { readonly kind: "forbidden"; readonly message: string };

/** WebhookClient makes the HTTP calls of webhooks. It holds no state but idle connections, so one serves all loops. */
export interface WebhookClient {
  /** Says why a webhook may not be called, or undefined if it may. Its addresses are checked again at connect time. */
  check(webhook: Webhook): string | undefined;
  /**
   * Makes one call, whose request is made by a function once the webhook has passed the guard. It
   * throws only the signal's reason, when the signal aborts: then nobody knows what the receiver has got.
   */
  send(
    webhook: Webhook,
    request: () => WebhookRequest,
    signal: AbortSignal,
  ): Promise<{ readonly kind: "answered"; readonly answer: WebhookAnswer } | UnansweredCall>;
  /** Closes every connection, also under calls in flight. */
  close(): Promise<void>;
}

/** createWebhookClient makes a client whose every connection goes through the guard. */
export function createWebhookClient(options: WebhookClientOptions): WebhookClient {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const bounds: CallBounds = { timeoutMs, answerBytesMax: options.answerBytesMax ?? 64 * 1024 };
  const agent = new Agent({
    connect: { lookup: options.guard.lookup },
    connectTimeout: Math.min(options.connectTimeoutMs ?? 5000, timeoutMs),
    // The call's own deadline bounds both. Two bounds of the same length would race: whichever came first would tell of it in its own words.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Shorter than servers keep an idle connection (gunicorn 2 s, Node 5 s), unless they say how long: a call sent just
    // as its connection is closed would be a failed attempt, and a repetition could start the task twice.
    keepAliveTimeout: 1000,
    keepAliveMaxTimeout: 4000,
    // One call per connection: cutting off an answer destroys it and must not touch another call.
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: 16 * 1024,
  });
  const check = ({ url, headers }: Webhook): string | undefined =>
    options.guard.check(url) ?? checkHeaders(headers ?? {});
  return {
    check,
    async send(webhook, request, signal) {
      signal.throwIfAborted();
      const forbidden = check(webhook);
      if (forbidden !== undefined) return { kind: "forbidden", message: `the webhook may not be called: ${forbidden}` };
      const deadline = startDeadline(signal, timeoutMs);
      try {
        const answer = await send(agent, request(), { ...bounds, signal: deadline.signal });
        return { kind: "answered", answer };
      } catch (error) {
        signal.throwIfAborted();
        return unansweredBy(error, deadline.expired() ? timeoutMs : undefined);
      } finally {
        deadline.clear();
      }
    },
    close: () => agent.destroy(),
  };
}

interface CallBounds {
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

async function send(
  agent: Agent,
  request: WebhookRequest,
  { signal, answerBytesMax }: CallBounds & { signal: AbortSignal },
): Promise<WebhookAnswer> {
  const { statusCode, headers, body } = await agent.request({ ...request, signal });
  const { bytes, complete } = await readBounded(body, answerBytesMax);
  return {
    status: statusCode,
    retryAfter: firstValue(headers["retry-after"]),
    location: firstValue(headers.location),
    body: bytes,
    complete,
  };
}

/**
 * Reads a body up to its bound. The status has been received, so whatever goes wrong now only leaves the body
 * incomplete. Leaving the loop early destroys the body, and with it the connection.
 */
async function readBounded(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<{ bytes: Uint8Array; complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let complete = true;
  try {
    for await (const chunk of body) {
      chunks.push(chunk.subarray(0, bytesMax - length));
      length += chunk.length;
      if (length > bytesMax) {
        complete = false;
        break;
      }
    }
  } catch {
    // It stalled, broke off or was cut off by the deadline; see above.
    complete = false;
  }
  return { bytes: Buffer.concat(chunks), complete };
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

const timeoutCodes: ReadonlySet<string> = new Set(["UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT"]);

function unansweredBy(error: unknown, expiredMs: number | undefined): UnansweredCall {
  if (expiredMs !== undefined) {
    return { kind: "failed", code: "TIMEOUT", message: `no answer within ${expiredMs / 1000} s` };
  }
  if (error instanceof ForbiddenAddressError) {
    return { kind: "forbidden", message: `the webhook may not be called: ${error.message}` };
  }
  const { code, message } = describe(error);
  if (timeoutCodes.has(code)) return { kind: "failed", code: "TIMEOUT", message: `timed out: ${message}` };
  return { kind: "failed", code: "NETWORK", message: `network error: ${message}` };
}

function describe(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  // Happy eyeballs fail with one error per address and no message of their own.
  const messages =
    error instanceof AggregateError ? error.errors.map((each) => describe(each).message) : [error.message];
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = messages.join("; ") || error.name;
  return { code, message: code === "" || text.includes(code) ? text : `${text} (${code})` };
}

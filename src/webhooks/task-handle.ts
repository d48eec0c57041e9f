import { invalidField, MillpondError } from "../domain/errors.ts";
import { parseBoundedJson } from "./bounded-json.ts";
import { isHandleToken } from "./handle-token.ts";

/** HandleRequest is what the handler needs of an HTTP request; `IncomingMessage` fits with itself as the body. */
export interface HandleRequest {
  /** Path and query, as in the request line. */
  readonly url: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** HandleResponse is the answer to be written; its body is JSON text. */
export interface HandleResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** HandleResult is what became of a report: the task as it stands after it, as a JSON value, or why it was refused. */
export type HandleResult =
  | { readonly ok: true; readonly task: unknown }
  | { readonly ok: false; readonly error: MillpondError };

/** What {@link answerTaskHandle} works with. */
export interface TaskHandleDeps<Report> {
  /** The secret of the handle tokens. */
  readonly secret: Uint8Array;
  /**
   * Reads a TaskReport without `task_id` and `attempt`, which come from the handle.
   *
   * @throws MillpondError for anything that is no report.
   */
  readonly decodeReport: (json: unknown, taskId: string, attempt: number) => Report;
  /** Applies one report; answers after the commit. */
  readonly report: (report: Report) => Promise<HandleResult>;
  /** Connect's JSON form of an error, with ErrorInfo in its details, and the status that Connect gives it. */
  readonly encodeError: (error: MillpondError) => { readonly status: number; readonly body: unknown };
  /** Hears of defects, which are answered with 500. */
  readonly onError: (error: unknown) => void;
  /** Default 4 MiB. */
  readonly bodyBytesMax?: number;
  /** How long the body may take to arrive; default 30 s. */
  readonly bodyTimeoutMs?: number;
}

/**
 * answerTaskHandle answers a TaskReport as JSON, by POST or PATCH, to `/task/<task_id>?attempt=<n>&token=<token>`.
 *
 *     200  the task as it stands after the report
 *     400  no JSON, no report, or for another task or attempt than the handle's
 *     404  an unknown task, or a token that is not the attempt's: the answers are the same
 *     408  the body did not arrive in time
 *     409  the task has ended, or is in a state that does not take the report
 *     410  the attempt is over: the executor should stop
 *     413  the body is too large
 *     415  the body is compressed
 *
 * Other errors have the status that Connect gives them, such as 503 while the database is away. The type of the body is
 * not looked at: curl calls whatever it sends a form.
 */
export async function answerTaskHandle<Report>(
  request: HandleRequest,
  deps: TaskHandleDeps<Report>,
): Promise<HandleResponse> {
  try {
    const handle = parseHandle(request.url);
    if (handle === undefined) throw unknownTask();
    if (!isHandleToken(handle.token, { ...handle, secret: deps.secret })) throw unknownTask();
    checkEncoding(request.headers["content-encoding"]);
    const body = await readBody(request.body, deps.bodyBytesMax ?? bodyBytesDefault, deps.bodyTimeoutMs ?? 30_000);
    const json = reportOf(parseReport(body), handle);
    const result = await deps.report(deps.decodeReport(json, handle.taskId, handle.attempt));
    if (!result.ok) throw result.error;
    return jsonResponse(200, result.task);
  } catch (error) {
    return errorResponse(error, deps);
  }
}

const bodyBytesDefault = 4 * 1024 * 1024;

interface Handle {
  readonly taskId: string;
  readonly attempt: number;
  readonly token: string;
}

/** Reads the handle out of a request's URL; undefined if it has not exactly the form that `handleUrl` makes. */
function parseHandle(url: string): Handle | undefined {
  const [path = "", query = ""] = url.split("?", 2);
  const taskId = /^\/task\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(path)?.[1];
  const parameters = new URLSearchParams(query);
  const [attempt = "", ...otherAttempts] = parameters.getAll("attempt");
  const [token = "", ...otherTokens] = parameters.getAll("token");
  if (taskId === undefined || otherAttempts.length > 0 || otherTokens.length > 0) return undefined;
  if (!/^[1-9]\d{0,9}$/.test(attempt)) return undefined;
  return { taskId, attempt: Number(attempt), token };
}

function checkEncoding(encoding: string | readonly string[] | undefined): void {
  if (encoding === undefined || encoding === "identity" || encoding === "") return;
  const message = `content-encoding "${String(encoding)}" is not supported; send the JSON as it is`;
  throw new Refusal(415, new MillpondError("INVALID_FIELD", message));
}

async function readBody(body: HandleRequest["body"], bytesMax: number, timeoutMs: number): Promise<Uint8Array> {
  if (body instanceof Uint8Array) {
    if (body.length > bytesMax) throw tooLarge(bytesMax);
    return body;
  }
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const late = new MillpondError("INVALID_FIELD", `the body did not arrive within ${timeoutMs / 1000} s`);
    timer = setTimeout(() => reject(new Refusal(408, late, { connection: "close" })), timeoutMs);
  });
  // Not `for await`: leaving that early destroys a request's socket before the refusal is written to it.
  const chunks = body[Symbol.asyncIterator]();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const next = await Promise.race([nextChunk(chunks), timeout]);
      if (next === undefined && length <= bytesMax) return Buffer.concat(parts);
      length += next?.length ?? 0;
      // A little more is read and thrown away: a client that is still writing when its connection is closed sees a
      // broken pipe instead of the refusal.
      if (next === undefined || length > 2 * bytesMax) throw tooLarge(bytesMax);
      if (length <= bytesMax) parts.push(next);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function nextChunk(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    const next = await chunks.next();
    return next.done === true ? undefined : next.value;
  } catch (cause) {
    throw new MillpondError("INVALID_FIELD", "the request broke off before its body was complete", { cause });
  }
}

/** The connection is closed after such an answer, so that the rest of the body need not be read. */
function tooLarge(bytesMax: number): Refusal {
  const message = `the body is larger than ${bytesMax} bytes`;
  const error = new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(bytesMax) } });
  return new Refusal(413, error, { connection: "close" });
}

function parseReport(body: Uint8Array): Record<string, unknown> {
  let json: unknown;
  try {
    json = parseBoundedJson(body);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MillpondError("INVALID_FIELD", `the body is not valid JSON (${why}); send {"success":{}}`, { cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new MillpondError("INVALID_FIELD", 'the body must be a JSON object such as {"success":{}}');
  }
  return { ...json };
}

/** Takes task id and attempt out of a report, in either spelling of ProtoJSON, after comparing them with the handle. */
function reportOf(json: Record<string, unknown>, handle: Handle): Record<string, unknown> {
  const { taskId, task_id, attempt, ...report } = json;
  for (const [field, given] of Object.entries({ taskId, task_id })) {
    // An empty id is ProtoJSON for none.
    if (given === undefined || given === null || given === "" || given === handle.taskId) continue;
    throw invalidField(
      field,
      `${JSON.stringify(given)} is not the task of this handle, ${handle.taskId}; leave it out`,
    );
  }
  // 0 is the current attempt, which for a handle is its own; ProtoJSON writes integers also as text.
  const fitting: unknown[] = [undefined, null, 0, "0", handle.attempt, String(handle.attempt)];
  if (!fitting.includes(attempt)) {
    const given = JSON.stringify(attempt);
    throw invalidField("attempt", `${given} is not the attempt of this handle, ${handle.attempt}; leave it out`);
  }
  return report;
}

/** The one answer for a task that does not exist, a wrong token and a malformed path: it tells nobody which it was. */
function unknownTask(): MillpondError {
  return new MillpondError("TASK_NOT_FOUND", "no task has this handle");
}

/** An error of HTTP: its status is not the one that Connect would give it. */
class Refusal extends Error {
  readonly status: number;
  readonly error: MillpondError;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, error: MillpondError, headers: Readonly<Record<string, string>> = {}) {
    super(error.message, { cause: error });
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

function errorResponse<Report>(thrown: unknown, deps: TaskHandleDeps<Report>): HandleResponse {
  if (thrown instanceof Refusal)
    return jsonResponse(thrown.status, deps.encodeError(thrown.error).body, thrown.headers);
  if (!(thrown instanceof MillpondError)) {
    deps.onError(thrown);
    return jsonResponse(500, { code: "internal", message: "internal error" });
  }
  const error = thrown.reason === "TASK_NOT_FOUND" ? unknownTask() : thrown;
  const { status, body } = deps.encodeError(error);
  const retryAfter = error.retryDelayMs === undefined ? {} : { "retry-after": String(secondsOf(error.retryDelayMs)) };
  return jsonResponse(statusOf(error) ?? status, body, retryAfter);
}

function statusOf(error: MillpondError): number | undefined {
  switch (error.reason) {
    case "TASK_NOT_FOUND":
      return 404;
    case "TASK_ENDED":
    case "ILLEGAL_TRANSITION":
      return 409;
    case "STALE_ATTEMPT":
      return 410;
    default:
      return undefined;
  }
}

function secondsOf(delayMs: number): number {
  return Math.max(1, Math.ceil(delayMs / 1000));
}

function jsonResponse(status: number, json: unknown, headers: Readonly<Record<string, string>> = {}): HandleResponse {
  const fixed = { "content-type": "application/json", "cache-control": "no-store" };
  return { status, headers: { ...fixed, ...headers }, body: JSON.stringify(json) };
}

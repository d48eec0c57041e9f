import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "./gen/millpond/v1/error_reason_pb.js";

/** FieldViolation names a field of a request by its path, such as `tasks[3].kind`, and what is wrong with it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

const domain = "millpond";

/**
 * errorReason is why a call failed, from the error's ErrorInfo. Undefined: the error is none of Millpond's, or of a
 * reason that this version of the SDK does not know.
 */
export function errorReason(error: unknown): ErrorReason | undefined {
  const name = errorInfo(error)?.reason;
  if (name === undefined || !/^[A-Z]/.test(name)) return undefined;
  return ErrorReason[name as keyof typeof ErrorReason];
}

/** fieldViolations lists the fields that a server refused, in the server's order; empty when it named none. */
export function fieldViolations(error: unknown): FieldViolation[] {
  if (!(error instanceof ConnectError)) return [];
  return error
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations)
    .map(({ field, description }) => ({ field, description }));
}

/** retryDelayMs is how long the server asked to wait before the call is repeated; undefined: it did not ask. */
export function retryDelayMs(error: unknown): number | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  if (error.code !== Code.Unavailable && error.code !== Code.ResourceExhausted) return undefined;
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay && Math.max(0, durationMs(delay));
}

/**
 * isTransient tells whether a call failed because the server, or the way to it, was away, so that the same call may
 * succeed later. Whether repeating it is safe is another question.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  if (error.code === Code.Unavailable) return true;
  return errorInfo(error) === undefined && isBrokenConnection(error);
}

/** isUnanswered tells whether nobody has said what became of a call: {@link isTransient}, or its deadline passed. What is safe to repeat can be sent again. */
export function isUnanswered(error: unknown): boolean {
  return isTransient(error) || (error instanceof ConnectError && error.code === Code.DeadlineExceeded);
}

/**
 * A connection that breaks during a call shows as one of several codes, with the error of Node.js as its cause, or as an
 * answer that ends too early.
 */
function isBrokenConnection(error: ConnectError): boolean {
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && /^(E[A-Z_]+|ERR_(HTTP2|STREAM|HTTP)_[A-Z0-9_]+)$/.test(String(cause.code))) return true;
  }
  return /missing (trailer|status|output)|premature|incomplete|NGHTTP2|socket hang up|stream closed/i.test(
    error.rawMessage,
  );
}

/** isMillponds tells whether an error was made by a Millpond server, rather than by what stands between. */
export function isMillponds(error: unknown): boolean {
  return errorInfo(error) !== undefined;
}

function errorInfo(error: unknown) {
  if (!(error instanceof ConnectError)) return undefined;
  return error.findDetails(ErrorInfoSchema).find((info) => info.domain === domain);
}

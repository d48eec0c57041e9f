/** Why a request failed: the closed set of `millpond.v1.ErrorReason`, without its prefix. */
export type ErrorReason =
  | "INVALID_FIELD"
  | "GRAPH_HAS_CYCLE"
  | "UNKNOWN_DEPENDENCY"
  | "DUPLICATE_KEY"
  | "PAGE_TOKEN_MISMATCH"
  | "REQUEST_ID_REUSED"
  | "TASK_NOT_FOUND"
  | "BATCH_NOT_FOUND"
  | "TASK_ENDED"
  | "ILLEGAL_TRANSITION"
  | "STALE_ATTEMPT"
  | "BATCH_SEALED"
  | "ETAG_MISMATCH"
  | "CURSOR_EXPIRED"
  | "LIMIT_EXCEEDED"
  | "STORE_UNAVAILABLE"
  | "URL_FORBIDDEN"
  | "LEASE_LOST"
  | "UNIMPLEMENTED"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED";

/** One field that a request got wrong: its path as in the request (`tasks[3].name`) and what is wrong with it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What a {@link MillpondError} may carry besides its reason and message. */
export interface ErrorDetails {
  /** Typed facts for programs, sent as `ErrorInfo.metadata`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Field errors, sent as `google.rpc.BadRequest`. */
  readonly violations?: readonly FieldViolation[];
  /** How long a client should wait before it tries again, sent as `google.rpc.RetryInfo`. */
  readonly retryDelayMs?: number;
  readonly cause?: unknown;
}

/**
 * MillpondError is every failure that a caller is meant to see. Its message shows the offending value and the way out;
 * `rpc/errors.ts` maps the reason to a wire code. Anything else that is thrown is a defect and answers INTERNAL.
 */
export class MillpondError extends Error {
  readonly reason: ErrorReason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryDelayMs: number | undefined;

  constructor(reason: ErrorReason, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "MillpondError";
    this.reason = reason;
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
    this.retryDelayMs = details.retryDelayMs;
  }
}

/** Makes an INVALID_FIELD error for one field. */
export function invalidField(field: string, description: string): MillpondError {
  return new MillpondError("INVALID_FIELD", `${field}: ${description}`, { violations: [{ field, description }] });
}

/** Makes the error for a task or batch that does not exist; `id` as the caller gave it. */
export function notFound(reason: "TASK_NOT_FOUND" | "BATCH_NOT_FOUND", id: string): MillpondError {
  const what = reason === "TASK_NOT_FOUND" ? "task" : "batch";
  return new MillpondError(reason, `there is no ${what} "${id}"`, { metadata: { [`${what}_id`]: id } });
}

import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorReason, MillpondError } from "../domain/errors.ts";
import { RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { addRefusal } from "./wire-error.ts";

/** The wire code of each reason: the one map between the two. */
const codes: Record<ErrorReason, Code> = {
  INVALID_FIELD: Code.InvalidArgument,
  GRAPH_HAS_CYCLE: Code.InvalidArgument,
  UNKNOWN_DEPENDENCY: Code.InvalidArgument,
  DUPLICATE_KEY: Code.InvalidArgument,
  PAGE_TOKEN_MISMATCH: Code.InvalidArgument,
  URL_FORBIDDEN: Code.InvalidArgument,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  TASK_NOT_FOUND: Code.NotFound,
  BATCH_NOT_FOUND: Code.NotFound,
  TASK_ENDED: Code.FailedPrecondition,
  ILLEGAL_TRANSITION: Code.FailedPrecondition,
  STALE_ATTEMPT: Code.FailedPrecondition,
  LEASE_LOST: Code.FailedPrecondition,
  BATCH_SEALED: Code.FailedPrecondition,
  ETAG_MISMATCH: Code.Aborted,
  CURSOR_EXPIRED: Code.OutOfRange,
  LIMIT_EXCEEDED: Code.ResourceExhausted,
  STORE_UNAVAILABLE: Code.Unavailable,
  UNIMPLEMENTED: Code.Unimplemented,
  UNAUTHENTICATED: Code.Unauthenticated,
  PERMISSION_DENIED: Code.PermissionDenied,
};

/** Turns an error that callers are meant to see into one for the wire; undefined for any other. The only such map. */
export function toConnectError(error: unknown): ConnectError | undefined {
  if (!(error instanceof MillpondError)) return undefined;
  const { reason, metadata, violations, retryDelayMs } = error;
  const mapped = addRefusal(new ConnectError(error.message, codes[reason], undefined, undefined, error), {
    reason,
    metadata,
    violations,
  });
  if (retryDelayMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryDelayMs / 1000)), nanos: (retryDelayMs % 1000) * 1_000_000 };
    mapped.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return mapped;
}

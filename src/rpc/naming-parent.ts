import { MillpondError } from "../domain/errors.ts";
import type { IdCodec } from "../domain/ids.ts";

/** Gives an error about a parent that was not found its id, as callers know it. */
export function namingParent(ids: IdCodec, error: unknown): unknown {
  if (!(error instanceof MillpondError) || error.reason !== "UNKNOWN_DEPENDENCY") return error;
  const { cause, message, violations } = error;
  if (!(cause instanceof MillpondError)) return error;
  const metadata = { dependency: ids.encode(BigInt(cause.metadata.id ?? 0)) };
  return new MillpondError("UNKNOWN_DEPENDENCY", message, { metadata, violations, cause: error });
}

/** How Node.js says that what was to be read or written found no connection, or no stream of it, any more. */
const codes: ReadonlySet<string | undefined> = new Set([
  ...["ECANCELED", "ECONNRESET", "EPIPE"],
  ...["ERR_HTTP2_INVALID_STREAM", "ERR_STREAM_DESTROYED", "ERR_STREAM_PREMATURE_CLOSE"],
]);

/** Whether the error of reading a request or writing its answer, or what caused it, says that the caller is gone. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return codes.has((error as NodeJS.ErrnoException).code) || isConnectionLoss(error.cause);
}

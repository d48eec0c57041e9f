import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Why the signal of a call was aborted: its deadline passed (DEADLINE_EXCEEDED), the server is stopping (UNAVAILABLE), or
 * its caller turned away, which is CANCELED however the connection put it.
 */
export function abortCause(signal: AbortSignal): ConnectError {
  const reason: unknown = signal.reason;
  if (reason instanceof ConnectError && (reason.code === Code.DeadlineExceeded || reason.code === Code.Unavailable)) {
    return reason;
  }
  return new ConnectError("the caller turned away", Code.Canceled);
}

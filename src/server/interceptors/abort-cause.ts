import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Why a call was aborted, from the reason of its signal: its deadline passed (DEADLINE_EXCEEDED), the server is stopping
 * (UNAVAILABLE), or its caller turned away, which is CANCELED however the connection put it.
 */
export function abortCause(reason: unknown): ConnectError {
  if (reason instanceof ConnectError && (reason.code === Code.DeadlineExceeded || reason.code === Code.Unavailable)) {
    return reason;
  }
  return new ConnectError("the caller turned away", Code.Canceled);
}

import { Code, ConnectError } from "@connectrpc/connect";

/** After so long without an answer, a stream says its last acknowledgement again: what stands in between sees that it is alive. */
export const streamIdleMs = 15_000;

/** Whether what has been read of a stream is answered before it ends: where the server is stopping, not where nobody waits for answers. */
export function answersWhenStopping(reason: unknown): boolean {
  return reason instanceof ConnectError && reason.code === Code.Unavailable;
}

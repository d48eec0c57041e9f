/**
 * AttemptAbortReason is why a handler should stop: its task was canceled or timed out, another worker may have the
 * attempt, or the worker stops and its grace is over.
 */
export type AttemptAbortReason = "cancel_requested" | "lease_lost" | "worker_stopped";

/** AttemptAborted is the reason of a handler's aborted signal. */
export class AttemptAborted extends Error {
  override readonly name = "AttemptAborted";
  readonly reason: AttemptAbortReason;

  constructor(reason: AttemptAbortReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

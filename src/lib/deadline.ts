/** Deadline aborts when a time is over, or when a signal that it was joined with aborts. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Whether the time is over. */
  expired(): boolean;
  /** Lets go of the timer and of the other signal. */
  clear(): void;
}

/** startDeadline joins a long-lived signal and a time limit; `clear` takes the listener off, which `AbortSignal.any` leaves to GC. */
export function startDeadline(outer: AbortSignal, timeoutMs: number): Deadline {
  const controller = new AbortController();
  let expired = false;
  const onAbort = (): void => controller.abort(outer.reason);
  const timer = setTimeout(() => {
    expired = true;
    controller.abort(deadlineReason);
  }, timeoutMs);
  outer.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    expired: () => expired,
    clear() {
      clearTimeout(timer);
      outer.removeEventListener("abort", onAbort);
    },
  };
}

/** One for all calls: an abort without a reason builds an exception with a stack each time. */
const deadlineReason = new Error("the call took too long");

import { Code, ConnectError } from "@connectrpc/connect";
import type { Abandonment } from "../call.ts";

/** What the signal of a call that has ended says, as `AbortController.abort()` would: one for all, because each costs microseconds. */
const ended = new DOMException("This operation was aborted", "AbortError");

/**
 * Cancellation is the signal, the deadline and the end of one call. The AbortSignal is made only when somebody asks for
 * it, which most short calls never do.
 *
 * ```text
 * open ── abort(reason): deadline, caller gone, error ──► aborted
 *   └──── finish(): answered ───────────────────────────► finished
 * ```
 */
export class Cancellation implements Abandonment {
  readonly #shutdown: Shutdown;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #deadlineAtMs = 0;
  #isOver = false;
  #reason: unknown;
  #listener: ((reason: unknown) => void) | undefined;

  constructor(shutdown: Shutdown) {
    this.#shutdown = shutdown;
  }

  /** The signal as handlers see it: aborted by the deadline, by a caller that turns away, by a stopping server and at the end. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isOver) this.#controller.abort(this.#reason);
      else this.#shutdown.add(this.#controller);
    }
    return this.#controller.signal;
  }

  /** How much time is left, or undefined without a deadline. */
  remainingMs(): number | undefined {
    return this.#deadlineAtMs === 0 ? undefined : this.#deadlineAtMs - Date.now();
  }

  /** Aborts the call with DEADLINE_EXCEEDED once the time has passed; `onPassed` is called just before. */
  setDeadline(timeoutMs: number, onPassed: (error: ConnectError) => void): void {
    this.#deadlineAtMs = Date.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      const error = new ConnectError("the operation timed out", Code.DeadlineExceeded);
      onPassed(error);
      this.abort(error);
    }, timeoutMs);
  }

  onAbandoned(listener: (reason: unknown) => void): void {
    if (this.#isOver) listener(this.#reason);
    else this.#listener = listener;
  }

  /** Ends the call for a reason: its deadline, its caller or an error. */
  abort(reason: unknown): void {
    this.#end(reason)?.(reason);
  }

  /** Ends a call that has been answered. */
  finish(): void {
    this.#end(ended);
  }

  #end(reason: unknown): ((reason: unknown) => void) | undefined {
    if (this.#isOver) return undefined;
    this.#isOver = true;
    this.#reason = reason;
    clearTimeout(this.#timer);
    if (this.#controller !== undefined) {
      this.#shutdown.delete(this.#controller);
      this.#controller.abort(reason);
    }
    const listener = this.#listener;
    this.#listener = undefined;
    return listener;
  }
}

/** Shutdown aborts the signals of open calls when the server stops: one listener for all, however many calls are open. */
export class Shutdown {
  readonly #signal: AbortSignal;
  readonly #open = new Set<AbortController>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => {
      for (const controller of this.#open) controller.abort(signal.reason);
      this.#open.clear();
    });
  }

  /** Has the controller aborted when the server stops; at once when it is stopping. */
  add(controller: AbortController): void {
    if (this.#signal.aborted) controller.abort(this.#signal.reason);
    else this.#open.add(controller);
  }

  /** Lets go of a controller. */
  delete(controller: AbortController): void {
    this.#open.delete(controller);
  }
}

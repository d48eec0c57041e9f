import { Code, ConnectError } from "@connectrpc/connect";

/** CallScope is how long a call goes on: until it ends, its caller turns away or its deadline passes. */
export class CallScope {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #deadline: NodeJS.Timeout | undefined;

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#caller = caller;
    if (caller?.aborted) this.#onCallerAbort();
    else caller?.addEventListener("abort", this.#onCallerAbort);
    if (timeoutMs !== undefined) this.#deadline = setTimeout(this.#onDeadline, timeoutMs);
  }

  /** Aborted when the call is to end early. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The error of a call that failed: where it was to end early, that is the reason, whatever broke in consequence. */
  errorOf(error: unknown): ConnectError {
    const { aborted, reason } = this.signal;
    return aborted ? ConnectError.from(reason, Code.Canceled) : ConnectError.from(error);
  }

  /** Says that the call has ended. */
  end(): void {
    clearTimeout(this.#deadline);
    this.#caller?.removeEventListener("abort", this.#onCallerAbort);
  }

  readonly #onCallerAbort = () => this.#controller.abort(this.#caller?.reason);
  readonly #onDeadline = () =>
    this.#controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
}

import { Code, ConnectError } from "@connectrpc/connect";

/** SilenceGuard is the signal of one connection: it is given up when it is silent for too long, or when what it serves ends. */
export class SilenceGuard {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer?.reason);

  constructor(outer: AbortSignal | undefined, silenceMaxMs: number) {
    this.#outer = outer;
    outer?.addEventListener("abort", this.#onOuterAbort, { once: true });
    this.#timer = setTimeout(() => {
      this.#controller.abort(new ConnectError(`no message for ${silenceMaxMs} ms`, Code.Unavailable));
    }, silenceMaxMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Tells that the server has spoken. */
  heard(): void {
    this.#timer.refresh();
  }

  /** Ends the connection, if it has not ended. */
  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
    if (!this.signal.aborted) this.#controller.abort(new ConnectError("nobody waits for it any more", Code.Canceled));
  }
}

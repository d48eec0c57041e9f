import type { LogEntry } from "@millpond/sdk";

/** The contract's bound of lines in one call, and so many characters that a call stays far below the largest message. */
const linesMax = 1_000;
const charactersMax = 1_000_000;

/**
 * LogSender sends lines in their order, by one call at a time: at once while none is under way, and else with all that came meanwhile. So a
 * slow writer is seen line by line, and a fast one costs few calls.
 */
export class LogSender {
  readonly #send: (entries: LogEntry[]) => Promise<void>;
  readonly #failed = new AbortController();
  #waiting: LogEntry[] = [];
  #sending: Promise<void> | undefined;

  constructor(send: (entries: LogEntry[]) => Promise<void>) {
    this.#send = send;
  }

  /** Aborted when a call has failed: nothing is sent any more. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Takes a line; resolves once there is room for another one. Rejects when a call has failed. */
  async add(entry: LogEntry): Promise<void> {
    this.failed.throwIfAborted();
    this.#waiting.push(entry);
    this.#sending ??= this.#sendWaiting();
    if (this.#waiting.length >= linesMax) await this.end();
  }

  /** Resolves once every line is in. Rejects when a call has failed. */
  async end(): Promise<void> {
    await this.#sending;
    this.failed.throwIfAborted();
  }

  /** Never rejects: what failed is the reason of `failed`. */
  async #sendWaiting(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#send(this.#next());
    } catch (error) {
      this.#failed.abort(error);
    } finally {
      this.#sending = undefined;
    }
  }

  #next(): LogEntry[] {
    let characters = 0;
    let count = 0;
    for (const { message } of this.#waiting) {
      characters += message.length;
      if (count === linesMax || (count > 0 && characters > charactersMax)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

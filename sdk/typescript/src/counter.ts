import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { MillpondClient } from "./client.ts";
import { CountBacklog, countMax } from "./count-backlog.ts";
import { isTransient, retryDelayMs } from "./errors.ts";
import { FailureStreak } from "./failure-streak.ts";
import type { ItemError } from "./gen/millpond/v1/report_pb.js";
import {
  type StreamCountsRequest,
  StreamCountsRequestSchema,
  type StreamCountsResponse,
} from "./gen/millpond/v1/task_service_pb.js";
import { backoffMs } from "./retry-policy.ts";
import { SilenceGuard } from "./silence-guard.ts";

/** CountInput is what is added to a task's counters: whole numbers, not negative. */
export interface CountInput {
  readonly success?: number | bigint | undefined;
  readonly failure?: number | bigint | undefined;
}

/** RejectedCount is a task to which something was not added, for good, and why. */
export interface RejectedCount {
  readonly taskId: string;
  readonly success: bigint;
  readonly failure: bigint;
  readonly error: ItemError;
}

/** CounterOptions says where counts go and who hears of what goes wrong. */
export interface CounterOptions {
  readonly client: Pick<MillpondClient, "tasks"> & Partial<Pick<MillpondClient, "protocol">>;
  /**
   * Names the sequence of this counter. Default: a new name, which is right for nearly everybody: two counters must never share one, not even one
   * after the other, as the numbers of the second would be taken for those of the first.
   */
  readonly producerId?: string | undefined;
  /** With counts of more tasks than these waiting to be sent, `count` waits. Default 10,000. */
  readonly pendingTasksMax?: number | undefined;
  /**
   * Is told of what the server refused, for good: counts of tasks that have ended or do not exist, or beyond 64 bits. Where a stream breaks between the server's commit and its answer, it is
   * not told of what was refused of the messages (at most four) that were without an answer: when they come again they are acknowledged, and nobody knows any more which of their tasks had
   * ended by then. The totals are right all the same. Over HTTP/1.1 it is always told, by the answer to the repeated call.
   */
  readonly onRejected?: ((rejected: RejectedCount) => void) | undefined;
  /** Is told of each connection that broke, and of each failed call, before the counter goes on. */
  readonly onInterrupted?: ((error: unknown) => void) | undefined;
  /** A stream that says nothing for so long is taken for broken. Default 45,000; the server speaks every 15,000. */
  readonly silenceMaxMs?: number | undefined;
  /** Ends the counter at once: what is not durable is given up, and who waits is told the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Counter adds to the counters of tasks, each count once. */
export interface Counter {
  readonly producerId: string;
  /**
   * Counts. Resolves at once while there is room, otherwise when there is: whoever awaits it cannot outrun the server.
   *
   * @throws RangeError for what is no whole number or negative.
   */
  count(taskId: string, counts: CountInput): Promise<void>;
  /** Resolves when everything that was counted before is durable, or was refused. */
  flush(): Promise<void>;
  /** Flushes and counts no more. Harmless when it has been called. */
  close(): Promise<void>;
}

/**
 * createCounter makes a counter. It sums up by task what comes while the server is busy, sends it as numbered messages of a stream, and after a broken connection
 * sends again what was not acknowledged: nothing is lost while this process lives, and nothing is counted twice. Over HTTP/1.1 it makes calls instead of a stream.
 * What the server refuses whole, for example its credentials, fails every later call.
 */
export function createCounter(options: CounterOptions): Counter {
  return new StreamingCounter(options);
}

const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };
const pendingTasksMaxDefault = 10_000;
/** A stream ends when it has had nothing to send for so long: an open one keeps the process alive. */
const idleMs = 1_000;

class StreamingCounter implements Counter {
  readonly producerId: string;
  readonly #options: CounterOptions;
  readonly #backlog: CountBacklog;
  readonly #streak = new FailureStreak();
  #running: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Lets the stream see what has come. */
  #wake: (() => void) | undefined;

  constructor(options: CounterOptions) {
    this.#options = options;
    this.producerId = options.producerId ?? randomUUID();
    this.#backlog = new CountBacklog(options.pendingTasksMax ?? pendingTasksMaxDefault);
  }

  async count(taskId: string, { success = 0n, failure = 0n }: CountInput): Promise<void> {
    this.#throwIfFailed();
    if (this.#closed) throw new Error("the counter has been closed");
    this.#backlog.add(taskId, wholeNumber("success", success), wholeNumber("failure", failure));
    this.#send();
    await this.#backlog.room();
  }

  async flush(): Promise<void> {
    this.#throwIfFailed();
    await this.#backlog.flushed();
  }

  close(): Promise<void> {
    this.#closed ??= this.flush().finally(async () => {
      this.#wake?.();
      await this.#running;
    });
    return this.#closed;
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Has what waits sent. */
  #send(): void {
    this.#wake?.();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (!this.#backlog.isEmpty && !this.#failure) this.#send();
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    while (!this.#backlog.isEmpty) {
      const guard = new SilenceGuard(signal, this.#options.silenceMaxMs ?? 45_000);
      let error: unknown;
      try {
        if (this.#options.client.protocol === "connect") await this.#call();
        else await this.#stream(guard);
        continue;
      } catch (caught) {
        error = guard.signal.aborted ? guard.signal.reason : caught;
        const isOver = !guard.signal.aborted && !isTransient(error) && retryDelayMs(error) === undefined;
        if (isOver || signal?.aborted) {
          this.#fail(signal?.aborted ? signal.reason : error);
          return;
        }
      } finally {
        guard.end();
      }
      this.#options.onInterrupted?.(error);
      const delayMs = Math.max(retryDelayMs(error) ?? 0, backoffMs(backoff, this.#streak.ended()));
      await sleep(delayMs, undefined, { ...(signal && { signal }) }).catch(() => undefined);
      if (signal?.aborted) this.#fail(signal.reason);
      if (this.#failure) return;
    }
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#backlog.fail(error);
  }

  /** Sends what waits until there has been nothing for a while. */
  async #stream(guard: SilenceGuard): Promise<void> {
    const connection = { hasEnded: false };
    let hasAcknowledged = false;
    try {
      const requests = this.#requests(connection);
      for await (const answer of this.#options.client.tasks.streamCounts(requests, { signal: guard.signal })) {
        guard.heard();
        this.#streak.welcomed();
        hasAcknowledged = this.#acknowledge(answer) || hasAcknowledged;
      }
      if (!hasAcknowledged && !this.#backlog.isEmpty) {
        throw new ConnectError("the server has ended the stream without an acknowledgement", Code.Unavailable);
      }
    } finally {
      connection.hasEnded = true;
      this.#wake?.();
    }
  }

  /** What was not acknowledged, then what comes. */
  async *#requests(connection: { readonly hasEnded: boolean }): AsyncGenerator<StreamCountsRequest> {
    const { producerId } = this;
    for (let sent = 0n; !connection.hasEnded; ) {
      const message = this.#backlog.next(sent);
      if (message !== undefined) {
        sent = message.sequence;
        yield create(StreamCountsRequestSchema, { producerId, ...message });
      } else if (!(await this.#change()) || this.#closed) {
        if (this.#backlog.isEmpty) return;
      }
    }
  }

  /** Sends one message as a call, whose request_id is its number. */
  async #call(): Promise<void> {
    const message = this.#backlog.next(0n);
    if (message === undefined) return;
    const { sequence, counts } = message;
    const requestId = `${this.producerId} ${sequence}`;
    const { rejections } = await this.#options.client.tasks.addCounts({ requestId, counts });
    this.#acknowledge({ acknowledgedSequence: sequence, rejections });
  }

  /** Takes an answer; answers whether something has become durable by it. */
  #acknowledge({
    acknowledgedSequence,
    rejections,
  }: Pick<StreamCountsResponse, "acknowledgedSequence" | "rejections">): boolean {
    const { onRejected } = this.#options;
    const message = this.#backlog.message(acknowledgedSequence);
    for (const { index, error } of onRejected ? rejections : []) {
      const delta = message?.counts[index];
      if (delta !== undefined && error !== undefined) onRejected?.({ ...delta, error });
    }
    const isProgress = this.#backlog.acknowledge(acknowledgedSequence);
    if (isProgress) this.#streak.progressed();
    this.#wake?.();
    return isProgress;
  }

  /** Waits until something has changed; false: nothing has, for a while. */
  #change(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, idleMs, false);
      const wake = (): void => {
        clearTimeout(timer);
        if (this.#wake === wake) this.#wake = undefined;
        // What comes in the same turn of the event loop goes together.
        setImmediate(resolve, true);
      };
      this.#wake = wake;
    });
  }
}

function wholeNumber(name: string, value: number | bigint): bigint {
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (isWhole && value >= 0 && value <= countMax) return BigInt(value);
  throw new RangeError(`${name} is ${value}; counts are whole numbers from 0 to 2^63 - 1`);
}

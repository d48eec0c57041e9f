import { setTimeout as sleep } from "node:timers/promises";
import { toBinary } from "@bufbuild/protobuf";
import { createContextValues } from "@connectrpc/connect";
import type { MillpondClient } from "../client.ts";
import { isUnanswered, retryDelayMs } from "../errors.ts";
import { type ReportResult, type TaskReport, TaskReportSchema } from "../gen/millpond/v1/report_pb.js";
import { answerReader } from "../grpc/answer-reader.ts";
import { backoffMs } from "../retry-policy.ts";
import type { Attempt } from "./attempt.ts";
import { readOutcomes } from "./read-outcomes.ts";

/** ReportEntry is a report that waits to be sent, and whom it concerns. */
export interface ReportEntry {
  readonly attempt: Attempt;
  readonly report: TaskReport;
  /** Of a heartbeat: is to be told when it is dealt with. Without it the report is a closing one. */
  readonly onDone?: () => void;
}

interface WaitingHeartbeat {
  readonly entry: { report: TaskReport };
  readonly dealtWith: Promise<void>;
}

/** ReportQueueOptions is what a {@link ReportQueue} works with. */
export interface ReportQueueOptions {
  readonly client: Pick<MillpondClient, "tasks">;
  /** Ends all trying. */
  readonly signal: AbortSignal;
  /** Is told what went wrong; does not throw. */
  readonly onError: (error: unknown) => void;
  /** Gets the server's answer to a report; does not throw. */
  readonly onAnswer: (entry: ReportEntry, result: ReportResult) => void;
  /** Is told that the server refused the call of a report as a whole; does not throw. */
  readonly onRefusal: (entry: ReportEntry, error: unknown) => void;
}

/** Bounds of one ReportTasks call: the contract's number of reports, and bytes well below what servers accept. */
const reportsMax = 1_000;
const bytesMax = 2 * 1024 * 1024;
/** Calls in flight at the same time: the server reads one while it commits the other. */
const callsMax = 2;
/** A second call is worth its transaction from so many reports on; fewer wait for the answer to the first. */
const reportsOfSecondCallMin = 100;
/** A report without output, details or progress, on the wire. */
const plainReportBytes = 64;
const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };

/**
 * ReportQueue sends reports in few calls: what is reported while a call is in flight goes together into the next, and
 * many reports share two calls in flight. The reports of one attempt arrive in their order: none is sent before the
 * earlier ones are answered, unless in the same call. While the server is away it goes on trying, until the signal is
 * aborted.
 */
export class ReportQueue {
  readonly #options: ReportQueueOptions;
  #waiting: ReportEntry[] = [];
  /** The heartbeats among what waits, at most one of an attempt. */
  readonly #heartbeats = new Map<Attempt, WaitingHeartbeat>();
  /** Attempts with a heartbeat in flight: what they report later waits for its answer. */
  readonly #inFlight = new Set<Attempt>();
  #calls = 0;
  #scheduled = false;
  #flushed: (() => void)[] = [];

  constructor(options: ReportQueueOptions) {
    this.#options = options;
  }

  /** Queues a report. Its answer goes to `onAnswer` or `onRefusal`. */
  add(entry: ReportEntry): void {
    this.#waiting.push(entry);
    if (this.#scheduled || this.#calls === callsMax) return;
    // What ends in the same turn of the event loop goes into the same call.
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sendWaiting();
    });
  }

  /**
   * Queues a heartbeat, and resolves when it is dealt with. One that still waits takes up what a later one says, and both are dealt with together: a handler that does not
   * wait for its heartbeats fills no memory, however long the server is away.
   */
  heartbeat(attempt: Attempt, report: TaskReport): Promise<void> {
    const waiting = this.#heartbeats.get(attempt);
    if (waiting !== undefined) {
      // Without progress it leaves what was reported before.
      if (report.report.case === "heartbeat" && report.report.value.progress) waiting.entry.report = report;
      return waiting.dealtWith;
    }
    const { promise: dealtWith, resolve } = Promise.withResolvers<void>();
    const entry = { attempt, report, onDone: resolve };
    this.#heartbeats.set(attempt, { entry, dealtWith });
    this.add(entry);
    return dealtWith;
  }

  /** Resolves when nothing waits to be sent or answered. */
  async flushed(): Promise<void> {
    if (this.#waiting.length === 0 && this.#calls === 0) return;
    await new Promise<void>((resolve) => this.#flushed.push(resolve));
  }

  #sendWaiting(): void {
    while (this.#calls < callsMax && this.#waiting.length >= (this.#calls === 0 ? 1 : reportsOfSecondCallMin)) {
      const batch = this.#takeBatch();
      if (batch.length === 0) break;
      this.#calls += 1;
      void this.#sendBatch(batch);
    }
    if (this.#waiting.length > 0 || this.#calls > 0) return;
    for (const resolve of this.#flushed.splice(0)) resolve();
  }

  /** Takes the next reports, in order, without those whose attempt has one in flight. */
  #takeBatch(): ReportEntry[] {
    const batch: ReportEntry[] = [];
    const held: ReportEntry[] = [];
    let bytes = 0;
    let read = 0;
    for (const entry of this.#waiting) {
      if (this.#inFlight.has(entry.attempt)) held.push(entry);
      else {
        const own = this.#bytesOf(entry);
        if (batch.length === reportsMax || (batch.length > 0 && bytes + own > bytesMax)) break;
        bytes += own;
        batch.push(entry);
      }
      read += 1;
    }
    this.#waiting = [...held, ...this.#waiting.slice(read)];
    for (const { attempt, onDone } of batch) {
      if (!onDone) continue;
      this.#heartbeats.delete(attempt);
      this.#inFlight.add(attempt);
    }
    return batch;
  }

  /** About how long a report is on the wire. It is encoded only where it carries something of the handler's. */
  #bytesOf({ report }: ReportEntry): number {
    if (report.report.case === "success" && !report.report.value.output) return plainReportBytes;
    try {
      return toBinary(TaskReportSchema, report).length;
    } catch {
      // It cannot be sent. Alone in its call it is refused alone.
      return bytesMax;
    }
  }

  /** Sends a batch and then what has come to wait. Never rejects. */
  async #sendBatch(batch: readonly ReportEntry[]): Promise<void> {
    await this.#send(batch);
    for (const { attempt, onDone } of batch) if (onDone) this.#inFlight.delete(attempt);
    this.#calls -= 1;
    this.#sendWaiting();
  }

  async #send(batch: readonly ReportEntry[]): Promise<void> {
    const { signal, onAnswer, onRefusal } = this.#options;
    let results: readonly ReportResult[];
    try {
      results = await this.#call(batch.map(({ report }) => report));
    } catch (error) {
      // The call was refused as a whole. One report may be to blame: each gets its own answer.
      if (batch.length === 1 || signal.aborted) for (const entry of batch) onRefusal(entry, error);
      else for (const entry of batch) await this.#send([entry]);
      return;
    }
    for (const [index, entry] of batch.entries()) {
      const result = results[index];
      if (result) onAnswer(entry, result);
      else onRefusal(entry, new Error(`the server answered ${results.length} of ${batch.length} reports`));
    }
  }

  async #call(reports: TaskReport[]): Promise<readonly ReportResult[]> {
    const { client, signal, onError } = this.#options;
    for (let failures = 1; ; failures++) {
      try {
        const contextValues = createContextValues().set(answerReader, readOutcomes);
        const answer = await client.tasks.reportTasks({ reports, brief: true }, { signal, contextValues });
        return answer.results;
      } catch (error) {
        if (signal.aborted || !(isUnanswered(error) || retryDelayMs(error) !== undefined)) throw error;
        onError(error);
        await sleep(backoffMs(backoff, failures), undefined, { signal });
      }
    }
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { toBinary } from "@bufbuild/protobuf";
import type { MillpondClient } from "../client.ts";
import { isTransient } from "../errors.ts";
import { type ReportResult, type TaskReport, TaskReportSchema } from "../gen/millpond/v1/report_pb.js";
import { backoffMs } from "../retry-policy.ts";

/** Bounds of one ReportTasks call: the contract's number of reports, and bytes well below what servers accept. */
const reportsMax = 1_000;
const bytesMax = 2 * 1024 * 1024;
const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };

interface Entry {
  readonly report: TaskReport;
  readonly bytes: number;
  readonly resolve: (result: ReportResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * ReportQueue sends reports in as few calls as possible: one call is in flight at a time, and what is reported meanwhile
 * goes together into the next. While the server is away it goes on trying, until the signal is aborted.
 */
export class ReportQueue {
  readonly #client: Pick<MillpondClient, "tasks">;
  readonly #signal: AbortSignal;
  readonly #onError: (error: unknown) => void;
  #waiting: Entry[] = [];
  #sending: Promise<void> | undefined;

  constructor(client: Pick<MillpondClient, "tasks">, signal: AbortSignal, onError: (error: unknown) => void) {
    this.#client = client;
    this.#signal = signal;
    this.#onError = onError;
  }

  /** Queues a report. Resolves with the server's answer; rejects when the server refuses the call as a whole. */
  report(report: TaskReport): Promise<ReportResult> {
    return new Promise((resolve, reject) => {
      const bytes = toBinary(TaskReportSchema, report).length;
      this.#waiting.push({ report, bytes, resolve, reject });
      this.#sending ??= this.#sendAll();
    });
  }

  /** Resolves when nothing waits to be sent. */
  async flushed(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  async #sendAll(): Promise<void> {
    // What ends in the same turn of the event loop goes into the same call.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#send(this.#takeBatch());
    this.#sending = undefined;
  }

  #takeBatch(): Entry[] {
    let bytes = 0;
    let count = 0;
    for (const entry of this.#waiting) {
      bytes += entry.bytes;
      if (count === reportsMax || (count > 0 && bytes > bytesMax)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Entry[]): Promise<void> {
    try {
      const results = await this.#call(batch.map(({ report }) => report));
      for (const [index, entry] of batch.entries()) {
        const result = results[index];
        if (result) entry.resolve(result);
        else entry.reject(new Error(`the server answered ${results.length} of ${batch.length} reports`));
      }
    } catch (error) {
      // The call was refused as a whole. One report may be to blame: each gets its own answer.
      if (batch.length === 1 || this.#signal.aborted) for (const entry of batch) entry.reject(error);
      else for (const entry of batch) await this.#send([entry]);
    }
  }

  async #call(reports: TaskReport[]): Promise<readonly ReportResult[]> {
    for (let failures = 1; ; failures++) {
      try {
        const answer = await this.#client.tasks.reportTasks({ reports, brief: true }, { signal: this.#signal });
        return answer.results;
      } catch (error) {
        if (this.#signal.aborted || !isTransient(error)) throw error;
        this.#onError(error);
        await sleep(backoffMs(backoff, failures), undefined, { signal: this.#signal });
      }
    }
  }
}

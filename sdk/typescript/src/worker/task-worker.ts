import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { MillpondClient } from "../client.ts";
import { type Counter, type CountInput, createCounter } from "../counter.ts";
import { ErrorReason } from "../gen/millpond/v1/error_reason_pb.js";
import type { ItemError, ReportResult, TaskReport } from "../gen/millpond/v1/report_pb.js";
import type { Assignment } from "../gen/millpond/v1/worker_pb.js";
import { answerReader } from "../grpc/answer-reader.ts";
import { Attempt, type AttemptCalls } from "./attempt.ts";
import { ClaimLoop } from "./claim-loop.ts";
import { errorListener } from "./error-listener.ts";
import { failureInsteadOf, textOf } from "./failure-of.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { LogQueue } from "./log-queue.ts";
import { readAssignments } from "./read-assignments.ts";
import { type ReportEntry, ReportQueue } from "./report-queue.ts";
import type { TaskHandler } from "./task-handler.ts";
import { WorkStream } from "./work-stream.ts";

/** WorkerOptions says who a worker is and how much it takes on. */
export interface WorkerOptions {
  readonly client: Pick<MillpondClient, "tasks" | "workers"> & Partial<Pick<MillpondClient, "protocol">>;
  /** The worker's own name, unique among those connected. Default: host name, process id and a random part. */
  readonly workerId?: string | undefined;
  /** How many tasks it executes at the same time, 1 to 10,000. Default 10. */
  readonly slots?: number | undefined;
  /** Compared with the labels that a task requires. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How long the server waits before it gives the tasks of a silent worker to others, where it claims by calls. Default 30,000. */
  readonly leaseMs?: number | undefined;
  /** How long one claim waits for a task, at most 60,000. Default 30,000. */
  readonly claimWaitMs?: number | undefined;
  /** How long `stop` lets handlers finish before it aborts them. Default 30,000. */
  readonly stopGraceMs?: number | undefined;
  /**
   * Whether it takes tasks by a stream, where one passes to the server: over gRPC, unless a proxy in between holds it back. Leases are then as long as the server says. Where none passes
   * (the server refuses it, as an earlier version does with UNIMPLEMENTED, or brings no welcome within 5 s) it claims by calls, and tries the stream again from time to time: the server may
   * have been upgraded, or slow. Over HTTP/1.1 (`protocol: "connect"`) it always claims. Default true.
   */
  readonly stream?: boolean | undefined;
  /** How long it claims by calls before it tries the stream again; twice as long after each failure, up to twenty times. Default 30,000: up to 10 minutes. */
  readonly streamRetryMs?: number | undefined;
  /** A stream that says nothing for so long is taken for broken, and made anew. Default 45,000; the server speaks every 15,000. */
  readonly silenceMaxMs?: number | undefined;
  /** Stops the worker on the first SIGTERM. Default false. */
  readonly stopOnSigterm?: boolean | undefined;
  /** Is told what went wrong and is being dealt with: a server that is away, a report that was refused. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** TaskWorker claims tasks of the kinds that it has handlers for, runs them and reports what became of them. */
export interface TaskWorker {
  readonly workerId: string;
  /** The number of attempts under way. */
  readonly running: number;
  /** Names the handler of a kind of task. Before `start`. */
  handle(kind: string, handler: TaskHandler): this;
  /** Begins to claim. Harmless when it has begun. */
  start(): void;
  /**
   * Claims no more, lets handlers finish within the grace, then aborts them, and resolves when the last report is
   * sent. Harmless when it has been called.
   */
  stop(): Promise<void>;
  /** Resolves when the worker has stopped; rejects when the server refuses it for good, for example its credentials. */
  readonly done: Promise<void>;
}

/** createWorker makes a worker that has not started. */
export function createWorker(options: WorkerOptions): TaskWorker {
  return new ClaimingWorker(options);
}

const slotsMax = 10_000;
/** Refusals of a call that are about what it says, as is an error of encoding. */
const contentCodes: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.ResourceExhausted, Code.OutOfRange]);
const claimWaitMsDefault = 30_000;
const streamRetryMsDefault = 30_000;
const silenceMaxMsDefault = 45_000;
/** How long aborted handlers and their reports may take before `stop` goes without them. */
const abandonAfterMs = 5_000;

class ClaimingWorker implements TaskWorker {
  readonly workerId: string;
  readonly done: Promise<void>;
  readonly #options: WorkerOptions;
  readonly #leaseMs: number;
  readonly #handlers = new Map<string, TaskHandler>();
  /** Attempts until their closing report is acknowledged. */
  readonly #running = new Set<Attempt>();
  /** Those whose handler has not ended. */
  #executing = 0;
  readonly #claiming = new AbortController();
  readonly #reporting = new AbortController();
  readonly #reports: ReportQueue;
  readonly #logs: LogQueue;
  readonly #leases: LeaseKeeper;
  readonly #settleDone: { resolve: () => void; reject: (error: unknown) => void };
  readonly #onError: (error: unknown) => void;
  readonly #onSigterm = () => void this.stop();
  readonly #claims: ClaimLoop;
  /** Made when a handler counts. */
  #counter: Counter | undefined;
  readonly #stream: WorkStream;
  #claimsEnd: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** Is called when the last running attempt ends. */
  #onIdle: (() => void) | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#onError = errorListener(options.onError);
    const { slots = 10 } = options;
    if (!Number.isInteger(slots) || slots < 1 || slots > slotsMax) {
      throw new RangeError(`slots is ${slots}; a worker has from 1 to ${slotsMax}`);
    }
    this.#leaseMs = options.leaseMs ?? 30_000;
    this.workerId = options.workerId ?? `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
    this.#reports = new ReportQueue({
      client: options.client,
      signal: this.#reporting.signal,
      onError: this.#onError,
      onAnswer: (entry, result) => this.#answered(entry, result),
      onRefusal: (entry, error) => this.#refused(entry, error),
    });
    this.#logs = new LogQueue({ client: options.client, signal: this.#reporting.signal, onError: this.#onError });
    const taken = () => Math.max(this.#executing, this.#running.size - slots);
    this.#stream = this.#openStream(slots, taken);
    this.#claims = new ClaimLoop({
      slots,
      running: taken,
      waitMs: options.claimWaitMs ?? claimWaitMsDefault,
      claim: (maxTasks) => this.#claim(maxTasks),
      signal: this.#claiming.signal,
      onError: this.#onError,
    });
    this.#leases = new LeaseKeeper({
      client: options.client,
      workerId: this.workerId,
      leaseMs: this.#leaseMs,
      attempts: () => this.#running,
      heartbeat: (attempts) => {
        const { leaseMs } = this.#stream;
        if (leaseMs !== undefined) this.#stream.heartbeat(attempts);
        return leaseMs;
      },
      onError: this.#onError,
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever does not look at `done` is told by onError.
    promise.catch(this.#onError);
    this.done = promise;
    this.#settleDone = { resolve, reject };
  }

  get running(): number {
    return this.#running.size;
  }

  handle(kind: string, handler: TaskHandler): this {
    if (this.#claimsEnd) throw new Error(`the handler of "${kind}" comes too late: the worker has started`);
    this.#handlers.set(kind, handler);
    return this;
  }

  start(): void {
    if (this.#claimsEnd) return;
    if (this.#handlers.size === 0) throw new Error("the worker has no handler; name one with handle(kind, handler)");
    if (this.#options.stopOnSigterm) process.once("SIGTERM", this.#onSigterm);
    this.#leases.start();
    this.#claimsEnd = this.#take().catch((error) => {
      this.#settleDone.reject(error);
      void this.stop();
    });
  }

  /** Takes tasks until it stops: by a stream, and by claims while none passes. */
  async #take(): Promise<void> {
    const { stream = true, client } = this.#options;
    if (!stream || client.protocol === "connect") return this.#claims.run();
    this.#claims.pause();
    await Promise.all([this.#stream.run(), this.#claims.run()]);
  }

  #openStream(slots: number, taken: () => number): WorkStream {
    const find = ({ taskId, attempt }: { readonly taskId: string; readonly attempt: number }): Attempt | undefined => {
      for (const each of this.#running) if (each.taskId === taskId && each.attempt === attempt) return each;
      return undefined;
    };
    return new WorkStream({
      client: this.#options.client,
      hello: () => ({
        ...{ workerId: this.workerId, kinds: [...this.#handlers.keys()], labels: { ...this.#options.labels }, slots },
      }),
      // Claims that were under way when it was welcomed may bring tasks.
      free: () => slots - taken() - this.#claims.asked,
      onAssignments: (assignments, leaseMs) => {
        // As with claims, a third is kept in reserve.
        const leaseExpiresAtMs = performance.now() + (leaseMs * 2) / 3;
        for (const assignment of assignments) this.#begin(assignment, leaseExpiresAtMs);
      },
      onCancel: (lease, reason) =>
        find(lease)?.abort("cancel_requested", reason || "the server asked to stop the attempt"),
      onLeaseLost: (lease) => find(lease)?.abort("lease_lost", "the attempt is no longer this worker's"),
      onWelcome: (heartbeatMs) => {
        this.#claims.pause();
        this.#leases.everyMs(heartbeatMs);
      },
      onNone: () => this.#claims.resume(),
      retryMs: this.#options.streamRetryMs ?? streamRetryMsDefault,
      silenceMaxMs: this.#options.silenceMaxMs ?? silenceMaxMsDefault,
      signal: this.#claiming.signal,
      onError: this.#onError,
    });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #claim(maxTasks: number): Promise<number> {
    const { client, labels, claimWaitMs = claimWaitMsDefault } = this.#options;
    const request = {
      workerId: this.workerId,
      kinds: [...this.#handlers.keys()],
      labels: { ...labels },
      maxTasks,
      waitTimeout: durationFromMs(claimWaitMs),
      lease: durationFromMs(this.#leaseMs),
    };
    const contextValues = createContextValues().set(answerReader, readAssignments);
    const { signal } = this.#claiming;
    try {
      const { assignments } = await client.workers.claimTasks(request, { signal, contextValues });
      // The leases began before the answer came: the server's clock cannot be compared, so a third is kept in reserve.
      const leaseExpiresAtMs = performance.now() + (this.#leaseMs * 2) / 3;
      for (const assignment of assignments) this.#begin(assignment, leaseExpiresAtMs);
      return assignments.length;
    } finally {
      // What it has not filled is free for a stream that was welcomed meanwhile.
      this.#stream.slotsChanged();
    }
  }

  #begin(assignment: Assignment, leaseExpiresAtMs: number): void {
    const attempt = new Attempt(assignment, leaseExpiresAtMs);
    this.#running.add(attempt);
    this.#executing += 1;
    attempt.run(this.#handlers.get(attempt.kind) ?? noHandler, this.#calls, this.#onHandlerEnd);
  }

  readonly #calls: AttemptCalls = {
    heartbeat: (attempt, report) => this.#reports.heartbeat(attempt, report),
    log: (attempt, level, message) => this.#logs.add(attempt, level, message),
    count: (attempt, counts) => this.#count(attempt, counts),
  };

  readonly #count = (attempt: Attempt, counts: CountInput): Promise<void> => {
    this.#counter ??= createCounter({
      client: this.#options.client,
      signal: this.#reporting.signal,
      onInterrupted: this.#onError,
      onRejected: ({ taskId, error: { reason, message } }) =>
        this.#onError(new Error(`counts of task ${taskId} refused: ${ErrorReason[reason]}: ${message}`)),
    });
    attempt.hasCounted = true;
    return this.#counter.count(attempt.taskId, counts).catch((error: unknown) => {
      if (error instanceof RangeError) throw error;
      this.#onError(error);
    });
  };

  readonly #onHandlerEnd = (attempt: Attempt, report: TaskReport): void => {
    // The slot is free while the report is on its way: what it makes ready can be handed out in the commit of the report. As many may be on their way as there are slots.
    this.#executing -= 1;
    // The claim goes first: then it is there when the report is committed.
    this.#slotsChanged();
    if (!attempt.hasCounted && !this.#logs.holds(attempt)) this.#close(attempt, report);
    else void this.#closeBehind(attempt, report);
  };

  /** A task that has ended takes no counts, and its last lines are there when it has ended for everybody: its report goes when these are in, or have failed for good. */
  async #closeBehind(attempt: Attempt, report: TaskReport): Promise<void> {
    await Promise.all([
      attempt.hasCounted && !attempt.disowned ? this.#counter?.flush().catch(this.#onError) : undefined,
      this.#logs.holds(attempt) ? this.#logs.finish(attempt) : undefined,
    ]);
    this.#close(attempt, report);
  }

  #close(attempt: Attempt, report: TaskReport): void {
    if (attempt.disowned) this.#ended(attempt);
    else this.#reports.add({ attempt, report });
  }

  #ended(attempt: Attempt): void {
    this.#running.delete(attempt);
    this.#slotsChanged();
    if (this.#running.size === 0) this.#onIdle?.();
  }

  #slotsChanged(): void {
    this.#stream.slotsChanged();
    this.#claims.slotsChanged();
  }

  #answered(entry: ReportEntry, { result, cancelRequested }: ReportResult): void {
    if (cancelRequested) entry.attempt.abort("cancel_requested", "the server asked to stop the attempt");
    if (result.case !== "error") this.#done(entry);
    else if (result.value.reason !== ErrorReason.TASK_ENDED) this.#reportFailed(entry, result.value);
    else {
      // Of a closing report: its first answer was lost. Of a heartbeat: somebody else ended the task.
      entry.attempt.abort("cancel_requested", result.value.message);
      this.#done(entry);
    }
  }

  #reportFailed(entry: ReportEntry, { reason, message }: ItemError): void {
    const { attempt } = entry;
    if (reason === ErrorReason.STALE_ATTEMPT || reason === ErrorReason.LEASE_LOST) attempt.abort("lease_lost", message);
    this.#onError(new Error(`report on task ${attempt.taskId} refused: ${ErrorReason[reason]}: ${message}`));
    if (reason === ErrorReason.INVALID_FIELD) this.#reportRefusal(entry, message);
    else this.#done(entry);
  }

  #refused(entry: ReportEntry, error: unknown): void {
    this.#onError(error);
    // Where the output is not to blame (who may not report at all, a server that is broken), nothing else is reported: the lease runs out.
    if (error instanceof ConnectError && !contentCodes.has(error.code)) this.#done(entry);
    else this.#reportRefusal(entry, textOf(error));
  }

  /** Reports what can be said instead of a closing report that was refused: once, because what is sent instead has nothing left to leave out. */
  #reportRefusal(entry: ReportEntry, message: string): void {
    const value = this.#reporting.signal.aborted ? undefined : failureInsteadOf(entry.report, message);
    if (value) this.#reports.add({ attempt: entry.attempt, report: entry.attempt.failure(value) });
    else this.#done(entry);
  }

  #done({ attempt, onDone }: ReportEntry): void {
    if (onDone) onDone();
    else this.#ended(attempt);
  }

  async #stop(): Promise<void> {
    process.off("SIGTERM", this.#onSigterm);
    this.#claiming.abort();
    // A stream takes heartbeats until the last attempt has ended; what was on its way when it was told to bring no more has come when it is closed.
    const ended = this.#idle()
      .then(() => this.#stream.close())
      .then(() => this.#claimsEnd)
      .then(() => this.#idle())
      .then(() => this.#reports.flushed());
    if (!(await endsWithin(ended, this.#options.stopGraceMs ?? 30_000))) {
      for (const attempt of this.#running) attempt.abort("worker_stopped", "the worker stops");
      await endsWithin(ended, abandonAfterMs);
    }
    this.#leases.stop();
    this.#reporting.abort();
    await this.#stream.close();
    this.#settleDone.resolve();
  }

  /** Resolves when no attempt is under way. */
  #idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}

/** Fails an attempt of a kind that was not asked for. */
const noHandler: TaskHandler = ({ task }) => {
  throw new Error(`the worker has no handler for kind "${task?.kind ?? ""}"`);
};

async function endsWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  return inTime;
}

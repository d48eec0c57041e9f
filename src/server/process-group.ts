import cluster, { type Worker } from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { GroupMetrics } from "./group-metrics.ts";
import type { FromProcess, ToProcess } from "./process-messages.ts";

/** What a {@link ProcessGroup} is made of. */
export interface ProcessGroupOptions {
  readonly count: number;
  /** Environment variables of the processes, on top of those of this one. */
  readonly env: Readonly<Record<string, string>>;
  /** The port that was asked for; 0: one that the system chooses, the same for all. */
  readonly port: number;
  /** How long a stop may take before what is left is killed. */
  readonly stopTimeoutMs: number;
  readonly logger: Logger;
}

/** Waits before the first, second, … process that ended within {@link healthyAfterMs} is replaced; the last for all further ones. */
const replaceDelaysMs = [0, 100, 250, 500, 1_000, 2_000, 5_000];
const healthyAfterMs = 60_000;
/** When so many in a row have ended before they served, and none serves, none will. */
const failedStartsMax = 5;

interface Member {
  readonly worker: Worker;
  readonly startedAtMs: number;
  readonly ended: Promise<void>;
  listening: boolean;
  ask(request: number): void;
}

/**
 * ProcessGroup runs several processes that are one server on one port, for machines with more cores than one process can use:
 *
 *     starting ── listening ──> serving ── ends by itself ──> replaced, after a wait that grows
 *        │ └─ ends ──> replaced; the fifth in a row, or a reason that it can name at the group's own start ──> failed
 *        └────── stop() ──────────┴──> told to stop ──> ended, killed after `stopTimeoutMs`
 *
 * This process accepts the connections and deals them out in turn: gRPC connections are few and live long, and a kernel that chooses by hash
 * (SO_REUSEPORT) may give them all to one process. It serves nothing itself, so it is always free to. The others end with it, whatever ends it:
 * their IPC channel closes.
 */
export class ProcessGroup {
  readonly #options: ProcessGroupOptions;
  readonly #members = new Set<Member>();
  readonly #metrics = new GroupMetrics();
  readonly #stopping = new AbortController();
  readonly #up = Promise.withResolvers<string>();
  readonly #failure = Promise.withResolvers<Error>();
  /** The port that processes ask for: they share it when they ask for the same. */
  #askedPort: number;
  /** The port that they have. */
  #port: number | undefined;
  #isUp = false;
  #failedStarts = 0;
  #earlyEndsAtMs: number[] = [];

  constructor(options: ProcessGroupOptions) {
    this.#options = options;
    this.#askedPort = options.port;
    // What makes `failed` resolve makes the start fail too; whoever started hears of it there.
    this.#up.promise.catch(() => {});
  }

  /** Resolves with the reason when the group cannot go on. Its processes may still serve: stop it. */
  get failed(): Promise<Error> {
    return this.#failure.promise;
  }

  /** Starts the processes and resolves with their URL when all of them serve. Rejects when they cannot; what has started must be stopped. */
  start(): Promise<string> {
    // Also on Windows, where the default is to share the handle.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    // Metrics may be NaN, which JSON does not have.
    cluster.setupPrimary({ serialization: "advanced", windowsHide: true });
    for (let n = 0; n < this.#options.count; n += 1) this.#fork();
    return this.#up.promise;
  }

  /** Stops the processes in good order and resolves when all have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#up.reject(new Error("stopped while it started"));
    for (const { worker } of this.#members) tell(worker, { case: "stop" });
    const late = setTimeout(() => {
      for (const { worker } of this.#members) {
        this.#options.logger.warn({ process: worker.process.pid }, "a process did not stop in time and is killed");
        worker.process.kill("SIGKILL");
      }
    }, this.#options.stopTimeoutMs);
    await Promise.all([...this.#members].map(({ ended }) => ended));
    clearTimeout(late);
  }

  #fork(): void {
    // With the last one that served, a port that the system chose is gone: it has to be asked for by its number.
    if (!this.#isServing()) this.#askedPort = this.#port ?? this.#askedPort;
    const worker = cluster.fork({ ...this.#options.env, PORT: String(this.#askedPort) });
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const member: Member = {
      ...{ worker, ended, listening: false, startedAtMs: performance.now() },
      ask: (request) => tell(worker, { case: "metrics", request }),
    };
    this.#members.add(member);
    worker.on("message", (message: FromProcess) => this.#hear(member, message));
    const onEnd = (how: string) => {
      if (!this.#members.delete(member)) return;
      this.#metrics.ended(member);
      resolve();
      if (!this.#stopping.signal.aborted) void this.#replace(member, how);
    };
    worker.on("exit", (code, signal) => onEnd(signal ? `by ${signal}` : `with code ${code}`));
    // It could not be started, or not be told something: its end tells of the latter.
    worker.on("error", (error) => {
      if (worker.process.pid === undefined) onEnd(error.message);
    });
  }

  #hear(member: Member, message: FromProcess): void {
    switch (message.case) {
      case "listening":
        this.#serves(member, message);
        break;
      case "failed":
        // Of a group that serves, a process that cannot start now may start later: the database is away, say.
        if (!this.#isUp) this.#fail(message.message);
        else
          this.#options.logger.error(
            { process: member.worker.process.pid, reason: message.message },
            "a process cannot start",
          );
        break;
      case "all-metrics":
        void this.#answerMetrics(member, message.request);
        break;
      case "metrics":
        this.#metrics.told(member, message.request, message.metrics);
        break;
    }
  }

  #serves(member: Member, { url, port }: { readonly url: string; readonly port: number }): void {
    this.#port ??= port;
    if (port !== this.#port) {
      // The last one that served ended while this one started.
      member.worker.process.kill("SIGKILL");
      return;
    }
    member.listening = true;
    this.#failedStarts = 0;
    if (this.#isUp) {
      this.#options.logger.info({ process: member.worker.process.pid }, "a process has been replaced");
    } else if ([...this.#members].filter(({ listening }) => listening).length === this.#options.count) {
      this.#isUp = true;
      this.#up.resolve(url);
    }
  }

  async #replace({ worker, listening, startedAtMs }: Member, how: string): Promise<void> {
    const { logger } = this.#options;
    this.#failedStarts = listening ? 0 : this.#failedStarts + 1;
    if (this.#failedStarts >= failedStartsMax && !this.#isServing()) {
      this.#fail(`${failedStartsMax} processes in a row ended before they served, the last one ${how}`);
      return;
    }
    const now = performance.now();
    const early = now - startedAtMs < healthyAfterMs ? [now] : [];
    this.#earlyEndsAtMs = [...this.#earlyEndsAtMs.filter((at) => now - at < healthyAfterMs), ...early];
    const delayMs = replaceDelaysMs[Math.min(this.#earlyEndsAtMs.length, replaceDelaysMs.length) - 1] ?? 0;
    logger.error({ process: worker.process.pid, delayMs }, `a process ended ${how}; starting another one`);
    await delay(delayMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
    if (!this.#stopping.signal.aborted) this.#fork();
  }

  #isServing(): boolean {
    return [...this.#members].some(({ listening }) => listening);
  }

  async #answerMetrics(asking: Member, request: number): Promise<void> {
    const text = await this.#metrics.collect([...this.#members].filter(({ listening }) => listening));
    tell(asking.worker, { case: "all-metrics", request, text });
  }

  #fail(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    const error = new Error(reason);
    this.#up.reject(error);
    this.#failure.resolve(error);
  }
}

/** One that has ended, or is about to, need not be told. */
function tell(worker: Worker, message: ToProcess): void {
  if (worker.isConnected()) worker.process.send(message, undefined, undefined, () => {});
}

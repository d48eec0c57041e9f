import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { MillpondClient } from "../client.ts";
import { errorReason } from "../errors.ts";
import { FailureStreak } from "../failure-streak.ts";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "../gen/millpond/v1/error_reason_pb.js";
import type { Assignment } from "../gen/millpond/v1/worker_pb.js";
import type { WorkerHello, WorkRequestSchema, WorkResponse } from "../gen/millpond/v1/worker_service_pb.js";
import { answerReader } from "../grpc/answer-reader.ts";
import { backoffMs } from "../retry-policy.ts";
import { readWorkResponse } from "./read-work-response.ts";

type Request = NonNullable<MessageInitShape<typeof WorkRequestSchema>["message"]>;
type Lease = { readonly taskId: string; readonly attempt: number };

/** WorkStreamOptions is what a {@link WorkStream} works with. */
export interface WorkStreamOptions {
  readonly client: Pick<MillpondClient, "workers">;
  readonly hello: () => Pick<WorkerHello, "workerId" | "kinds" | "labels" | "slots">;
  /** The number of slots that are free. */
  readonly free: () => number;
  /** Gets tasks to begin, whose leases last so long from now, or from the next heartbeat. */
  readonly onAssignments: (assignments: readonly Assignment[], leaseMs: number) => void;
  /** Is told that attempts are to stop. */
  readonly onCancel: (lease: Lease, reason: string) => void;
  readonly onLeaseLost: (lease: Lease) => void;
  /** Is told that a stream takes tasks, and that heartbeats can be sent, as often as that. */
  readonly onWelcome: (heartbeatMs: number) => void;
  /** Is told that no stream passes for now: tasks have to be claimed until the next welcome. */
  readonly onNone: () => void;
  /** How long it waits before it tries again where none passed; twice as long after each failure, up to twenty times. */
  readonly retryMs: number;
  /** A stream that says nothing for so long is taken for broken. */
  readonly silenceMaxMs: number;
  /** Takes no more tasks. */
  readonly signal: AbortSignal;
  /** Is told what went wrong; does not throw. */
  readonly onError: (error: unknown) => void;
}

/** How long a welcome may take: a proxy that does not let messages through both ways never brings it. */
const welcomeMs = 5_000;
const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };
/** From so many failures in a row on, none passes any more where one did: a proxy has come between, for example. */
const failuresMax = 5;
const retryGrowthMax = 20;
const creditMax = 10_000;
const leasesMax = 1_000;
/** How long the end of the stream may take once this side has ended it. */
const closeMs = 5_000;

/** Failures that will not change by connecting again. */
const finalCodes: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.Unauthenticated, Code.PermissionDenied]);
/** Failures of who cannot be reached, or not now: they say nothing about whether streams pass. */
const awayCodes: ReadonlySet<Code> = new Set([
  ...[Code.Unavailable, Code.Aborted, Code.Canceled, Code.DeadlineExceeded, Code.ResourceExhausted],
]);

/**
 * WorkStream keeps a stream of the worker to a server, makes it anew when it is lost, and gives credit for free slots, never for more. Reports and logs do not go over
 * it: calls of their own carry thousands of reports at a time and say of each, or of the call, why it was refused; and what is sent again is known by its request id.
 *
 *     trying ── welcome ──► passes ── is lost: tries again at once ──► passes
 *       ▲  └── refused, or silent ──► none passes: tasks are claimed ◄── five failures in a row, or UNIMPLEMENTED ──┘
 *       └──────── after a while, longer each time ──┘
 *
 * A server that is away says nothing about whether streams pass: it is waited for.
 */
export class WorkStream {
  readonly #options: WorkStreamOptions;
  #current: Connection | undefined;
  #isClosed = false;
  readonly #stopped = new AbortController();

  constructor(options: WorkStreamOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#current?.drain(), { once: true });
  }

  /** The lease that heartbeats extend to; undefined: there is no stream that takes them. */
  get leaseMs(): number | undefined {
    return this.#current?.leaseMs;
  }

  /** Keeps a stream until `close`. Where none passes, says so and tries again later. Rejects when the server refuses for good. */
  async run(): Promise<void> {
    for (let misses = 0; ; misses += 1) {
      if (await this.#keep()) misses = 0;
      if (this.#isOver) return;
      this.#options.onNone();
      await this.#pause(streamRetryDelayMs(this.#options.retryMs, misses));
      if (this.#isOver) return;
    }
  }

  /** Who takes no more and has lost the stream extends leases by calls. */
  get #isOver(): boolean {
    return this.#isClosed || this.#options.signal.aborted;
  }

  /** Keeps a stream until it is over, or none passes: an earlier version of the server, HTTP/1.1, or a proxy that holds back what is sent. Answers whether one had passed. */
  async #keep(): Promise<boolean> {
    let hasPassed = false;
    const streak = new FailureStreak();
    while (!this.#isOver) {
      const connection = new Connection(this.#options, streak);
      this.#current = connection;
      const error = await connection.run();
      this.#current = undefined;
      hasPassed ||= connection.leaseMs !== undefined;
      if (this.#isOver) break;
      if (error !== undefined && isFinal(error)) throw error;
      const failures = streak.ended();
      const mayPass = hasPassed && failures < failuresMax && error?.code !== Code.Unimplemented;
      if (!mayPass && !isAway(connection, error)) break;
      if (error !== undefined && !connection.wasDrained) this.#options.onError(error);
      await this.#pause(backoffMs(backoff, failures));
    }
    return hasPassed;
  }

  async #pause(ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, this.#options.signal]);
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }

  /** Says that a slot may have become free. */
  slotsChanged(): void {
    this.#current?.slotsChanged();
  }

  /** Sends a heartbeat that names the attempts under way. */
  heartbeat(leases: readonly Lease[]): void {
    for (let from = 0; from === 0 || from < leases.length; from += leasesMax) {
      const part = leases.slice(from, from + leasesMax).map(({ taskId, attempt }) => ({ taskId, attempt }));
      this.#current?.send({ case: "heartbeat", value: { leases: part } });
    }
  }

  /** Ends the stream: whatever has been assigned has come when it resolves. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopped.abort();
    await this.#current?.close();
  }
}

/** How long to wait before a stream is tried again, after so many failures since one passed. */
export function streamRetryDelayMs(firstMs: number, misses: number): number {
  return firstMs * Math.min(2 ** misses, retryGrowthMax);
}

/** Whether the end of a stream says nothing about whether streams pass. */
function isAway({ isLate, leaseMs }: Connection, error: ConnectError | undefined): boolean {
  return error === undefined ? leaseMs !== undefined : !isLate && awayCodes.has(error.code);
}

function isFinal(error: ConnectError): boolean {
  if (finalCodes.has(error.code)) return true;
  // Another worker of this name has come.
  const [info] = error.findDetails(ErrorInfoSchema);
  return errorReason(error) === ErrorReason.LEASE_LOST && info?.metadata.worker_id !== undefined;
}

/** Connection is one stream. */
class Connection {
  /** Once it is welcomed, and as long as it takes heartbeats. */
  leaseMs: number | undefined;
  wasDrained = false;
  isLate = false;
  readonly #options: WorkStreamOptions;
  readonly #streak: FailureStreak;
  readonly #abort = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #requests: Request[] = [];
  #wake: (() => void) | undefined;
  #sendsNoMore = false;
  /** Given and not used. */
  #credit = 0;
  #isGiving = false;

  constructor(options: WorkStreamOptions, streak: FailureStreak) {
    this.#options = options;
    this.#streak = streak;
  }

  /** Resolves with how the stream ended; undefined: without an error. */
  async run(): Promise<ConnectError | undefined> {
    let timer = setTimeout(() => this.#late(), welcomeMs);
    this.send({ case: "hello", value: this.#options.hello() });
    try {
      const contextValues = createContextValues().set(answerReader, readWorkResponse);
      const { signal } = this.#abort;
      for await (const response of this.#options.client.workers.work(this.#messages(), { signal, contextValues })) {
        if (response.message.case === "welcome") {
          clearTimeout(timer);
          timer = setTimeout(() => this.#silent(), this.#options.silenceMaxMs);
        } else timer.refresh();
        this.#take(response);
      }
      return undefined;
    } catch (error) {
      return ConnectError.from(error);
    } finally {
      clearTimeout(timer);
      this.#endSending();
      this.#ended.resolve();
    }
  }

  send(request: Request): void {
    if (this.#sendsNoMore) return;
    this.#requests.push(request);
    this.#wake?.();
  }

  slotsChanged(): void {
    if (this.#isGiving || this.leaseMs === undefined) return;
    this.#isGiving = true;
    // What becomes free in the same turn of the event loop is given together.
    setImmediate(() => {
      this.#isGiving = false;
      this.#give();
    });
  }

  /** Takes no more tasks. */
  drain(): void {
    this.send({ case: "drain", value: {} });
  }

  async close(): Promise<void> {
    this.#endSending();
    const timer = setTimeout(() => this.#abort.abort(), closeMs);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  #late(): void {
    this.isLate = true;
    this.#abort.abort(new ConnectError(`no welcome came within ${welcomeMs} ms`, Code.DeadlineExceeded));
  }

  /** Whoever stands in between may keep a connection to a server that has gone. Then heartbeats extend nothing, whatever this side believes. */
  #silent(): void {
    this.#abort.abort(new ConnectError(`no message for ${this.#options.silenceMaxMs} ms`, Code.Unavailable));
  }

  #endSending(): void {
    this.#sendsNoMore = true;
    this.#wake?.();
  }

  #give(): void {
    if (this.wasDrained || this.#options.signal.aborted) return;
    const tasks = Math.min(this.#options.free() - this.#credit, creditMax - this.#credit);
    if (tasks <= 0) return;
    this.#credit += tasks;
    this.send({ case: "credit", value: { tasks } });
  }

  #take({ message }: WorkResponse): void {
    switch (message.case) {
      case "welcome": {
        const { heartbeatInterval, lease } = message.value;
        const heartbeatMs = heartbeatInterval === undefined ? 10_000 : durationMs(heartbeatInterval);
        this.leaseMs = lease === undefined ? heartbeatMs * 2 : durationMs(lease);
        this.#streak.welcomed();
        this.#options.onWelcome(heartbeatMs);
        if (this.#options.signal.aborted) this.drain();
        this.#give();
        return;
      }
      case "assignments": {
        const { assignments } = message.value;
        this.#credit -= assignments.length;
        if (assignments.length > 0) {
          this.#streak.progressed();
          this.#options.onAssignments(assignments, this.leaseMs ?? 0);
        }
        this.slotsChanged();
        return;
      }
      case "cancel":
        this.#options.onCancel(message.value, message.value.reason);
        return;
      case "leaseLost":
        if (message.value.lease !== undefined) this.#options.onLeaseLost(message.value.lease);
        return;
      case "drain":
        // Another one is made; nothing waits for an answer of this one.
        this.wasDrained = true;
        this.#endSending();
        return;
      default:
    }
  }

  async *#messages(): AsyncGenerator<{ message: Request }> {
    for (;;) {
      for (const message of this.#requests.splice(0)) yield { message };
      if (this.#requests.length > 0) continue;
      if (this.#sendsNoMore) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

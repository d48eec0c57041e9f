import { claimTasks, releaseClaims } from "../commands/claim-tasks.ts";
import type { Engine } from "../commands/engine.ts";
import { MillpondError } from "../domain/errors.ts";
import { Execution } from "../domain/task-status.ts";
import { Loop } from "../lib/loop.ts";
import { type Claimed, queuesWithReadyTasks } from "../store/attempts.ts";

/** A worker that asks for tasks. */
export interface ClaimRequest {
  readonly worker: number;
  readonly kinds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly max: number;
  readonly leaseMs: number;
  /** How long to wait for the first task. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly request: ClaimRequest;
  /** Has not had its first look yet. */
  fresh: boolean;
  busy: boolean;
  gone: boolean;
  readonly answer: (tasks: Claimed["tasks"]) => void;
  readonly fail: (error: unknown) => void;
}

/** What a {@link ClaimLine} is made of. */
export interface ClaimLineOptions {
  readonly engine: Engine;
  /** How many workers may wait at once; more are refused with LIMIT_EXCEEDED. */
  readonly waitersMax: number;
  /** How often queues are looked at when nobody says that they have something: the bound on a lost notification. */
  readonly pollMs: number;
  readonly onError: (error: unknown) => void;
}

const claimsInFlightMax = 3;

/**
 * The line of workers that wait for tasks, first come first served. A commit that makes a task ready marks its queue, and the first waiter that may
 * take from it looks; nobody looks at a queue that is not marked. One slow query per `pollMs` covers a mark that was lost.
 */
export class ClaimLine {
  readonly #options: ClaimLineOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #marked = new Set<number>();
  readonly #poll: Loop;
  #inFlight = 0;
  #stopped = false;

  constructor(options: ClaimLineOptions) {
    this.#options = options;
    this.#poll = new Loop({
      runOnce: () => this.runOnce(),
      delayMs: () => options.pollMs,
      onError: options.onError,
    });
  }

  /** How many workers wait now. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Begins to poll. */
  start(): void {
    this.#poll.start();
  }

  /** Lets all who wait go with nothing. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const waiter of this.#waiters) if (!waiter.busy) waiter.answer([]);
    await this.#poll.stop();
  }

  /** Marks queues that have something to start; undefined: any may have. */
  mark(queues: readonly number[] | undefined): void {
    if (this.#waiters.size === 0) return;
    if (queues === undefined) {
      for (const waiter of this.#waiters) waiter.fresh = true;
      this.#serve();
      return;
    }
    if (queues.length === 0) return;
    for (const queue of queues) this.#marked.add(queue);
    this.#serve();
  }

  /** Looks once at the queues of all who wait. */
  async runOnce(): Promise<boolean> {
    if (this.#waiters.size === 0) return false;
    await this.#options.engine.dictionaries.refreshStaleQueues();
    const queues = new Set([...this.#waiters].flatMap((waiter) => this.#queuesOf(waiter.request)));
    if (queues.size > 0) this.mark(await queuesWithReadyTasks(this.#options.engine.db, [...queues]));
    return false;
  }

  /** Takes tasks for a worker; waits up to `waitMs` for the first. Nothing may come: then the answer is empty. */
  claim(request: ClaimRequest): Promise<Claimed["tasks"]> {
    if (this.#stopped || request.signal.aborted) return Promise.resolve([]);
    if (this.#waiters.size >= this.#options.waitersMax) {
      const message = `${this.#options.waitersMax} workers wait for tasks already; try again later, or use more servers`;
      return Promise.reject(
        new MillpondError("LIMIT_EXCEEDED", message, {
          metadata: { limit: String(this.#options.waitersMax) },
          retryDelayMs: 1_000,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        request.signal.removeEventListener("abort", leave);
        waiter.gone = true;
        this.#waiters.delete(waiter);
      };
      const leave = (): void => {
        if (waiter.busy) waiter.gone = true;
        else waiter.answer([]);
      };
      const waiter: Waiter = {
        ...{ request, fresh: true, busy: false, gone: false },
        answer: (tasks) => {
          finish();
          resolve(tasks);
        },
        fail: (error) => {
          finish();
          reject(error);
        },
      };
      // Time does not end before the first look: who does not wait still gets what there is.
      const timer = setTimeout(() => {
        if (waiter.fresh) waiter.gone = true;
        else leave();
      }, request.waitMs);
      request.signal.addEventListener("abort", leave, { once: true });
      this.#waiters.add(waiter);
      this.#serve();
    });
  }

  #queuesOf(request: ClaimRequest): number[] {
    const { dictionaries, namespaceId } = this.#options.engine;
    return dictionaries.queuesOfKinds(namespaceId, request.kinds).flatMap((queue) => {
      const fits =
        queue.execution === Execution.WORKER &&
        Object.entries(queue.labels).every(([name, value]) => request.labels[name] === value);
      return fits ? [queue.id] : [];
    });
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      if (this.#inFlight >= claimsInFlightMax) return;
      if (waiter.busy) continue;
      const queues = this.#queuesOf(waiter.request);
      if (!waiter.fresh && !queues.some((queue) => this.#marked.has(queue))) continue;
      // Marks are taken away before the look: one that comes during it stays.
      for (const queue of queues) this.#marked.delete(queue);
      void this.#look(waiter, queues);
    }
  }

  async #look(waiter: Waiter, known: readonly number[]): Promise<void> {
    const { engine } = this.#options;
    const { request } = waiter;
    let queues = known;
    waiter.fresh = false;
    waiter.busy = true;
    this.#inFlight += 1;
    try {
      if (queues.length === 0) {
        // Another server may have made them just now.
        await engine.dictionaries.refreshQueues();
        queues = this.#queuesOf(request);
      }
      const claimed =
        queues.length === 0 || request.signal.aborted
          ? { tasks: [], more: false }
          : await claimTasks(engine, { queues, max: request.max, worker: request.worker, leaseMs: request.leaseMs });
      if (claimed.more) for (const queue of queues) this.#marked.add(queue);
      if (request.signal.aborted) await releaseClaims(engine, claimed.tasks);
      else if (claimed.tasks.length > 0 || waiter.gone || this.#stopped) waiter.answer(claimed.tasks);
      if (request.signal.aborted) waiter.answer([]);
    } catch (error) {
      waiter.fail(error);
    } finally {
      waiter.busy = false;
      this.#inFlight -= 1;
      this.#serve();
    }
  }
}

import { MillpondError } from "../domain/errors.ts";
import { matchesLabels } from "../domain/labels.ts";
import type { Place, PlaceSource, Reservation, StartedTask } from "../domain/places.ts";
import type { KnownAssignment } from "../domain/task.ts";
import { Execution } from "../domain/task-status.ts";
import type { Dictionaries } from "../store/dictionaries.ts";

/** A task that was claimed for a worker. */
export interface ClaimedTask {
  readonly id: bigint;
  readonly attempt: number;
  /** What the worker is handed, where that is known: else it is read. */
  readonly assignment?: KnownAssignment | undefined;
}

/** Forgets what is known of tasks, which may have changed meanwhile: it is read again. */
export function withoutAssignments(tasks: readonly ClaimedTask[]): ClaimedTask[] {
  return tasks.map(({ id, attempt }) => ({ id, attempt }));
}

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

/** A worker that stays in line until it leaves. */
export interface SeatRequest extends Pick<ClaimRequest, "worker" | "kinds" | "labels" | "leaseMs"> {
  /** Gets what was claimed for it; does not throw. */
  readonly onTasks: (tasks: readonly ClaimedTask[]) => void;
}

/** A place in the line that is kept. */
export interface Seat {
  /** Says how many tasks it takes from now on; 0: none. What is under way to it already may come all the same. */
  offer(max: number): void;
  /** Leaves the line. What is claimed for it later is given back. */
  leave(): void;
}

/** What a {@link WaitingWorkers} is made of. */
export interface WaitingWorkersOptions {
  readonly dictionaries: Pick<Dictionaries, "queuesOfKinds" | "queueCount">;
  readonly namespaceId: number;
  /** How many workers may wait at once; more are refused with LIMIT_EXCEEDED. */
  readonly waitersMax: number;
  /** Gives back what was claimed for a worker that has gone meanwhile. */
  readonly release: (tasks: readonly ClaimedTask[]) => Promise<void>;
  /** Told how many tasks workers are handed: in the commit that made these ready, or from a queue. */
  readonly onHandOut: (from: "commit" | "queue", tasks: number) => void;
  /** Told when workers may look for tasks: one has come, queues are marked, or places were not used. */
  readonly onChange: () => void;
}

interface Waiter {
  readonly request: Pick<ClaimRequest, "worker" | "kinds" | "labels" | "leaseMs">;
  /** How many tasks it takes. */
  max: number;
  /** So many places are lent to the look, or the transaction, that may be about to give it tasks. */
  lent: number;
  busy: boolean;
  gone: boolean;
  /** The queues that it may take from, as of so many known queues. */
  queues: readonly number[];
  queueCount: number;
  /** It goes with what it is handed, be it nothing; a seat stays. */
  readonly answer: (tasks: readonly ClaimedTask[]) => void;
  readonly fail: (error: unknown) => void;
  /** Whether nobody waits for what is handed to it: it is given back. */
  readonly isUnheard: () => boolean;
}

/** Workers that look together: all of them take from the same queues. Like a {@link Reservation}, it is settled once. */
export interface Look {
  readonly queues: readonly number[];
  readonly places: readonly Place[];
  /** Hands out what was claimed. `more`: there may be more in the queues. */
  settle(started: readonly StartedTask[], more: boolean): void;
  /** Lets its workers look again: there are queues that were not known. */
  repeat(): void;
  fail(error: unknown): void;
}

/** How many places one look or one transaction fills. */
const placesMax = 1_000;
/** How long workers are lent to a transaction. */
const lentMsMax = 250;
/** How many queues one transaction is told of. */
const reservedQueuesMax = 64;
/** How long a seat whose look has failed stays out of the line. */
const seatPauseMs = 1_000;

/**
 * The line of workers that wait for tasks, first come first served. A worker's first look is into the queues, unless they are known to be empty; from then on
 * it waits for a mark on one of them, or for a transaction that makes a task ready and takes the worker's place for it (a reservation). A worker is in one look
 * or reservation at a time, and in no reservation while its queues are marked: so what became ready earlier comes first, but for what a look that is under way
 * may leave.
 */
export class WaitingWorkers implements PlaceSource {
  readonly #options: WaitingWorkersOptions;
  readonly #waiters = new Set<Waiter>();
  /** Those that have not had their first look, or are to look whatever is marked. */
  readonly #fresh = new Set<Waiter>();
  readonly #marked = new Set<number>();
  /** Queues in which a look has found nothing more, and that nobody has marked since. */
  readonly #empty = new Set<number>();
  #stopped = false;

  constructor(options: WaitingWorkersOptions) {
    this.#options = options;
  }

  /** How many workers wait now. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Whether somebody waits who may take from a queue. */
  waitsFor(queue: number): boolean {
    return [...this.#waiters].some((waiter) => this.#queuesOf(waiter).includes(queue));
  }

  /** Lets all who wait go with nothing, and those who come. */
  stop(): void {
    this.#stopped = true;
    for (const waiter of this.#waiters) if (!waiter.busy) waiter.answer([]);
  }

  /** Marks queues that have something to start; undefined: any may have. */
  mark(queues: readonly number[] | undefined): void {
    if (queues === undefined) this.#empty.clear();
    else for (const queue of queues) this.#empty.delete(queue);
    if (this.#waiters.size === 0) return;
    if (queues === undefined) for (const waiter of this.#waiters) this.#fresh.add(waiter);
    else for (const queue of queues) this.#marked.add(queue);
    if (queues === undefined || queues.length > 0) this.#options.onChange();
  }

  /** Forgets which queues were empty: a mark may have been lost. */
  doubt(): void {
    this.#empty.clear();
  }

  /** The queues of all who wait. */
  queues(): Set<number> {
    return new Set([...this.#waiters].flatMap((waiter) => this.#queuesOf(waiter)));
  }

  /** Takes tasks for a worker; waits up to `waitMs` for the first. Nothing may come: then the answer is empty. */
  claim(request: ClaimRequest): Promise<readonly ClaimedTask[]> {
    if (this.#stopped || request.signal.aborted) return Promise.resolve([]);
    if (this.#waiters.size >= this.#options.waitersMax) return Promise.reject(tooMany(this.#options.waitersMax));
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        request.signal.removeEventListener("abort", leave);
        waiter.gone = true;
        this.#waiters.delete(waiter);
        this.#fresh.delete(waiter);
      };
      const leave = (): void => {
        if (waiter.busy) waiter.gone = true;
        else waiter.answer([]);
      };
      const waiter: Waiter = {
        ...{ request, max: request.max, lent: 0, busy: false, gone: false, queues: [], queueCount: -1 },
        isUnheard: () => request.signal.aborted,
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
        if (this.#fresh.has(waiter)) waiter.gone = true;
        else leave();
      }, request.waitMs);
      request.signal.addEventListener("abort", leave, { once: true });
      this.#enter(waiter, request.waitMs === 0);
    });
  }

  /**
   * Keeps a place in the line for a worker that says, again and again, how many tasks it takes. Whoever has been handed some goes to the end of the line. One
   * whose look has failed tries again a second later.
   */
  join(request: SeatRequest): Seat {
    let pause: NodeJS.Timeout | undefined;
    const step = (): void => {
      if (waiter.busy || pause !== undefined) return;
      if (waiter.max > 0 && !waiter.gone && !this.#stopped) {
        if (!this.#waiters.has(waiter)) this.#enter(waiter, false);
      } else {
        this.#waiters.delete(waiter);
        this.#fresh.delete(waiter);
      }
    };
    const waiter: Waiter = {
      ...{ request, max: 0, lent: 0, busy: false, gone: false, queues: [], queueCount: -1 },
      isUnheard: () => waiter.gone,
      answer: (tasks) => {
        waiter.max = Math.max(waiter.max - tasks.length, 0);
        if (tasks.length > 0) {
          this.#waiters.delete(waiter);
          this.#fresh.delete(waiter);
          request.onTasks(tasks);
        }
        step();
      },
      fail: () => {
        waiter.busy = false;
        this.#waiters.delete(waiter);
        pause = setTimeout(() => {
          pause = undefined;
          step();
        }, seatPauseMs).unref();
      },
    };
    return {
      offer: (max) => {
        waiter.max = max;
        step();
      },
      leave: () => {
        waiter.gone = true;
        waiter.max = 0;
        clearTimeout(pause);
        pause = undefined;
        step();
      },
    };
  }

  /** Puts a worker at the end of the line; it looks first unless its queues are known to be empty. */
  #enter(waiter: Waiter, looks: boolean): void {
    this.#waiters.add(waiter);
    const own = this.#queuesOf(waiter);
    const isKnownEmpty = own.length > 0 && own.every((queue) => this.#empty.has(queue));
    if (!isKnownEmpty || looks) this.#fresh.add(waiter);
    this.#options.onChange();
  }

  /**
   * The next look: the first worker in line that has not looked yet, or for whose queues there is a mark, with those behind it that take from the same queues
   * and have a reason to look, too. Undefined: nobody has.
   */
  nextLook(): Look | undefined {
    if (this.#fresh.size === 0 && this.#marked.size === 0) return undefined;
    const lookers: Waiter[] = [];
    const wantedByBusy = new Set<number>();
    let queues: readonly number[] = [];
    let places = 0;
    for (const waiter of this.#waiters) {
      const own = this.#queuesOf(waiter);
      if (waiter.busy) {
        for (const queue of own) wantedByBusy.add(queue);
        continue;
      }
      if (lookers.length > 0 && (own.length !== queues.length || own.some((queue, n) => queue !== queues[n]))) continue;
      if (!this.#fresh.has(waiter) && !own.some((queue) => this.#marked.has(queue))) continue;
      queues = own;
      lookers.push(waiter);
      lend(waiter, placesMax - places);
      places += waiter.lent;
      if (places >= placesMax) break;
    }
    if (lookers.length === 0) {
      // Who comes later looks first: a mark that nobody here waits for says nothing.
      for (const queue of this.#marked) if (!wantedByBusy.has(queue)) this.#marked.delete(queue);
      return undefined;
    }
    // Marks are taken away before the look: one that comes during it stays.
    for (const queue of queues) this.#marked.delete(queue);
    for (const waiter of lookers) this.#fresh.delete(waiter);
    return {
      queues,
      places: lookers.flatMap(placesOf),
      settle: (started, more) => {
        if (more) this.mark(queues);
        else for (const queue of queues) if (!this.#marked.has(queue)) this.#empty.add(queue);
        this.#options.onHandOut("queue", started.length);
        this.#settle(lookers, started);
      },
      repeat: () => {
        for (const waiter of lookers) {
          waiter.busy = false;
          if (waiter.isUnheard() || waiter.max === 0) waiter.answer([]);
          else this.#fresh.add(waiter);
        }
        this.#options.onChange();
      },
      fail: (error) => {
        for (const waiter of lookers) waiter.fail(error);
        this.#options.onChange();
      },
    };
  }

  reserve({ max, queues }: { readonly max: number; readonly queues?: ReadonlySet<number> }): Reservation | undefined {
    const pools = new Map<string, { queues: number[]; waiters: Waiter[] }>();
    const taken = new Set<number>();
    let left = Math.min(max, placesMax);
    for (const waiter of this.#waiters) {
      if (left <= 0) break;
      if (waiter.busy || this.#fresh.has(waiter) || waiter.gone) continue;
      const own = this.#queuesOf(waiter);
      // Where something waits in a queue already, it comes first.
      if (own.some((queue) => this.#marked.has(queue))) continue;
      if (queues !== undefined && !own.some((queue) => queues.has(queue))) continue;
      const key = own.join();
      let pool = pools.get(key);
      if (pool === undefined) {
        const free = own.filter((queue) => !taken.has(queue));
        if (free.length === 0 || taken.size + free.length > reservedQueuesMax) continue;
        for (const queue of free) taken.add(queue);
        pool = { queues: free, waiters: [] };
        pools.set(key, pool);
      }
      lend(waiter, left);
      pool.waiters.push(waiter);
      left -= waiter.lent;
    }
    if (pools.size === 0) return undefined;
    const kept = [...pools.values()];
    return {
      pools: kept.map((pool) => ({
        queues: pool.queues,
        places: pool.waiters.flatMap(placesOf),
      })),
      settle: this.#lend(kept.flatMap((pool) => pool.waiters)),
    };
  }

  /**
   * Lends workers to a transaction, for a moment: one that waits for others would keep them from what is there for them. After that they are in line again, and
   * what the transaction starts all the same is given back.
   */
  #lend(waiters: readonly Waiter[]): Reservation["settle"] {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      this.#settle(waiters, []);
    }, lentMsMax);
    return (started) => {
      clearTimeout(timer);
      if (isOver) {
        if (started.length > 0) void this.#options.release(started).catch(() => {});
        return;
      }
      this.#options.onHandOut("commit", started.length);
      this.#settle(waiters, started);
    };
  }

  /** Hands out tasks by their places: those of a worker are as many as it has asked for, one worker's after the other's. */
  #settle(waiters: readonly Waiter[], started: readonly StartedTask[]): void {
    const byPlace = [...started].sort((a, b) => a.place - b.place);
    let next = 0;
    let end = 0;
    for (const waiter of waiters) {
      end += waiter.lent;
      const first = next;
      while (next < byPlace.length && (byPlace[next] as StartedTask).place < end) next += 1;
      this.#hand(waiter, byPlace.slice(first, next));
    }
    this.#options.onChange();
  }

  #hand(waiter: Waiter, tasks: readonly ClaimedTask[]): void {
    waiter.busy = false;
    if (waiter.isUnheard()) {
      // Who has gone has not been told: its tasks are given back.
      if (tasks.length > 0) void this.#options.release(tasks).catch(() => {});
      waiter.answer([]);
    } else if (tasks.length > 0 || waiter.gone || waiter.max === 0 || this.#stopped) waiter.answer(tasks);
  }

  #queuesOf(waiter: Waiter): readonly number[] {
    const { dictionaries, namespaceId } = this.#options;
    if (waiter.queueCount !== dictionaries.queueCount) {
      const { kinds, labels } = waiter.request;
      waiter.queueCount = dictionaries.queueCount;
      waiter.queues = dictionaries
        .queuesOfKinds(namespaceId, [...new Set(kinds)])
        .filter((queue) => queue.execution === Execution.WORKER && matchesLabels(labels, queue.labels))
        .map((queue) => queue.id);
    }
    return waiter.queues;
  }
}

/** Lends a waiter, and so many of its places at most. */
function lend(waiter: Waiter, most: number): void {
  waiter.busy = true;
  waiter.lent = Math.min(waiter.max, most);
}

function placesOf({ lent, request: { worker, leaseMs } }: Waiter): Place[] {
  return Array<Place>(lent).fill({ worker, leaseMs });
}

function tooMany(max: number): MillpondError {
  const message = `${max} workers wait for tasks already; try again later, or use more servers`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(max) }, retryDelayMs: 1_000 });
}

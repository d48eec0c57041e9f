import type { Engine } from "../commands/engine.ts";
import { isToStop, type Micros, type Task } from "../domain/task.ts";
import { FailureCause, hasEnded } from "../domain/task-status.ts";
import { Loop } from "../lib/loop.ts";
import { shortenLeases } from "../store/leases.ts";
import { getTaskStates } from "../store/tasks.ts";
import { overAttempts } from "../store/workers.ts";

/** An attempt that a worker with a stream to this server has. */
export interface WatchedAttempt {
  readonly id: bigint;
  readonly attempt: number;
  /** Up to when the worker has it, as was last read or written. */
  leaseUntil: Micros;
  /** When it has run for too long, by this server's clock; Infinity: never. */
  readonly overrunMs: number;
  /** Its closing report is being written: its end is nothing to tell of. */
  isClosing: boolean;
  /** Its end was reported in another way than by the stream. */
  readonly onReported: () => void;
  /** Tells the worker that it is over: to stop it, and why, or that it is another's. */
  readonly onOver: (over: { readonly stop: boolean; readonly reason: string }) => void;
}

/** The attempt that a task is in, and how long it may go on. */
export function boundsOf(task: Task): Pick<WatchedAttempt, "id" | "attempt" | "leaseUntil" | "overrunMs"> {
  const { id, attempt, leaseUntil } = task;
  return { id, attempt, leaseUntil: leaseUntil ?? 0, overrunMs: overrunMsOf(task) };
}

/** When the attempt that a task is in has run for too long, in milliseconds since 1970; Infinity: never. */
function overrunMsOf({ executionTimeoutMs, totalTimeoutMs, runTime, createTime }: Task): number {
  const limits: number[] = [];
  if (executionTimeoutMs !== null) limits.push((runTime ?? createTime) / 1000 + Number(executionTimeoutMs));
  if (totalTimeoutMs !== null) limits.push(createTime / 1000 + Number(totalTimeoutMs));
  return Math.min(...limits);
}

/** What an {@link AttemptWatch} is made of. */
export interface AttemptWatchOptions {
  readonly engine: Pick<Engine, "db" | "namespaceId">;
  readonly onError: (error: unknown) => void;
}

const attemptsPerRead = 5_000;
/** The shortest time between two looks that commits ask for. */
const lookEveryMs = 20;
/** Looks take at most one part in so many of the time of a connection. */
const lookShare = 10;
/** An attempt is watched so soon after its claim, unless this server is very busy. */
const wokenMsMax = 500;
const overrunPollMs = 500;
/** How long the timers may take to end what has run for too long. */
const timersSlackMs = 300;

/**
 * Finds out which attempts of connected workers are over without a word of theirs, so that these are told at once. It looks at all of them after a commit that may have
 * ended attempts (a cancellation, on whichever server), at one that is watched just after such a commit, and at one that has run for too long; where there is nothing of that, it asks the database nothing.
 */
export class AttemptWatch {
  readonly #options: AttemptWatchOptions;
  readonly #attempts = new Map<bigint, WatchedAttempt>();
  readonly #limited = new Set<WatchedAttempt>();
  /** Watched so soon after a commit that may have ended attempts that it may have ended these. */
  readonly #doubtful = new Set<WatchedAttempt>();
  readonly #loop: Loop;
  #looksAtAll = false;
  #wokenMs = Number.NEGATIVE_INFINITY;
  #restUntilMs = 0;

  constructor(options: AttemptWatchOptions) {
    this.#options = options;
    this.#loop = new Loop({
      runOnce: () => this.runOnce(),
      delayMs: () => (this.#looksAtAll ? Math.max(this.#restUntilMs - performance.now(), 0) : overrunPollMs),
      wokenEveryMs: lookEveryMs,
      onError: options.onError,
    });
  }

  /** How many attempts are watched. */
  get size(): number {
    return this.#attempts.size;
  }

  /** Begins to look. */
  start(): void {
    this.#loop.start();
  }

  /** Ends looking. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Watches an attempt; an earlier one of its task is not watched any more. One that a commit has ended just before is looked at, too: that commit may have come between its claim and this. */
  add(attempt: WatchedAttempt): void {
    const before = this.#attempts.get(attempt.id);
    if (before !== undefined) this.remove(before);
    this.#attempts.set(attempt.id, attempt);
    if (attempt.overrunMs !== Number.POSITIVE_INFINITY) this.#limited.add(attempt);
    if (performance.now() > this.#wokenMs + wokenMsMax) return;
    this.#doubtful.add(attempt);
    this.#loop.wake();
  }

  /** Watches an attempt no more. */
  remove(attempt: WatchedAttempt): void {
    this.#limited.delete(attempt);
    this.#doubtful.delete(attempt);
    if (this.#attempts.get(attempt.id) === attempt) this.#attempts.delete(attempt.id);
  }

  /** Notes that the ends of attempts were reported. */
  reported(ids: Iterable<bigint>): void {
    if (this.#attempts.size === 0) return;
    for (const id of ids) {
      const attempt = this.#attempts.get(id);
      if (attempt === undefined || attempt.isClosing) continue;
      this.remove(attempt);
      attempt.onReported();
    }
  }

  /** Lets the leases of a stream that is lost run out after `ms`, unless they are extended meanwhile. Where that fails, they run out a little later. */
  cutLeases(attempts: readonly WatchedAttempt[], ms: number): void {
    const sorted = attempts.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    void shortenLeases(this.#options.engine.db, sorted, ms).catch(this.#options.onError);
  }

  /** Says that a commit may have ended attempts. */
  wake(): void {
    this.#wokenMs = performance.now();
    if (this.#attempts.size === 0) return;
    this.#looksAtAll = true;
    this.#loop.wake();
  }

  /** Looks once, if there is a reason to. */
  async runOnce(): Promise<boolean> {
    const beganMs = performance.now();
    const atAll = this.#looksAtAll && beganMs >= this.#restUntilMs;
    const due = atAll ? [...this.#attempts.values()] : [...this.#doubtful, ...this.#overrun()];
    if (atAll) this.#looksAtAll = false;
    this.#doubtful.clear();
    for (let from = 0; from < due.length; from += attemptsPerRead)
      await this.#look(due.slice(from, from + attemptsPerRead));
    if (due.length > 0) this.#restUntilMs = performance.now() + (performance.now() - beganMs) * lookShare;
    return false;
  }

  #overrun(): WatchedAttempt[] {
    const nowMs = Date.now() - timersSlackMs;
    return [...this.#limited].filter(({ overrunMs }) => overrunMs <= nowMs);
  }

  async #look(attempts: readonly WatchedAttempt[]): Promise<void> {
    const { db, namespaceId } = this.#options.engine;
    const over = await overAttempts(db, attempts);
    if (over.length === 0) return;
    const states = new Map((await getTaskStates(db, namespaceId, over)).map((state) => [state.id, state]));
    for (const attempt of attempts) {
      const state = states.get(attempt.id);
      if (state === undefined || attempt.isClosing || this.#attempts.get(attempt.id) !== attempt) continue;
      this.remove(attempt);
      const isSame = state.attempt === attempt.attempt;
      const stop = isSame && isToStop(state) && (hasEnded(state.status) || state.cause !== FailureCause.LEASE_LOST);
      attempt.onOver({ stop, reason: state.cancelReason ?? state.message ?? "" });
    }
  }
}

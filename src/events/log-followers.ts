import { MillpondError } from "../domain/errors.ts";
import { TaskStatus } from "../domain/task-status.ts";
import { Loop } from "../lib/loop.ts";
import type { Database } from "../store/database.ts";
import { getLogHeads, type LogHead } from "../store/logs.ts";

/** What {@link LogFollowers} are made of. */
export interface LogFollowersOptions {
  readonly db: Pick<Database, "readByKey">;
  readonly namespaceId: number;
  readonly onError: (error: unknown) => void;
}

/** How many calls may wait; each holds an id and a timer. */
const waitersMax = 10_000;
/** How long a lost notification, or the end of an attempt, may stay unknown. */
const pollMs = 1_000;
/** When nobody waits. */
const idleMs = 60_000;
/** The shortest time between two looks that lines of log ask for. */
const lookEveryMs = 20;
const headsPerRead = 1_000;

interface Waiter {
  readonly id: bigint;
  readonly version: string;
  readonly wake: () => void;
}

/**
 * LogFollowers lets calls wait for news of logs. However many wait, one look asks for all of them: when somebody says that one of their tasks has logged, and
 * once a second. While nobody waits, nothing is asked.
 */
export class LogFollowers {
  readonly #options: LogFollowersOptions;
  readonly #waiters = new Map<bigint, Set<Waiter>>();
  #size = 0;
  #heard = 0;
  #stopped = false;
  readonly #loop: Loop;

  constructor(options: LogFollowersOptions) {
    this.#options = options;
    this.#loop = new Loop({
      runOnce: () => this.#look(),
      delayMs: () => (this.#size > 0 ? pollMs : idleMs),
      wokenEveryMs: lookEveryMs,
      onError: options.onError,
    });
  }

  /** How many calls wait. */
  get size(): number {
    return this.#size;
  }

  /** Whether nothing is waited for any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Changes with every {@link tell}: read before a log is, it says whether something was told since. */
  get heard(): number {
    return this.#heard;
  }

  start(): void {
    this.#loop.start();
  }

  /** Lets go of all who wait. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const waiters of this.#waiters.values()) for (const { wake } of waiters) wake();
    await this.#loop.stop();
  }

  /** Says which tasks have logged; undefined: it is not known. */
  tell(ids: readonly bigint[] | undefined): void {
    this.#heard += 1;
    if (this.#size > 0 && (ids === undefined || ids.some((id) => this.#waiters.has(id)))) this.#loop.wake();
  }

  /**
   * Resolves when the log of a task, or its attempt, is not any more as `head` tells (read when `heard` was as given), after `waitMs`, or when the signal aborts.
   * Fails with LIMIT_EXCEEDED where too many wait.
   */
  wait(
    head: LogHead,
    { heard, waitMs, signal }: { heard: number; waitMs: number; signal: AbortSignal },
  ): Promise<void> {
    if (this.#size >= waitersMax) return Promise.reject(tooMany());
    if (signal.aborted || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        this.#remove(waiter);
        resolve();
      };
      const waiter: Waiter = { id: head.id, version: versionOf(head), wake };
      const timer = setTimeout(wake, waitMs);
      signal.addEventListener("abort", wake, { once: true });
      this.#add(waiter);
      // The loop sleeps for long while nobody waits.
      if (this.#size === 1 || heard !== this.#heard) this.#loop.wake();
    });
  }

  #add(waiter: Waiter): void {
    this.#size += 1;
    const others = this.#waiters.get(waiter.id);
    if (others === undefined) this.#waiters.set(waiter.id, new Set([waiter]));
    else others.add(waiter);
  }

  #remove(waiter: Waiter): void {
    const waiters = this.#waiters.get(waiter.id);
    if (waiters?.delete(waiter) !== true) return;
    this.#size -= 1;
    if (waiters.size === 0) this.#waiters.delete(waiter.id);
  }

  async #look(): Promise<boolean> {
    const ids = [...this.#waiters.keys()];
    for (let from = 0; from < ids.length; from += headsPerRead) {
      const part = ids.slice(from, from + headsPerRead);
      const heads = await getLogHeads(this.#options.db, this.#options.namespaceId, part);
      const versions = new Map(heads.map((head) => [head.id, versionOf(head)]));
      for (const id of part)
        for (const { version, wake } of this.#waiters.get(id) ?? []) if (version !== versions.get(id)) wake();
    }
    return false;
  }
}

/** Whether an attempt is under way in which an executor can log. */
export function isUnderWay({ status }: Pick<LogHead, "status">): boolean {
  return status === TaskStatus.CLAIMED || status === TaskStatus.RUNNING;
}

function versionOf(head: LogHead): string {
  const { attempt, beginTime, logAttempt, nextLine, dropped, status } = head;
  const state = isUnderWay(head) ? "under way" : String(status);
  return [attempt, state, beginTime, logAttempt, nextLine, dropped].join(" ");
}

function tooMany(): MillpondError {
  const message = `${waitersMax} calls wait for lines of log on this server already; try again later, or without wait_timeout`;
  return new MillpondError("LIMIT_EXCEEDED", message, {
    metadata: { limit: String(waitersMax) },
    retryDelayMs: 1_000,
  });
}

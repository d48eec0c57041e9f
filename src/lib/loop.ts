import { wait } from "./wait.ts";

/** What a {@link Loop} does and how often. */
export interface LoopOptions {
  /** One bounded step; true asks for the next one at once. */
  readonly runOnce: () => Promise<boolean>;
  /** How long to sleep after a step that found nothing, unless somebody wakes the loop. */
  readonly delayMs: () => number;
  /** The shortest time from the beginning of a step to that of the next one that somebody woke the loop for: wake-ups are merged meanwhile. Default 0. */
  readonly wokenEveryMs?: number;
  /** Told of a step that failed; the loop sleeps and goes on. */
  readonly onError: (error: unknown) => void;
}

/** Loop runs steps one after the other until it is stopped, sleeping in between; `wake()` ends a sleep, or spares the next one. */
export class Loop {
  readonly #options: LoopOptions;
  #running: Promise<void> | undefined;
  readonly #stop = new AbortController();
  #woken = false;
  #endSleep: (() => void) | undefined;
  /** Those who wait for steps that have not begun yet. */
  #awaiting: (() => void)[] = [];

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Begins; a second call changes nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends after the step that runs; a second call waits for the same end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running;
  }

  /** Asks for a step now. */
  wake(): void {
    this.#woken = true;
    this.#endSleep?.();
  }

  /** Asks for a step now and resolves when steps that began after this call have found nothing more, or one has failed, or the loop has stopped. */
  async pass(): Promise<void> {
    if (this.#stop.signal.aborted || this.#running === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#awaiting.push(resolve);
    this.wake();
    await promise;
  }

  async #run(): Promise<void> {
    const served: (() => void)[] = [];
    const { wokenEveryMs = 0 } = this.#options;
    while (!this.#stop.signal.aborted) {
      const beganMs = performance.now();
      this.#woken = false;
      served.push(...this.#awaiting.splice(0));
      const again = await this.#options.runOnce().catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#options.onError(error);
        return false;
      });
      if (again) continue;
      for (const resolve of served.splice(0)) resolve();
      if (!this.#woken && !this.#stop.signal.aborted) await this.#sleep(this.#options.delayMs());
      const earlyMs = beganMs + wokenEveryMs - performance.now();
      if (earlyMs > 0) await wait(earlyMs, this.#stop.signal);
    }
    for (const resolve of [...served, ...this.#awaiting]) resolve();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#endSleep = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#endSleep = end;
    });
  }
}

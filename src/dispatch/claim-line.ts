import { claimTasks } from "../commands/claim-tasks.ts";
import type { Engine } from "../commands/engine.ts";
import { Loop } from "../lib/loop.ts";
import { queuesWithReadyTasks } from "../store/attempts.ts";
import type { Look, WaitingWorkers } from "./waiting-workers.ts";

/** What a {@link ClaimLine} is made of. */
export interface ClaimLineOptions {
  readonly engine: Engine;
  readonly workers: WaitingWorkers;
  /** How often queues are looked at when nobody says that they have something: the bound on a lost notification. */
  readonly pollMs: number;
  readonly onError: (error: unknown) => void;
}

const looksInFlightMax = 2;

/**
 * Looks into the queues for workers that wait, those that take from the same queues in one claim. A commit that leaves a ready task in a queue marks it, and
 * the first worker that may take from it looks; nobody looks at a queue that is not marked. One slow query per `pollMs` covers a mark that was lost.
 */
export class ClaimLine {
  readonly #options: ClaimLineOptions;
  readonly #poll: Loop;
  #inFlight = 0;
  #isScheduled = false;

  constructor(options: ClaimLineOptions) {
    this.#options = options;
    this.#poll = new Loop({
      runOnce: () => this.runOnce(),
      delayMs: () => options.pollMs,
      onError: options.onError,
    });
  }

  /** Begins to poll. */
  start(): void {
    this.#poll.start();
  }

  /** Lets all who wait go with nothing. */
  async stop(): Promise<void> {
    this.#options.workers.stop();
    await this.#poll.stop();
  }

  /** Looks once at the queues of all who wait. */
  async runOnce(): Promise<boolean> {
    const { engine, workers } = this.#options;
    workers.doubt();
    if (workers.size === 0) return false;
    await engine.dictionaries.refreshStaleQueues();
    const queues = workers.queues();
    if (queues.size > 0) workers.mark(await queuesWithReadyTasks(engine.db, [...queues]));
    return false;
  }

  /** Lets those look who have a reason to; what changes in the same turn is looked at together: a worker has two places in the line, and both get credit at once. */
  serve(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#serve();
    });
  }

  #serve(): void {
    while (this.#inFlight < looksInFlightMax) {
      const look = this.#options.workers.nextLook();
      if (look === undefined) return;
      this.#inFlight += 1;
      void this.#claim(look).finally(() => {
        this.#inFlight -= 1;
        this.serve();
      });
    }
  }

  async #claim(look: Look): Promise<void> {
    const { engine } = this.#options;
    try {
      if (look.queues.length === 0) {
        // Another server may have made them just now.
        const before = engine.dictionaries.queueCount;
        await engine.dictionaries.refreshQueues();
        if (engine.dictionaries.queueCount === before) look.settle([], false);
        else look.repeat();
        return;
      }
      const { tasks, more } = await claimTasks(engine, { queues: look.queues, places: look.places });
      look.settle(tasks, more);
    } catch (error) {
      look.fail(error);
    }
  }
}

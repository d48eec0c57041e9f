import { setTimeout as delay } from "node:timers/promises";
import type { Postmaster } from "./postmaster.ts";

/** How a supervised postmaster came to its final end. */
export interface PostmasterEnd {
  /** True after {@link SupervisedPostmaster.stop}. */
  readonly expected: boolean;
  readonly detail: string;
}

/** SupervisedPostmaster is a postmaster that is started again when it ends by itself. */
export interface SupervisedPostmaster {
  readonly exited: Promise<PostmasterEnd>;
  /** Idempotent; resolves when PostgreSQL has ended. */
  stop(): Promise<void>;
}

/** Bounds of the restarts: the waits between tries, in ms, and how long it must run until they are counted anew. */
export interface RestartPolicy {
  readonly delaysMs: readonly number[];
  readonly healthyAfterMs: number;
}

/** Twelve tries within half a minute, which outlasts crash recovery's usual obstacles. */
export const restartPolicy: RestartPolicy = {
  delaysMs: [0, 100, 200, 500, 1000, 2000, 3000, 5000, 5000, 5000, 5000, 5000],
  healthyAfterMs: 60_000,
};

/** What {@link supervisePostmaster} looks after. */
export interface Supervision {
  readonly first: Postmaster;
  /** Starts PostgreSQL again where clients expect it, or gives up when the signal aborts. */
  readonly restart: (signal: AbortSignal) => Promise<Postmaster>;
  readonly policy: RestartPolicy;
  readonly log: (line: string) => void;
}

/**
 * supervisePostmaster restarts PostgreSQL when it ends by itself:
 *
 *     running ── ends ──> waiting ── started ──> running
 *        │                   │ └── no try left ──> exited (not expected)
 *        └────── stop() ─────┴───────────────────> exited (expected)
 */
export function supervisePostmaster({ first, restart, policy, log }: Supervision): SupervisedPostmaster {
  const stopping = new AbortController();
  let current: Postmaster = first;

  const restarted = async (firstTry: number, why: string): Promise<number> => {
    let lastError = why;
    for (let tries = firstTry; tries < policy.delaysMs.length; tries++) {
      await delay(policy.delaysMs[tries], undefined, { signal: stopping.signal });
      try {
        current = await restart(stopping.signal);
        return tries + 1;
      } catch (error) {
        stopping.signal.throwIfAborted();
        lastError = (error as Error).message;
        log(`PostgreSQL did not start again (try ${tries + 1} of ${policy.delaysMs.length}): ${lastError}`);
      }
    }
    throw new Error(`${lastError} (gave up after ${policy.delaysMs.length} tries to start it again)`);
  };

  const supervise = async (): Promise<PostmasterEnd> => {
    let tries = 0;
    while (true) {
      const startedAt = performance.now();
      const detail = await current.ended;
      if (stopping.signal.aborted) return { expected: true, detail: "stopped" };
      if (performance.now() - startedAt > policy.healthyAfterMs) tries = 0;
      log(`${detail}; starting it again`);
      try {
        tries = await restarted(tries, detail);
        log("PostgreSQL runs again");
      } catch (error) {
        if (stopping.signal.aborted) return { expected: true, detail: "stopped" };
        return { expected: false, detail: (error as Error).message };
      }
      // A start that was under way when stop() was called.
      if (stopping.signal.aborted) await current.stop();
    }
  };

  const exited = supervise();
  return {
    exited,
    async stop() {
      stopping.abort();
      await current.stop();
      await exited;
    },
  };
}

import type { Engine } from "../commands/engine.ts";
import { fireTimers, forgetOldRequests, sweepBlocked } from "../commands/fire-timers.ts";
import { doFollowUps } from "../commands/follow-ups.ts";
import { Loop } from "../lib/loop.ts";

/** What a maintenance loop is made of. */
export interface MaintenanceOptions {
  readonly engine: Engine;
  readonly onError: (error: unknown) => void;
}

/** How long a timer that another server has written may stay unknown here. */
const timersPollMs = 500;
/** They are done by the calls that cause them; the loop is for what servers that died have left. */
const followUpsPollMs = 5_000;
const requestsPollMs = 10 * 60_000;
/** Who makes room offers it; the loop is for what transactions that were rolled back have left. */
const rulesPollMs = 10_000;

/** At least so long between two looks at what another server is looking at. */
const timersDelayMsMin = 20;

/** The loop of timers, and how late it is. */
export interface TimerLoop {
  readonly loop: Loop;
  /** How long the oldest timer that is left is overdue, in seconds, as of the last look; 0: none is. */
  readonly lagSeconds: () => number;
}

/**
 * The loop that looks at tasks whose time has come: start times, leases, timeouts. It sleeps until the next timer that it knows of is due.
 * Safe on many servers at once.
 */
export function createTimerLoop({ engine, onError }: MaintenanceOptions): TimerLoop {
  let next: number | undefined;
  let lagMs = 0;
  const loop = new Loop({
    runOnce: async () => {
      // A look that fails knows of none.
      next = undefined;
      const fired = await fireTimers(engine);
      next = fired.next;
      lagMs = next === undefined ? 0 : Math.max(Date.now() - next / 1000, 0);
      return fired.more;
    },
    delayMs: () =>
      next === undefined ? timersPollMs : Math.min(Math.max(next / 1000 - Date.now(), timersDelayMsMin), timersPollMs),
    onError,
  });
  return { loop, lagSeconds: () => lagMs / 1000 };
}

/** The loop that does what changes have left to be done where their server died before it was. Safe on many servers at once. */
export function createFollowUpLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => doFollowUps(engine), delayMs: () => followUpsPollMs, onError });
}

/** The loop that offers what is blocked although its rules let it in. Safe on many servers at once. */
export function createRuleLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({
    runOnce: async () => {
      await sweepBlocked(engine);
      return false;
    },
    delayMs: () => rulesPollMs,
    onError,
  });
}

/** The loop that forgets answers of calls with a request_id after their 24 h. */
export function createRequestLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => forgetOldRequests(engine), delayMs: () => requestsPollMs, onError });
}

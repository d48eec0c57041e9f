import { forgetOldProducers } from "../commands/add-counts.ts";
import type { Engine } from "../commands/engine.ts";
import { fireTimers, forgetHolders, forgetOldRequests, sweepBlocked } from "../commands/fire-timers.ts";
import { doFollowUps } from "../commands/follow-ups.ts";
import { forgetLogs } from "../commands/forget-logs.ts";
import { Loop } from "../lib/loop.ts";
import { noRuleFigures, type RuleFigures, readRuleFigures, takeBlockedWaits } from "../store/rule-figures.ts";

/** What a maintenance loop is made of. */
export interface MaintenanceOptions {
  readonly engine: Engine;
  readonly onError: (error: unknown) => void;
}

/** How long a timer may stay unknown here, be it lost on the way: of one that is due sooner, the database tells (mp_tell_timers). */
const timersPollMs = 500;
/** They are done by the calls that cause them; the loop is for what servers that died have left. */
const followUpsPollMs = 5_000;
const requestsPollMs = 10 * 60_000;
/** Who makes room offers it; the loop is for what transactions that were rolled back have left. */
const rulesPollMs = 10_000;
/** Who reads the figures of rules looks at all who were let in since then, too. */
const holdersPollMs = 2_000;
/** Reading the figures of rules takes at most one part in so many of the time of a connection. */
const figuresShare = 100;
/** Of up to a thousand tasks each. */
const waitsPerStep = 20;

/** At least so long between two looks at what another server is looking at. */
const timersDelayMsMin = 20;

/** The loop of timers, and how late it is. */
export interface TimerLoop {
  readonly loop: Loop;
  /** How long the oldest timer that is left is overdue, in seconds, as of the last look; 0: none is. */
  readonly lagSeconds: () => number;
}

/**
 * The loop that looks at tasks whose time has come: start times, leases, timeouts. It sleeps until the next timer that it knows of is due, or until it is woken.
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
    wokenEveryMs: timersDelayMsMin,
    onError,
  });
  return { loop, lagSeconds: () => lagMs / 1000 };
}

/** The loop that does what changes have left to be done where their server died before it was. Safe on many servers at once. */
export function createFollowUpLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => doFollowUps(engine), delayMs: () => followUpsPollMs, onError });
}

/** The loops of rules, and what they have seen. */
export interface RuleLoops {
  readonly loops: readonly Loop[];
  /** As of the last look. */
  readonly figures: () => RuleFigures;
}

/**
 * The loop that offers what is blocked although its rules let it in, the one that forgets who has left, and those that read what rules hold up and count how long that was, for the metrics: only
 * once there have been rules. Safe on many servers at once.
 */
export function createRuleLoops(options: {
  readonly engine: Pick<Engine, "db">;
  /** Told how long tasks were blocked that rules have let go on, on whichever server; each once. */
  readonly onUnblocked: (waitsMs: readonly number[]) => void;
  readonly onError: (loop: "rules" | "rule figures") => (error: unknown) => void;
}): RuleLoops {
  const { engine, onUnblocked, onError } = options;
  let hasRules = false;
  let figures = noRuleFigures;
  let tookMs = 0;
  const reading = new Loop({
    runOnce: async () => {
      if (!hasRules) return false;
      const beganMs = performance.now();
      figures = await readRuleFigures(engine.db);
      tookMs = performance.now() - beganMs;
      return false;
    },
    delayMs: () => Math.max(rulesPollMs, tookMs * figuresShare),
    onError: onError("rule figures"),
  });
  const counting = new Loop({
    runOnce: async () => {
      if (!hasRules) return false;
      const waits = await takeBlockedWaits(engine.db, waitsPerStep);
      for (const each of waits) onUnblocked(each);
      return waits.length === waitsPerStep;
    },
    delayMs: () => rulesPollMs,
    onError: onError("rule figures"),
  });
  const forgetting = new Loop({
    runOnce: async () => hasRules && (await forgetHolders(engine)),
    delayMs: () => holdersPollMs,
    onError: onError("rules"),
  });
  const sweeping = new Loop({
    runOnce: async () => {
      const hadRules = hasRules;
      hasRules = await sweepBlocked(engine);
      if (hasRules && !hadRules) for (const loop of [reading, counting, forgetting]) loop.wake();
      return false;
    },
    delayMs: () => rulesPollMs,
    onError: onError("rules"),
  });
  return { loops: [sweeping, forgetting, reading, counting], figures: () => figures };
}

/** The loop that forgets answers of calls with a request_id after their 24 h. */
export function createRequestLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => forgetOldRequests(engine), delayMs: () => requestsPollMs, onError });
}

/** The shortest and the longest time between two looks for logs that are too old, in between a tenth of the time that they are kept. */
const logsPollMs = { min: 1_000, max: 10 * 60_000 };

/** The loop that forgets logs of tasks that ended longer than `keepMs` ago. Of the servers that come to it at the same time, one does it. */
export function createLogLoop({ engine, onError, keepMs }: MaintenanceOptions & { readonly keepMs: number }): Loop {
  let after: bigint | undefined;
  return new Loop({
    runOnce: async () => {
      const from = after ?? 0n;
      // A look that fails begins anew.
      after = undefined;
      after = await forgetLogs(engine, { keepMs, after: from });
      return after !== undefined;
    },
    delayMs: () => Math.min(Math.max(keepMs / 10, logsPollMs.min), logsPollMs.max),
    onError,
  });
}

/** The loop that forgets producers of counts that nothing came from for 24 h. */
export function createProducerLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => forgetOldProducers(engine), delayMs: () => requestsPollMs, onError });
}

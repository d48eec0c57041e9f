import type { Engine } from "../commands/engine.ts";
import { fireTimers, forgetOldRequests } from "../commands/fire-timers.ts";
import { Loop } from "../lib/loop.ts";

/** What a maintenance loop is made of. */
export interface MaintenanceOptions {
  readonly engine: Engine;
  readonly onError: (error: unknown) => void;
}

const timersPollMs = 500;
const requestsPollMs = 10 * 60_000;

/** The loop that looks at tasks whose time has come: start times, leases, start timeouts, inactivity. Safe on many servers at once. */
export function createTimerLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => fireTimers(engine), delayMs: () => timersPollMs, onError });
}

/** The loop that forgets answers of calls with a request_id after their 24 h. */
export function createRequestLoop({ engine, onError }: MaintenanceOptions): Loop {
  return new Loop({ runOnce: () => forgetOldRequests(engine), delayMs: () => requestsPollMs, onError });
}

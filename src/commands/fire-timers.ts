import type { Micros } from "../domain/task.ts";
import { fireTimers as writeTimers } from "../store/attempts.ts";
import { forgetRequests } from "../store/requests.ts";
import { fireAlarms, sweepHolds, sweepRules } from "../store/rule-alarms.ts";
import type { Engine } from "./engine.ts";
import { finish } from "./follow-ups.ts";

const step = { rowsMax: 500, tasksMax: 1000 };
const requestsPerStep = 1000;
const lanesPerStep = 1000;
/** Of up to a thousand tasks each. */
const holdsPerStep = 100;

/** Looks at the tasks whose timers are due, and at rules whose windows have room again, one bounded step; tells whether there may be more, and when the next one is due. */
export async function fireTimers(
  engine: Engine,
): Promise<{ readonly more: boolean; readonly next: Micros | undefined }> {
  const { rows, more, next, ...outcome } = await writeTimers(engine.db, step);
  if (rows > 0) await finish(engine, outcome);
  if (!more && next !== undefined && next <= Date.now() * 1000) return { more, next: await fireAlarms(engine.db) };
  return { more, next };
}

/** Offers tasks that their rules let in, and that somebody has left blocked: all of them, a bounded step at a time. Answers whether tasks have ever had rules. */
export async function sweepBlocked(engine: Pick<Engine, "db">): Promise<boolean> {
  let sweep = await sweepRules(engine.db, 0n, lanesPerStep);
  while (sweep.last !== null) sweep = await sweepRules(engine.db, sweep.last, lanesPerStep);
  return sweep.hasRules;
}

/** Forgets who held slots and has left, one bounded step; tells whether there may be more. */
export async function forgetHolders(engine: Pick<Engine, "db">): Promise<boolean> {
  return await sweepHolds(engine.db, holdsPerStep);
}

/** Forgets answers whose request_id has outlived its 24 h, one bounded step; tells whether there may be more. */
export async function forgetOldRequests(engine: Engine): Promise<boolean> {
  return (await forgetRequests(engine.db, requestsPerStep)) === requestsPerStep;
}

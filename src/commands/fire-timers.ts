import type { Micros } from "../domain/task.ts";
import { fireTimers as writeTimers } from "../store/attempts.ts";
import { forgetRequests } from "../store/requests.ts";
import type { Engine } from "./engine.ts";
import { finish } from "./follow-ups.ts";

const step = { rowsMax: 500, tasksMax: 1000 };
const requestsPerStep = 1000;

/** Looks at the tasks whose timers are due, one bounded step; tells whether there may be more, and when the next one is due. */
export async function fireTimers(
  engine: Engine,
): Promise<{ readonly more: boolean; readonly next: Micros | undefined }> {
  const { rows, more, next, ...outcome } = await writeTimers(engine.db, step);
  if (rows > 0) await finish(engine, outcome);
  return { more, next };
}

/** Forgets answers whose request_id has outlived its 24 h, one bounded step; tells whether there may be more. */
export async function forgetOldRequests(engine: Engine): Promise<boolean> {
  return (await forgetRequests(engine.db, requestsPerStep)) === requestsPerStep;
}

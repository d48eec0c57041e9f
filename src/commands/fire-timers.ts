import { fireTimers as writeTimers } from "../store/attempts.ts";
import { forgetRequests } from "../store/requests.ts";
import type { Engine } from "./engine.ts";

const timersPerStep = 50;
const requestsPerStep = 1000;

/** Looks at the tasks whose timers are due, one bounded step; tells whether there may be more. */
export async function fireTimers(engine: Engine): Promise<boolean> {
  const { rows, readyQueues } = await writeTimers(engine.db, timersPerStep);
  if (rows > 0) engine.committed(readyQueues);
  return rows === timersPerStep;
}

/** Forgets answers whose request_id has outlived its 24 h, one bounded step; tells whether there may be more. */
export async function forgetOldRequests(engine: Engine): Promise<boolean> {
  return (await forgetRequests(engine.db, requestsPerStep)) === requestsPerStep;
}

import { followUp } from "../store/attempts.ts";
import type { Outcome } from "../store/outcome.ts";
import type { Engine } from "./engine.ts";

/**
 * Tells everybody of a commit, and does what the change has left to be done (a batch to be stopped because of a critical task, parents that nothing
 * needs any more): so the caller's answer comes after all of it. Where that fails, the change is committed all the same, and a loop does the rest.
 */
export async function finish(engine: Engine, outcome: Outcome): Promise<void> {
  engine.committed(outcome.readyQueues);
  const left = [...outcome.followUps];
  try {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const done = await followUp(engine.db, id);
      engine.committed(done.readyQueues);
      left.push(...done.followUps);
    }
  } catch {
    // The loop that does what others have left reports what keeps failing.
  }
}

/** Does one thing that a change has left to be done and that nobody is doing; tells whether there may be more. */
export async function doFollowUp(engine: Engine): Promise<boolean> {
  const { found, ...outcome } = await followUp(engine.db, undefined);
  if (found) await finish(engine, outcome);
  return found;
}

import { attemptsWake } from "../domain/delivery.ts";
import { followUp, pendingFollowUps } from "../store/attempts.ts";
import type { Outcome } from "../store/outcome.ts";
import type { Engine } from "./engine.ts";
import type { WriteDeps } from "./write-deps.ts";

/**
 * Tells everybody of a commit, and does what the change has left to be done (a batch to be stopped because of a critical task, parents that nothing
 * needs any more): so the caller's answer comes after all of it. Where that fails, the change is committed all the same, and a loop does the rest.
 */
export async function finish(engine: Pick<WriteDeps, "db" | "committed">, outcome: Outcome): Promise<void> {
  const left = [...outcome.followUps];
  try {
    engine.committed(outcome.readyQueues);
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const done = await followUp(engine.db, id);
      // What it stops may be under way.
      engine.committed([...done.readyQueues, attemptsWake]);
      left.push(...done.followUps);
    }
  } catch {
    // The loop that does what others have left reports what keeps failing.
  }
}

/** What is to happen after a change that may have ended attempts: whoever has them is told. */
export function ending(outcome: Outcome): Outcome {
  return { ...outcome, readyQueues: [...outcome.readyQueues, attemptsWake] };
}

const pendingMax = 100;

/**
 * Does what changes have left to be done and nobody has done yet, some of it; tells whether there may be more. One that fails keeps no other from being done;
 * the first failure is thrown when all have been tried.
 */
export async function doFollowUps(engine: Engine): Promise<boolean> {
  const ids = await pendingFollowUps(engine.db, pendingMax);
  const failures: unknown[] = [];
  for (const id of ids) {
    const done = await followUp(engine.db, id).catch((error: unknown) => {
      failures.push(error);
      return undefined;
    });
    if (done !== undefined) await finish(engine, ending(done));
  }
  if (failures.length > 0) throw failures[0];
  return ids.length === pendingMax;
}

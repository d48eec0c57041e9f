import type { Place } from "../domain/places.ts";
import { type Claimed, releaseTasks, claimTasks as writeClaim } from "../store/attempts.ts";
import type { Engine } from "./engine.ts";

/** Takes tasks that may start from queues: for workers, one for each place, or (a number) for so many calls of start webhooks. */
export async function claimTasks(
  engine: Engine,
  claim: { readonly queues: readonly number[]; readonly places: readonly Place[] | number },
): Promise<Claimed> {
  const claimed = await writeClaim(engine.db, { ...claim, turns: engine.turns.of(claim.queues) });
  engine.turns.note(claim.queues, claimed.turns);
  if (claimed.tasks.length > 0) engine.committed([]);
  return claimed;
}

/** Gives back what was claimed for somebody who has not been told of it: it may start at once, and no attempt is used up. */
export async function releaseClaims(
  engine: Engine,
  tasks: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<void> {
  if (tasks.length > 0) engine.committed(await releaseTasks(engine.db, tasks));
}

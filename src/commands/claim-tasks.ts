import { type Claimed, releaseTasks, claimTasks as writeClaim } from "../store/attempts.ts";
import type { Engine } from "./engine.ts";

/** Takes tasks that may start from queues: for a worker under a lease, or (without one) for their start webhooks. */
export async function claimTasks(
  engine: Engine,
  claim: {
    readonly queues: readonly number[];
    readonly max: number;
    readonly worker: number | undefined;
    readonly leaseMs: number;
  },
): Promise<Claimed> {
  const claimed = await writeClaim(engine.db, claim);
  if (claimed.tasks.length > 0) engine.committed([]);
  return claimed;
}

/** Gives back what was claimed for somebody who has not been told of it: it may start at once, and no attempt is used up. */
export async function releaseClaims(engine: Engine, tasks: Claimed["tasks"]): Promise<void> {
  if (tasks.length > 0) engine.committed(await releaseTasks(engine.db, tasks));
}

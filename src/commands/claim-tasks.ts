import type { Place, StartedTask } from "../domain/places.ts";
import { type Claimed, releaseTasks, claimTasks as writeClaim } from "../store/attempts.ts";
import type { Engine } from "./engine.ts";

/** Takes tasks that may start from queues: for workers, one for each place, or (a number) for so many calls of start webhooks. */
export async function claimTasks(
  engine: Engine,
  claim: { readonly queues: readonly number[]; readonly places: readonly Place[] | number },
): Promise<Claimed> {
  const claimed = await writeClaim(engine.db, { ...claim, turns: engine.turns.of(claim.queues) });
  engine.turns.note(claim.queues, claimed.turns);
  // Whoever came while it held what it has left has found nothing.
  if (claimed.tasks.length > 0 || claimed.more) engine.committed(claimed.more ? claim.queues : []);
  return typeof claim.places === "number" ? claimed : { ...claimed, tasks: withGiven(engine, claimed, claim.places) };
}

/** Adds what their workers are handed, where this server knows it without reading. */
function withGiven(
  { given }: Pick<Engine, "given">,
  { tasks, time, changed }: Claimed,
  places: readonly Place[],
): readonly StartedTask[] {
  given.want();
  if (time === undefined || given.size === 0) return tasks;
  return tasks.map((task) => {
    const place = places[task.place];
    const assignment = place === undefined || changed.has(task.id) ? undefined : given.take(task.id, { time, place });
    return assignment === undefined ? task : { id: task.id, attempt: task.attempt, place: task.place, assignment };
  });
}

/** Gives back what was claimed for somebody who has not been told of it: it may start at once, and no attempt is used up. */
export async function releaseClaims(
  engine: Engine,
  tasks: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<void> {
  if (tasks.length > 0) engine.committed(await releaseTasks(engine.db, tasks));
}

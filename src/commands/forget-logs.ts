import { firstIdAt } from "../domain/ids.ts";
import { forgetLogs as writeForgetting } from "../store/logs.ts";
import type { Engine } from "./engine.ts";

const step = { tasksMax: 1_000, linesMax: 20_000 };
/** Ids carry a server's clock, the times of tasks are the database's: how far the two may be apart. */
const clockSkewMs = 10 * 60_000;

/**
 * Forgets logs of tasks that ended (and have logged nothing more) for `keepMs`, one bounded step behind a task. Only tasks that were created so long ago can have
 * ended then, and ids go by creation: newer ones are not looked at. Answers behind which task to go on; undefined: that was all.
 */
export async function forgetLogs(
  engine: Pick<Engine, "db">,
  { keepMs, after }: { readonly keepMs: number; readonly after: bigint },
): Promise<bigint | undefined> {
  const below = firstIdAt(Date.now() - keepMs + clockSkewMs);
  return (await writeForgetting(engine.db, { ...step, keepMs, after, below })).after;
}

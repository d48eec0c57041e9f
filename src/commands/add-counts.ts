import type { Counts } from "../domain/count-sums.ts";
import { MillpondError } from "../domain/errors.ts";
import {
  countRefusal,
  findCountsAnswer,
  forgetProducers,
  type RefusedCounts,
  addCounts as writeCounts,
} from "../store/counts.ts";
import { CountAccumulator, type CountAccumulatorOptions } from "./count-accumulator.ts";
import type { Engine } from "./engine.ts";
import { isOneToBlame } from "./group-reports.ts";
import { taskEnded } from "./report-tasks.ts";
import type { WriteDeps } from "./write-deps.ts";

const flush = { tasksMax: 10_000, itemsMax: 200_000 };
const retryMs = 250;
const producersPerStep = 1_000;

/** Makes the accumulator of a server. */
export function createCountAccumulator(
  deps: WriteDeps & { readonly namespaceId: number },
  options: Pick<CountAccumulatorOptions, "itemsMax" | "onFlush" | "onRetry">,
): CountAccumulator {
  return new CountAccumulator({
    ...{ ...options, flush, retryMs, isOneToBlame },
    write: async (counts) => {
      const added = await writeCounts(deps.db, deps.namespaceId, counts);
      if (added.case === "added" && counts.ids.length > 0) deps.committed([]);
      return added;
    },
  });
}

/** AddCounts: what is added to which tasks, by a call that may be safe to repeat. */
export interface AddCounts {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly counts: Counts;
}

/** Adds to counters, together with what others add; answers the tasks that were refused, by their ids, with why. Fails with REQUEST_ID_REUSED. */
export async function addCounts(engine: Engine, { requestId, bodyHash, counts }: AddCounts): Promise<RefusedCounts> {
  const request = requestId === undefined ? undefined : { requestId, bodyHash };
  for (;;) {
    const outcome = await engine.counts.submit({ counts, request });
    if (outcome.case === "added") return outcome.refused;
    // Undefined: the earlier answer has grown too old meanwhile.
    const refused = await findCountsAnswer(engine.db, { namespaceId: engine.namespaceId, requestId, bodyHash });
    if (refused !== undefined) return refused;
  }
}

/** Says why nothing was added to a task. */
export function countRefused(why: number): MillpondError {
  switch (why) {
    case countRefusal.noSuchTask:
      return new MillpondError("TASK_NOT_FOUND", "there is no such task");
    case countRefusal.beyond64Bits:
      return new MillpondError(
        "INVALID_FIELD",
        "the count is too large: with what has been counted before it is beyond 64 bits",
      );
    default:
      return taskEnded(why);
  }
}

/** Forgets producers that nothing came from for 24 h, one bounded step; tells whether there may be more. */
export async function forgetOldProducers(engine: Pick<Engine, "db">): Promise<boolean> {
  return (await forgetProducers(engine.db, producersPerStep)) === producersPerStep;
}

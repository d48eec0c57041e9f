import type { HeldAttempt, PresentWorker } from "../domain/worker.ts";
import type { Database } from "../store/database.ts";
import { heldAttempts, listWorkers as readWorkers } from "../store/workers.ts";

/** A worker with the attempts that it has, by the time at which they began. */
export interface WorkerWithAttempts extends PresentWorker {
  readonly running: readonly HeldAttempt[];
}

/** A page of workers, and the name after which the next one begins; absent at the end. */
export interface WorkerPage {
  readonly workers: readonly WorkerWithAttempts[];
  readonly nextAfter: string | undefined;
}

const runningMax = 1_000;
/** A page looks at no more attempts than this, unless its first worker has more. */
const attemptsMax = 20_000;

/**
 * Lists workers that are connected, to whichever server, or have asked for tasks lately, with what each runs. An attempt that is over is never among it; one that began at
 * another server less than a few seconds ago may not be yet. `runningOf` tells of workers of this server.
 */
export async function listWorkers(
  db: Database,
  select: {
    readonly namespaceId: number;
    readonly after: string;
    readonly kinds: readonly string[];
    readonly size: number;
  },
  runningOf: (name: string) => readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<WorkerPage> {
  const rows = await readWorkers(db, { ...select, max: select.size + 1 });
  const known = rows.slice(0, select.size).map((row) => {
    const attempts = new Map(row.runningIds.map((id, n) => [id, row.runningAttempts[n] ?? 0]));
    for (const { id, attempt } of runningOf(row.name)) attempts.set(id, attempt);
    return { row, attempts: [...attempts].map(([id, attempt]) => ({ id, attempt })) };
  });
  let total = 0;
  const end = known.findIndex(({ attempts }, n) => {
    total += attempts.length;
    return n > 0 && total > attemptsMax;
  });
  const page = end === -1 ? known : known.slice(0, end);
  const asked = page.flatMap(({ attempts }) => attempts);
  const held = asked.length === 0 ? [] : await heldAttempts(db, asked);
  const byWorker = Map.groupBy(held, ({ worker }) => worker);
  const workers = page.map(({ row: { worker, runningIds: _, runningAttempts: __, ...present } }) => ({
    ...present,
    running: (worker === null ? [] : (byWorker.get(worker) ?? []))
      .toSorted((a, b) => (a.runTime ?? 0) - (b.runTime ?? 0))
      .slice(0, runningMax),
  }));
  const isLast = page.length === rows.length;
  return { workers, nextAfter: isLast ? undefined : page.at(-1)?.row.name };
}

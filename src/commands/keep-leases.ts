import { MillpondError } from "../domain/errors.ts";
import type { Micros } from "../domain/task.ts";
import { CallGroups } from "../lib/call-groups.ts";
import { type HeldLease, keepLeases } from "../store/leases.ts";
import { getTaskStates } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";
import { type LeaseResult, refusal } from "./extend-leases.ts";
import { isOneToBlame } from "./group-reports.ts";

/** What leases of workers with streams are kept with. */
export interface LeaseGroupsOptions {
  readonly engine: Pick<Engine, "db" | "namespaceId">;
  /** How long a lease lasts from each heartbeat. */
  readonly leaseMs: number;
}

const leasesPerStatementMax = 10_000;
const heartbeatsWaitingMax = 100_000;
/** Heartbeats are written at most so often, in parts of a lease, and all of those together that have come since. */
const ticksPerLease = 40;
const tickMsMax = 250;

/** Extends the leases of many streams: their heartbeats of a short time become one statement, however many they are. */
export class LeaseGroups {
  readonly #groups: CallGroups<readonly HeldLease[], LeaseResult[]>;
  readonly #tickMs: number;

  constructor({ engine, leaseMs }: LeaseGroupsOptions) {
    this.#tickMs = Math.min(Math.max(Math.floor(leaseMs / ticksPerLease), 1), tickMsMax);
    this.#groups = new CallGroups({
      ...{ inFlightMax: 1, patienceMs: 1_000, slowMax: 1, waitingMax: heartbeatsWaitingMax, isOneToBlame },
      overflow: () =>
        new MillpondError("LIMIT_EXCEEDED", `${heartbeatsWaitingMax} heartbeats wait to be written`, {
          metadata: { limit: String(heartbeatsWaitingMax) },
        }),
      begin: () => {
        let leases = 0;
        return {
          add: (own: readonly HeldLease[]) => {
            leases += own.length;
            return leases <= leasesPerStatementMax;
          },
        };
      },
      run: (heartbeats) => keep(engine, heartbeats, leaseMs),
    });
  }

  /**
   * Extends the leases of one heartbeat; answers what became of each, in order. None of them comes twice. undefined: it was not wanted any more when it was to be written, and
   * nothing was.
   */
  async keep(leases: readonly HeldLease[], isWanted: () => boolean): Promise<readonly LeaseResult[] | undefined> {
    // Until the next tick, which is the same for all.
    const tickMs = this.#tickMs;
    await new Promise((resolve) => setTimeout(resolve, tickMs - (performance.now() % tickMs)));
    return isWanted() ? this.#groups.submit(leases) : undefined;
  }
}

const kept = { error: undefined, status: undefined, cancelRequested: false };

async function keep(
  { db, namespaceId }: LeaseGroupsOptions["engine"],
  heartbeats: readonly (readonly HeldLease[])[],
  leaseMs: number,
): Promise<LeaseResult[][]> {
  const sorted = heartbeats.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
  const until = new Map<string, Micros>();
  for (const { id, attempt, leaseUntil } of await keepLeases(db, sorted, leaseMs))
    until.set(`${id} ${attempt}`, leaseUntil);
  const refused = sorted.filter(({ id, attempt }) => !until.has(`${id} ${attempt}`)).map(({ id }) => id);
  const rows = refused.length === 0 ? [] : await getTaskStates(db, namespaceId, [...new Set(refused)]);
  const states = new Map(rows.map((row) => [row.id, row]));
  return heartbeats.map((leases) =>
    leases.map(({ id, attempt }) => {
      const leaseUntil = until.get(`${id} ${attempt}`);
      return leaseUntil === undefined ? refusal(attempt, states.get(id)) : { ...kept, leaseUntil };
    }),
  );
}

import { MillpondError } from "../domain/errors.ts";
import type { Report } from "../domain/report.ts";
import { CallGroups } from "../lib/call-groups.ts";
import { reportTasks } from "../store/attempts.ts";
import { sqlState } from "../store/database.ts";
import { finish } from "./follow-ups.ts";
import type { WriteDeps, WrittenReports } from "./write-deps.ts";

const reportsPerCommitMax = 2_000;
const bytesPerCommitMax = 8 * 1024 * 1024;
const commitsInFlight = { inFlightMax: 2, patienceMs: 50, slowMax: 1 };
/** What a worker says together comes in one turn, but on two ways: the credit for the slot that a report frees is to be there when the places are kept. */
const turns = 2;
const callsWaitingMax = 20_000;
/** A transaction that ends few tasks seldom makes many ready; what finds no place is queued. */
const placesMin = 64;
const placesPerReport = 4;

/** Writes reports of several calls in one transaction. An item is at most one report per task, in the order of ids. */
export function createReportGroups(deps: WriteDeps): CallGroups<readonly Report[], WrittenReports> {
  return new CallGroups({
    ...{ ...commitsInFlight, turns, begin: beginReports, waitingMax: callsWaitingMax },
    ...{ overflow: () => tooManyCalls("reports"), isOneToBlame },
    run: (items) => write(deps, items),
  });
}

/** Whether a transaction that failed has certainly not been written, because the database said so: then its calls can be tried apart. */
export function isOneToBlame(error: unknown): boolean {
  return error instanceof MillpondError ? error.reason !== "STORE_UNAVAILABLE" : sqlState(error) !== undefined;
}

/** The refusal of a call while too many wait to be written. */
export function tooManyCalls(what: string): MillpondError {
  const message = `${callsWaitingMax} calls with ${what} wait to be written already; try again later, with more ${what} in each call`;
  return new MillpondError("LIMIT_EXCEEDED", message, {
    metadata: { limit: String(callsWaitingMax) },
    retryDelayMs: 1_000,
  });
}

function beginReports() {
  const ids = new Set<bigint>();
  let bytes = 0;
  return {
    add(reports: readonly Report[]): boolean {
      bytes += reports.reduce((sum, report) => sum + reportTextLength(report), 0);
      const fits =
        ids.size + reports.length <= reportsPerCommitMax &&
        bytes <= bytesPerCommitMax &&
        !reports.some((report) => ids.has(report.id));
      if (fits || ids.size === 0) for (const report of reports) ids.add(report.id);
      return fits;
    },
  };
}

/** How long the texts of a report are. */
export function reportTextLength({ output, details, progress, message }: Report): number {
  return (output?.length ?? 0) + (details?.length ?? 0) + (progress?.length ?? 0) + (message?.length ?? 0);
}

async function write(deps: WriteDeps, items: readonly (readonly Report[])[]): Promise<WrittenReports[]> {
  const [first = []] = items;
  const reports = items.length === 1 ? first : items.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
  const reservation = deps.places.reserve({ max: Math.max(placesMin, reports.length * placesPerReport) });
  const { taken, started, ...outcome } = await reportTasks(deps.db, reports, reservation?.pools).catch(
    (error: unknown) => {
      reservation?.settle([]);
      throw error;
    },
  );
  reservation?.settle(started);
  const finished = finish(deps, outcome);
  return items.map(() => ({ taken, finished }));
}

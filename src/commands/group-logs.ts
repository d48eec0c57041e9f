import { MillpondError } from "../domain/errors.ts";
import type { LogBounds } from "../domain/log.ts";
import { CallGroups } from "../lib/call-groups.ts";
import type { Database } from "../store/database.ts";
import { type AppendedLines, appendLogs, type NewLines } from "../store/logs.ts";
import { isOneToBlame, tooManyCalls } from "./group-reports.ts";

const callsPerCommitMax = 1_000;
const linesPerCommitMax = 20_000;
const bytesPerCommitMax = 8 * 1024 * 1024;
/** One at a time, and seldom two: what logs leaves the other connections to what makes tasks go on. */
const commitsInFlight = { inFlightMax: 1, patienceMs: 50, slowMax: 1 };
const callsWaitingMax = 20_000;
const bytesWaitingMax = 64 * 1024 * 1024;
const mib = 1024 * 1024;

/** What the log of tasks is written with. */
export interface LogGroupsOptions {
  readonly db: Database;
  readonly bounds: LogBounds;
  /** Told after each commit of the tasks that lines were appended to. */
  readonly onAppended: (ids: readonly bigint[]) => void;
  /** Told how many lines were kept and dropped. */
  readonly onLines: (kept: number, dropped: number) => void;
}

/** Appends lines of several calls in one transaction. What waits is bounded, in calls and in bytes: more is refused with LIMIT_EXCEEDED. */
export class LogGroups {
  readonly #groups: CallGroups<NewLines, AppendedLines>;
  #bytesWaiting = 0;

  constructor(options: LogGroupsOptions) {
    this.#groups = new CallGroups({
      ...{ ...commitsInFlight, begin: beginLogs, waitingMax: callsWaitingMax },
      ...{ overflow: () => tooManyCalls("lines of log"), isOneToBlame },
      run: (calls) => write(options, calls),
    });
  }

  /** Appends the lines of a call. */
  async submit(call: NewLines): Promise<AppendedLines> {
    if (this.#bytesWaiting > 0 && this.#bytesWaiting + call.bytes > bytesWaitingMax) throw tooManyBytes();
    this.#bytesWaiting += call.bytes;
    try {
      return await this.#groups.submit(call);
    } finally {
      this.#bytesWaiting -= call.bytes;
    }
  }
}

function tooManyBytes(): MillpondError {
  const message = `${bytesWaitingMax / mib} MiB of lines of log wait to be written already; try again later`;
  return new MillpondError("LIMIT_EXCEEDED", message, {
    metadata: { limit: String(bytesWaitingMax) },
    retryDelayMs: 1_000,
  });
}

function beginLogs() {
  const requestIds = new Set<string>();
  let [calls, lines, bytes] = [0, 0, 0];
  return {
    add({ request: { requestId }, lines: own, bytes: ownBytes }: NewLines): boolean {
      // Two calls with one request_id are the same call, or a mistake: the second finds the first.
      if (requestId !== undefined && requestIds.has(requestId)) return false;
      if (requestId !== undefined) requestIds.add(requestId);
      calls += 1;
      lines += own.length;
      bytes += ownBytes;
      return calls <= callsPerCommitMax && lines <= linesPerCommitMax && bytes <= bytesPerCommitMax;
    },
  };
}

async function write(options: LogGroupsOptions, calls: readonly NewLines[]): Promise<AppendedLines[]> {
  // The rows of tasks and of their logs are locked in this order. Sorting is stable: calls of one task stay in their order.
  const sorted = calls.map((call, n) => ({ call, n })).sort((a, b) => compareIds(a.call.id, b.call.id));
  const written = await appendLogs(
    options.db,
    sorted.map(({ call }) => call),
    options.bounds,
  );
  const results = new Array<AppendedLines>(calls.length);
  const logged: bigint[] = [];
  let [kept, dropped] = [0, 0];
  for (const [place, { call, n }] of sorted.entries()) {
    const result = written[place] as AppendedLines;
    results[n] = result;
    if (result.appended === undefined || result.appended.replayed) continue;
    logged.push(call.id);
    kept += result.appended.kept;
    dropped += call.lines.length - result.appended.kept;
  }
  if (logged.length > 0) options.onAppended(logged);
  options.onLines(kept, dropped);
  return results;
}

function compareIds(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

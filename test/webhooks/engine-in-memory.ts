import { onTestFinished, vi } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { HostBreakers } from "../../src/webhooks/host-breakers.ts";
import { HostPlaces } from "../../src/webhooks/host-places.ts";
import type { StartOutcome } from "../../src/webhooks/start-call.ts";
import {
  type ClaimedStarts,
  type HostedStart,
  StartLoop,
  type StartLoopOptions,
} from "../../src/webhooks/start-loop.ts";

/** What most calls come to. */
export const started: StartOutcome = { kind: "started" };

/** What everything fails with while the database is away. */
export const away = new MillpondError("STORE_UNAVAILABLE", "the database is away");

/** So many names of tasks, each of its own host. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `t${index}`);
}

/** Waits until something is so. */
export function until(condition: () => boolean): Promise<void> {
  return vi.waitUntil(condition, { timeout: 10_000, interval: 1 }).then(() => undefined);
}

interface SetupOptions extends Partial<StartLoopOptions<HostedStart>> {
  readonly concurrency?: number;
  readonly perHostMax?: number;
  readonly breakers?: HostBreakers;
  /** What calls that are answered by themselves come to; default: they have started. */
  readonly outcome?: (id: string) => StartOutcome;
  /** Which calls are answered with 2xx by themselves; default: all. */
  readonly autoAnswer?: boolean | ((id: string) => boolean);
  readonly reportError?: (id: string) => Error | undefined;
  readonly callError?: Error;
}

/** An engine in memory with a queue for each host, and each text that ids end with from a "+"; the id of a task up to "-" is the name of its host, which an id with a space does not tell. */
export function setup({
  autoAnswer = true,
  reportError,
  callError,
  concurrency = 8,
  perHostMax = concurrency,
  breakers = new HostBreakers(),
  outcome = () => started,
  ...options
}: SetupOptions) {
  const waiting: string[] = [];
  const claims: [number, readonly number[]][] = [];
  const queues: string[] = [];
  let looks = 0;
  const called: string[] = [];
  const reports: [string, string][] = [];
  const errors: [string, unknown][] = [];
  const calling = new Map<string, (outcome: StartOutcome) => void>();
  const held = new Set<string>();
  const peaks = new Map<string, number>();
  const onCall = vi.fn<NonNullable<StartLoopOptions<HostedStart>["onCall"]>>();
  let claimError: Error | undefined;
  let gate: { enter(): void; opened: Promise<ClaimedStarts<HostedStart> | undefined> } | undefined;

  const hostOf = (id: string): string => (id.includes(" ") ? "" : `${id.replace(/-.*/, "")}.example.com:8080`);
  const count = (key: string, now: number): void => void peaks.set(key, Math.max(peaks.get(key) ?? 0, now));
  const queueOf = (id: string): number => {
    const name = `${hostOf(id)}${/\+.*/.exec(id)?.[0] ?? ""}`;
    if (!queues.includes(name)) queues.push(name);
    return queues.indexOf(name);
  };
  const loop = new StartLoop<HostedStart>({
    readyQueues: async () => {
      looks += 1;
      return [...new Set(waiting.map(queueOf))];
    },
    hostOf: (queue) => (queues[queue] as string).replace(/\+.*/, ""),
    claim: async (asked, max) => {
      claims.push([max, asked]);
      if (claimError !== undefined) throw claimError;
      if (gate !== undefined) {
        const current = gate;
        gate = undefined;
        current.enter();
        const found = await current.opened;
        if (found !== undefined) return found;
      }
      const ids = waiting.filter((id) => asked.includes(queueOf(id))).slice(0, max);
      for (const id of ids) waiting.splice(waiting.indexOf(id), 1);
      const starts = ids.map((id) => ({
        ...{ taskId: id, attempt: 1, handle: "", defaultBody: "{}", secrets: [] },
        ...{ host: hostOf(id) || id, sharesQueue: hostOf(id) === "", webhook: { url: `http://${hostOf(id)}/` } },
      }));
      return { starts, more: waiting.some((id) => asked.includes(queueOf(id))) };
    },
    call: ({ taskId }, signal) => {
      held.add(taskId);
      called.push(taskId);
      count("all", held.size);
      const host = taskId.replace(/-.*/, "");
      count(host, [...held].filter((id) => id.startsWith(host)).length);
      if (callError !== undefined) return Promise.reject(callError);
      return new Promise((resolve, reject) => {
        const end = (came: StartOutcome): void => {
          calling.delete(taskId);
          resolve(came);
        };
        calling.set(taskId, end);
        signal.addEventListener("abort", () => {
          calling.delete(taskId);
          reject(signal.reason);
        });
        if (typeof autoAnswer === "function" ? autoAnswer(taskId) : autoAnswer) setImmediate(end, outcome(taskId));
      });
    },
    report: async ({ taskId }, outcome) => {
      const error = reportError?.(taskId);
      if (error !== undefined) throw error;
      reports.push([taskId, outcome.kind]);
      held.delete(taskId);
    },
    places: new HostPlaces({ concurrency, perHostMax, breakers }),
    onError: (error, during) => errors.push([during, error]),
    onCall,
    stopTimeoutMs: 50,
    ...options,
  });
  onTestFinished(async () => {
    if (!vi.isFakeTimers()) await loop.stop();
    else await Promise.all([loop.stop(), vi.advanceTimersByTimeAsync(5000)]);
  });
  return {
    loop,
    waiting,
    claims,
    called,
    reports,
    errors,
    calling,
    onCall,
    queueOf,
    looks: () => looks,
    peak: () => peaks.get("all") ?? 0,
    peakOf: (host: string) => peaks.get(host) ?? 0,
    add: (...ids: string[]) => void waiting.push(...ids),
    answer: (id: string, outcome: StartOutcome) => calling.get(id)?.(outcome),
    failClaims: (error: Error | undefined) => {
      claimError = error;
    },
    /** Holds the next claim before it looks: `open` lets it go on, `openEmpty` makes it find nothing, and perhaps more behind that. */
    holdNextClaim: () => {
      const entered = Promise.withResolvers<void>();
      const opened = Promise.withResolvers<ClaimedStarts<HostedStart> | undefined>();
      gate = { enter: entered.resolve, opened: opened.promise };
      const openEmpty = (more = false): void => opened.resolve({ starts: [], more });
      return { entered: entered.promise, open: () => opened.resolve(undefined), openEmpty };
    },
  };
}

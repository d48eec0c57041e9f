import { strict as assert } from "node:assert";
import { MillpondError } from "../domain/errors.ts";
import { wait } from "../lib/wait.ts";
import type { StartCall, StartOutcome } from "./start-call.ts";

/** What {@link createStartLoop} works with. `Start` is what the engine claims: a call and whatever its report needs. */
export interface StartLoopOptions<Start extends StartCall> {
  /**
   * Claims at most `max` push tasks, durably, and answers after the commit. It should leave out tasks whose webhook's
   * host (`new URL(url).host`) is in `busyHosts`; see the limit at {@link createStartLoop}.
   */
  readonly claim: (max: number, busyHosts: readonly string[]) => Promise<readonly Start[]>;
  /** Records what a call came to. STORE_UNAVAILABLE is tried again until stop; any other error a few times. */
  readonly report: (start: Start, outcome: StartOutcome) => Promise<void>;
  readonly caller: { call(start: Start, signal: AbortSignal): Promise<StartOutcome> };
  /** Calls in flight at most, from the claim to the stored report. */
  readonly concurrency: number;
  /** Calls in flight to one host at most; default: half of the concurrency, at least 1. */
  readonly perHostMax?: number;
  /** Hears of what the loop survives. */
  readonly onError: (error: unknown, during: "claim" | "call" | "report") => void;
  /** Hears of each call that came to an outcome. */
  readonly onCall?: (call: { readonly outcome: StartOutcome["kind"]; readonly durationMs: number }) => void;
  /** How often it looks without being woken; default 1 s. */
  readonly pollMs?: number;
  /** How long `stop` waits for calls in flight before it aborts them; default 12 s, more than a call takes. */
  readonly stopTimeoutMs?: number;
  /** A clock that never goes back; default: `performance.now`. */
  readonly now?: () => number;
}

/** StartLoop claims push tasks and calls their start webhooks. */
export interface StartLoop {
  /** Begins to claim; more calls change nothing. A stopped loop stays stopped. */
  start(): void;
  /** Claims no more, waits for calls in flight, aborts them at the bound, or at `graceMs` if that is sooner; every call waits for the same end. */
  stop(graceMs?: number): Promise<void>;
  /** Says that a push task may be ready: claims at once, or as soon as a place is free. */
  wake(): void;
  /** Claims once, and resolves when what it claimed is called and reported: how many. */
  runOnce(): Promise<number>;
}

/** How often a report that fails for another reason than an absent store is tried. */
const reportTriesMax = 5;

/** The wait before a report is tried again: doubles from the first to the second. */
const reportBackoffMs = { first: 100, max: 5000 };

/** How long an aborted call may take to give up its place before `stop` goes on without it. */
const abortGraceMs = 1000;

/**
 * createStartLoop makes the loop. It claims only as many tasks as it has free places, and a place is taken until the
 * report is stored: memory is bounded by the concurrency also while the store is away, and a slow receiver holds only
 * its own place. A call that an abort cuts off is not reported: its task's start timeout returns it.
 *
 * No host takes more than `perHostMax` places: hosts that have reached it are named to `claim` as busy, and no claim is
 * larger than what the fullest other host has left. Limit: this is as good as `claim` is at leaving them out. What it
 * claims is called at once, because a start that is held back runs into its start timeout; a `claim` that ignores
 * `busyHosts` lets one stalled host take every place for as long as its calls last.
 */
export function createStartLoop<Start extends StartCall>(options: StartLoopOptions<Start>): StartLoop {
  return new ClaimAndCall(options);
}

class ClaimAndCall<Start extends StartCall> implements StartLoop {
  readonly #options: StartLoopOptions<Start>;
  readonly #perHostMax: number;
  readonly #now: () => number;
  readonly #abort = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #inFlightByHost = new Map<string, number>();
  /** How many tasks the claims that are under way may bring. */
  #reserved = 0;
  #timer: NodeJS.Timeout | undefined;
  #filling: Promise<void> | undefined;
  /** True if there may be more to claim than the last claim brought. */
  #mayHaveMore = false;
  #stopped: Promise<void> | undefined;

  constructor(options: StartLoopOptions<Start>) {
    assert(options.concurrency >= 1, "concurrency must be at least 1");
    this.#options = options;
    this.#perHostMax = Math.max(1, options.perHostMax ?? Math.floor(options.concurrency / 2));
    this.#now = options.now ?? (() => performance.now());
  }

  start(): void {
    if (this.#timer !== undefined || this.#stopped !== undefined) return;
    this.#timer = setInterval(() => this.wake(), this.#options.pollMs ?? 1000);
    this.wake();
  }

  stop(graceMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#stopped ??= this.#drain(graceMs);
    return this.#stopped;
  }

  wake(): void {
    this.#mayHaveMore = true;
    this.#fill();
  }

  async runOnce(): Promise<number> {
    const launched = await this.#claim();
    await Promise.all(launched);
    return launched.length;
  }

  /** Claims until nothing is left or no place is free. One at a time: what comes meanwhile only sets #mayHaveMore. */
  #fill(): void {
    if (this.#filling !== undefined || this.#timer === undefined) return;
    this.#filling = this.#claimAll().finally(() => {
      this.#filling = undefined;
      // A wake or a freed place that fell between the last look and here.
      if (this.#mayHaveMore && this.#claimMax() > 0) this.#fill();
    });
  }

  async #claimAll(): Promise<void> {
    while (this.#mayHaveMore && this.#timer !== undefined) {
      const max = this.#claimMax();
      if (max === 0) return;
      this.#mayHaveMore = false;
      const launched = await this.#claim();
      if (launched.length >= max) this.#mayHaveMore = true;
    }
  }

  async #claim(): Promise<Promise<void>[]> {
    const max = this.#claimMax();
    if (max === 0) return [];
    const busyHosts = [...this.#inFlightByHost].filter(([, count]) => count >= this.#perHostMax).map(([host]) => host);
    this.#reserved += max;
    let starts: readonly Start[] = [];
    try {
      starts = await this.#options.claim(max, busyHosts);
    } catch (error) {
      // The next poll tries again, not a wake by what the claim gave back; what was claimed without our knowledge returns by its start timeout.
      this.#mayHaveMore = false;
      this.#options.onError(error, "claim");
    }
    this.#reserved -= max;
    return starts.map((start) => this.#launch(start));
  }

  #claimMax(): number {
    const free = this.#options.concurrency - this.#inFlight.size - this.#reserved;
    const counts = [...this.#inFlightByHost.values()].filter((count) => count < this.#perHostMax);
    return Math.max(0, Math.min(free, this.#perHostMax - Math.max(0, ...counts) - this.#reserved));
  }

  #launch(start: Start): Promise<void> {
    const host = URL.parse(start.webhook.url)?.host ?? "";
    this.#inFlightByHost.set(host, (this.#inFlightByHost.get(host) ?? 0) + 1);
    const running = this.#callAndReport(start).finally(() => {
      this.#inFlight.delete(running);
      const left = (this.#inFlightByHost.get(host) ?? 0) - 1;
      if (left > 0) this.#inFlightByHost.set(host, left);
      else this.#inFlightByHost.delete(host);
      // A host that was busy may have tasks that earlier claims left out.
      if (left === this.#perHostMax - 1) this.#mayHaveMore = true;
      if (this.#mayHaveMore) this.#fill();
    });
    this.#inFlight.add(running);
    return running;
  }

  async #callAndReport(start: Start): Promise<void> {
    const startedAt = this.#now();
    let outcome: StartOutcome;
    try {
      outcome = await this.#options.caller.call(start, this.#abort.signal);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#options.onError(error, "call");
      outcome = { kind: "failed", code: "INTERNAL", message: "the start call failed inside the server" };
    }
    this.#options.onCall?.({ outcome: outcome.kind, durationMs: this.#now() - startedAt });
    await this.#reportUntilStored(start, outcome);
  }

  async #reportUntilStored(start: Start, outcome: StartOutcome): Promise<void> {
    let delayMs = reportBackoffMs.first;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#options.report(start, outcome);
      } catch (error) {
        this.#options.onError(error, "report");
        const isAway = error instanceof MillpondError && error.reason === "STORE_UNAVAILABLE";
        if (this.#abort.signal.aborted || (!isAway && tries >= reportTriesMax)) return;
      }
      // An abort ends the wait for one last try.
      await wait(delayMs, this.#abort.signal);
      delayMs = Math.min(delayMs * 2, reportBackoffMs.max);
    }
  }

  async #drain(graceMs: number): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (await this.#isIdleWithin(Math.min(graceMs, this.#options.stopTimeoutMs ?? 12_000))) return;
    this.#abort.abort(new Error("the server is stopping"));
    await this.#isIdleWithin(abortGraceMs);
  }

  /** Waits until no claim and no call is in flight, at most so long; tells whether it came to that. */
  async #isIdleWithin(timeoutMs: number): Promise<boolean> {
    const bound = new AbortController();
    const timeout = wait(timeoutMs, bound.signal).then(() => false);
    const idle = (async () => {
      while (this.#filling !== undefined || this.#inFlight.size > 0) {
        await Promise.all([this.#filling, ...this.#inFlight]);
      }
      return true;
    })();
    const isIdle = await Promise.race([idle, timeout]);
    bound.abort();
    return isIdle;
  }
}

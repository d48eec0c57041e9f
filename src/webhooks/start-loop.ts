import { MillpondError } from "../domain/errors.ts";
import { wait } from "../lib/wait.ts";
import type { HostOutcome } from "./host-breakers.ts";
import type { HostPlace, HostPlaces } from "./host-places.ts";
import type { StartCall, StartOutcome } from "./start-call.ts";

/** What a {@link StartLoop} works with. `Start` is what the engine claims: a call and whatever its report needs. */
export interface StartLoopOptions<Start extends HostedStart> {
  /** Which queues of start webhooks have something to start. */
  readonly readyQueues: () => Promise<readonly number[]>;
  /** The host of a queue's webhooks; empty: they lead to different ones, which have the places of one host together. */
  readonly hostOf: (queue: number) => string;
  /** Claims at most `max` tasks of some queues, durably, and answers after the commit; `more`: there may be more in them. */
  readonly claim: (queues: readonly number[], max: number) => Promise<ClaimedStarts<Start>>;
  /** Records what a call came to. STORE_UNAVAILABLE is tried again until stop; any other error a few times. */
  readonly report: (start: Start, outcome: StartOutcome) => Promise<void>;
  /** Makes the call. What nobody answered, or was not made in time (`unknown`: then it says nothing of the host), is left to the start timeout. */
  readonly call: (start: Start, signal: AbortSignal) => Promise<StartOutcome | "unanswered" | "unknown">;
  /** The calls that may be in flight, from the claim to the stored report. */
  readonly places: HostPlaces;
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

/** A start, and the host that it leads to. */
export interface HostedStart extends StartCall {
  readonly host: string;
  /** Its queue does not tell the host. */
  readonly sharesQueue: boolean;
}

/** What a claim brought. */
export interface ClaimedStarts<Start> {
  readonly starts: readonly Start[];
  readonly more: boolean;
}

/** How often a report that fails for another reason than an absent store is tried. */
const reportTriesMax = 5;

/** The wait before a report is tried again: doubles from the first to the second. */
const reportBackoffMs = { first: 100, max: 5000 };

/** How long an aborted call may take to give up its place before `stop` goes on without it. */
const abortGraceMs = 1000;

/** Hosts with so many free places, or with as many as there are in all, are claimed for together, so many queues at a time; others alone. */
const together = { placesMin: 16, queuesMax: 32 } as const;

/** Queues that are claimed from together, and for how many calls: as many as each of their hosts has places for. */
interface Round {
  readonly queues: readonly number[];
  readonly max: number;
}

/**
 * StartLoop claims tasks with start webhooks and calls these. It claims only for hosts that have places free, and only as many: a place is taken until the
 * report is stored, so that memory is bounded also while the store is away, and a host that is slow or away holds up nobody else's tasks. A call that
 * an abort cuts off is not reported: its task's start timeout returns it.
 *
 * Queues that may have something to start are marked, by a wake or by a look once in a while; a claim takes the marks off, and leaves those of queues that may have more.
 */
export class StartLoop<Start extends HostedStart> {
  readonly #options: StartLoopOptions<Start>;
  readonly #now: () => number;
  readonly #abort = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  /** Calls in flight from queues that do not tell the host. */
  #sharing = 0;
  /** In the order in which they are served. */
  readonly #marked = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #isLookWanted = false;
  /** A look or a claim has failed: what is marked waits for the next poll, not for a place that the failure itself gave back. */
  #isHeld = false;
  #stopped: Promise<void> | undefined;

  constructor(options: StartLoopOptions<Start>) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Begins to claim; more calls change nothing. A stopped loop stays stopped. */
  start(): void {
    if (this.#timer !== undefined || this.#stopped !== undefined) return;
    this.#timer = setInterval(() => this.wake(), this.#options.pollMs ?? 1000);
    this.wake();
  }

  /** Claims no more, waits for calls in flight, aborts them at the bound, or at `graceMs` if that is sooner; every call waits for the same end. */
  stop(graceMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#stopped ??= this.#drain(graceMs);
    return this.#stopped;
  }

  /** Says that these queues may have something to start, or (undefined) that any may have: claims at once, or as soon as a place is free. */
  wake(queues?: readonly number[]): void {
    if (queues === undefined) this.#isLookWanted = true;
    else for (const queue of queues) this.#marked.add(queue);
    this.#isHeld = false;
    this.#work();
  }

  /** Looks and claims until nothing is left or no place is free. One at a time: what comes meanwhile is seen before it ends. */
  #work(): void {
    if (this.#working !== undefined || this.#timer === undefined) return;
    this.#working = this.#claimAll()
      .catch((error: unknown) => {
        this.#isHeld = true;
        this.#options.onError(error, "claim");
      })
      .finally(() => {
        this.#working = undefined;
        // What fell between the last look and here.
        if (!this.#isHeld && (this.#isLookWanted || this.#nextRound() !== undefined)) this.#work();
      });
  }

  async #claimAll(): Promise<void> {
    while (this.#timer !== undefined) {
      if (this.#isLookWanted) {
        this.#isLookWanted = false;
        for (const queue of await this.#options.readyQueues()) this.#marked.add(queue);
      }
      const round = this.#nextRound();
      if (round === undefined) return;
      await this.#claim(round);
    }
  }

  /**
   * The first marked queue whose host has a place, with the others of that host; and, where that has many, others whose hosts have many, too. So what is first in all these queues is called first.
   */
  #nextRound(): Round | undefined {
    const { places, hostOf } = this.#options;
    const queues: number[] = [];
    const placesMin = Math.min(together.placesMin, places.perHostMax, places.free);
    let max = places.free;
    let alone: string | undefined;
    for (const queue of max > 0 ? this.#marked : []) {
      const host = hostOf(queue);
      if (alone !== undefined && host !== alone) continue;
      const free = this.#freeAt(host);
      if (free === 0) continue;
      if (free < placesMin && queues.length === 0) alone = host;
      if (free < placesMin && host !== alone) continue;
      queues.push(queue);
      max = Math.min(max, free);
      if (queues.length === together.queuesMax) break;
    }
    return queues.length === 0 ? undefined : { queues: queues.toSorted((a, b) => a - b), max };
  }

  #freeAt(host: string): number {
    const { places } = this.#options;
    return host === "" ? Math.max(0, Math.min(places.free, places.perHostMax - this.#sharing)) : places.freeAt(host);
  }

  async #claim({ queues, max }: Round): Promise<void> {
    for (const queue of queues) this.#marked.delete(queue);
    try {
      const { starts, more } = await this.#options.claim(queues, max);
      for (const start of starts) this.#launch(start);
      // Also where there were none: what rules do not let in is out of the way now.
      if (more) for (const queue of queues) this.#marked.add(queue);
    } catch (error) {
      // The next poll tries again, not a wake by what the claim gave back; what was claimed without our knowledge returns by its start timeout.
      for (const queue of queues) this.#marked.add(queue);
      throw error;
    }
  }

  #launch(start: Start): void {
    const place = this.#options.places.take(start.host);
    if (start.sharesQueue) this.#sharing += 1;
    const running = this.#callAndReport(start, place).finally(() => {
      this.#inFlight.delete(running);
      if (start.sharesQueue) this.#sharing -= 1;
      if (!this.#isHeld && this.#marked.size > 0) this.#work();
    });
    this.#inFlight.add(running);
  }

  async #callAndReport(start: Start, place: HostPlace): Promise<void> {
    const startedAt = this.#now();
    let outcome: StartOutcome | "unanswered" | "unknown" = "unknown";
    try {
      outcome = await this.#options.call(start, this.#abort.signal);
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        this.#options.onError(error, "call");
        outcome = { kind: "failed", code: "INTERNAL", message: "the start call failed inside the server" };
      }
    }
    if (typeof outcome === "object") {
      this.#options.onCall?.({ outcome: outcome.kind, durationMs: this.#now() - startedAt });
      await this.#reportUntilStored(start, outcome);
    }
    place.give(hostOutcomeOf(outcome));
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
      while (this.#working !== undefined || this.#inFlight.size > 0) {
        await Promise.all([this.#working, ...this.#inFlight]);
      }
      return true;
    })();
    const isIdle = await Promise.race([idle, timeout]);
    bound.abort();
    return isIdle;
  }
}

/** What a call says of its host. */
function hostOutcomeOf(outcome: StartOutcome | "unanswered" | "unknown"): HostOutcome {
  if (outcome === "unanswered") return "unreached";
  if (outcome === "unknown" || outcome.kind === "forbidden") return "unknown";
  if (outcome.kind !== "failed") return "reached";
  return unreachedCodes.has(outcome.code) ? "unreached" : outcome.code === "INTERNAL" ? "unknown" : "reached";
}

const unreachedCodes: ReadonlySet<string> = new Set(["TIMEOUT", "NETWORK", "HTTP_502", "HTTP_503", "HTTP_504"]);

import { type ClaimedDelivery, type DeliveryOutcome, type DeliveryResult, deliveryResult } from "../domain/delivery.ts";
import { MillpondError } from "../domain/errors.ts";
import { Loop } from "../lib/loop.ts";
import { wait } from "../lib/wait.ts";
import { type HostOutcome, hostOutcome } from "./host-breakers.ts";
import type { HostPlaces } from "./host-places.ts";

/** What a delivery has to say of itself in order to be called and settled. */
export type DueDelivery = Pick<
  ClaimedDelivery,
  "id" | "host" | "fence" | "attemptCount" | "createTime" | "attemptTime"
>;

/** What a {@link DeliveryLoop} works with. `Delivery` is what is claimed and called. */
export interface DeliveryLoopOptions<Delivery extends DueDelivery> {
  /** Takes deliveries that are due and for whose hosts there are places, durably, with a lease. */
  readonly claim: (places: HostPlaces) => Promise<readonly Delivery[]>;
  /** Makes the call. It throws when the signal aborts; anything else that it throws is a call that failed. */
  readonly call: (delivery: Delivery, signal: AbortSignal) => Promise<DeliveryOutcome>;
  /** Records results. STORE_UNAVAILABLE is tried again until stop; any other error a few times, then the leases end. */
  readonly settle: (results: readonly DeliveryResult[]) => Promise<void>;
  /** In how many milliseconds the next delivery to another host than these is due; undefined: there is none. */
  readonly nextDueInMs: (exceptHosts: readonly string[]) => Promise<number | undefined>;
  /** The calls that may be in flight, from the claim to the stored result. */
  readonly places: HostPlaces;
  /** Hears of what the loop survives. */
  readonly onError: (error: unknown, during: "claim" | "call" | "settle") => void;
  /** Hears of each result that was stored. */
  readonly onResult?: (result: DeliveryResult) => void;
  /** How often it looks without being woken; default 1 s. */
  readonly pollMs?: number;
  /** How long `stop` waits for calls in flight before it aborts them; default 12 s, more than a call takes. */
  readonly stopTimeoutMs?: number;
  /** Numbers from 0 to 1; default: `Math.random`. */
  readonly random?: () => number;
}

/** The shortest sleep between two looks that nobody asked for. */
const sleepMsMin = 50;

/** How often results are tried to be stored when it fails for another reason than an absent store. */
const settleTriesMax = 5;

/** The wait before results are tried again: doubles from the first to the second. */
const settleBackoffMs = { first: 100, max: 5000 };

/** How long an aborted call may take to be recorded before `stop` goes on without it. */
const abortGraceMs = 1000;

/**
 * DeliveryLoop takes deliveries that are due, calls their webhooks, and records what came of it. It takes only as many as it has free places, in all and for each
 * host, and a place is taken until the result is stored: memory is bounded also while the store is away, and a host that is slow or away holds up nobody else's. Results that come while others are
 * being stored are stored together. A call that `stop` cuts off is recorded as one that failed: it is made again.
 */
export class DeliveryLoop<Delivery extends DueDelivery> {
  readonly #options: DeliveryLoopOptions<Delivery>;
  readonly #claims: Loop;
  readonly #abort = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  #sleepMs = 0;
  #started = false;
  #stopped: Promise<void> | undefined;
  #unsettled: { readonly result: DeliveryResult; readonly resolve: () => void }[] = [];
  #settling: Promise<void> | undefined;

  constructor(options: DeliveryLoopOptions<Delivery>) {
    this.#options = options;
    this.#claims = new Loop({
      runOnce: () => this.#fill(),
      delayMs: () => this.#sleepMs,
      onError: (error) => options.onError(error, "claim"),
    });
  }

  /** Begins to take deliveries; more calls change nothing. A stopped loop stays stopped. */
  start(): void {
    if (this.#stopped !== undefined) return;
    this.#started = true;
    this.#claims.start();
  }

  /** Takes no more, waits for calls in flight, aborts them at the bound, or at `graceMs` if that is sooner; every call waits for the same end. */
  stop(graceMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#stopped ??= this.#drain(graceMs);
    return this.#stopped;
  }

  /** Says that there may be something to deliver: looks at once, or as soon as a place is free. */
  wake(): void {
    if (this.#started) this.#claims.wake();
  }

  /** Takes once, and resolves when what it took is called and recorded: how many. */
  async runOnce(): Promise<number> {
    const launched = await this.#launchSome();
    await Promise.all(launched);
    return launched.length;
  }

  /** One step: takes what there are places for; true if there may be more. */
  async #fill(): Promise<boolean> {
    const { places, pollMs = 1000, nextDueInMs } = this.#options;
    this.#sleepMs = pollMs;
    // A place that becomes free wakes the loop.
    if (places.free === 0) return false;
    const { hosts, free } = places.limits();
    // An idle loop makes one look, at the first place of an index.
    const dueInMs = await nextDueInMs(hosts.filter((_, n) => free[n] === 0));
    if (dueInMs !== undefined && dueInMs <= 0) {
      if ((await this.#launchSome()).length > 0) return true;
      // Not at once: what is due and was not taken is in another server's hands.
      this.#sleepMs = Math.min(pollMs, sleepMsMin);
      return false;
    }
    this.#sleepMs = Math.min(pollMs, Math.max(sleepMsMin, dueInMs ?? pollMs));
    return false;
  }

  async #launchSome(): Promise<readonly Promise<void>[]> {
    const { places, claim } = this.#options;
    if (places.free === 0) return [];
    return (await claim(places)).map((delivery) => {
      const place = places.take(delivery.host);
      const running = this.#deliver(delivery).then((outcome) => {
        this.#inFlight.delete(running);
        const wasFull = place.give(outcome);
        if (wasFull) this.wake();
      });
      this.#inFlight.add(running);
      return running;
    });
  }

  /** Makes one call, records it, and says what it tells of the host. */
  async #deliver(delivery: Delivery): Promise<HostOutcome> {
    const { call, onError, random = Math.random } = this.#options;
    let outcome: DeliveryOutcome;
    let hostAnswered: HostOutcome = "unknown";
    try {
      outcome = await call(delivery, this.#abort.signal);
      if (outcome.kind !== "refused" || outcome.status !== 0) hostAnswered = hostOutcome(outcome.status);
    } catch (error) {
      const isCutOff = this.#abort.signal.aborted;
      if (!isCutOff) onError(error, "call");
      const message = isCutOff ? "the server stopped during the call" : "the call failed inside the server";
      outcome = { kind: "failed", status: 0, message };
    }
    await this.#settle(deliveryResult(delivery, outcome, random()));
    return hostAnswered;
  }

  #settle(result: DeliveryResult): Promise<void> {
    return new Promise((resolve) => {
      this.#unsettled.push({ result, resolve });
      this.#settling ??= this.#settleAll();
    });
  }

  async #settleAll(): Promise<void> {
    while (this.#unsettled.length > 0) {
      const some = this.#unsettled.splice(0);
      const results = some.map(({ result }) => result);
      if (await this.#store(results)) for (const result of results) this.#options.onResult?.(result);
      for (const { resolve } of some) resolve();
    }
    this.#settling = undefined;
  }

  /** Stores results, and tells whether it could. */
  async #store(results: readonly DeliveryResult[]): Promise<boolean> {
    let delayMs = settleBackoffMs.first;
    for (let tries = 1; ; tries++) {
      try {
        await this.#options.settle(results);
        return true;
      } catch (error) {
        this.#options.onError(error, "settle");
        const isAway = error instanceof MillpondError && error.reason === "STORE_UNAVAILABLE";
        if (this.#abort.signal.aborted || (!isAway && tries >= settleTriesMax)) return false;
      }
      // An abort ends the wait for one last try.
      await wait(delayMs, this.#abort.signal);
      delayMs = Math.min(delayMs * 2, settleBackoffMs.max);
    }
  }

  async #drain(graceMs: number): Promise<void> {
    const idle = this.#untilIdle();
    if (await isWithin(idle, Math.min(graceMs, this.#options.stopTimeoutMs ?? 12_000))) return;
    this.#abort.abort(new Error("the server is stopping"));
    await isWithin(idle, abortGraceMs);
  }

  async #untilIdle(): Promise<void> {
    await this.#claims.stop();
    await Promise.all(this.#inFlight);
  }
}

/** Waits for something, at most so long; tells whether it came. */
async function isWithin(step: Promise<void>, timeoutMs: number): Promise<boolean> {
  const bound = new AbortController();
  const came = await Promise.race([step.then(() => true), wait(timeoutMs, bound.signal).then(() => false)]);
  bound.abort();
  return came;
}

/** What {@link HostBreakers} work with; every bound has a default. */
export interface HostBreakersOptions {
  /** So many calls in a row that did not reach a host open its breaker; default 5. */
  readonly failuresMax?: number;
  /** How long a breaker stays open: doubles from the first to the second while trials fail; default 1 s and 30 s. */
  readonly openMs?: { readonly first: number; readonly max: number };
  /** A clock that never goes back; default: `performance.now`. */
  readonly now?: () => number;
  /** Hears of a breaker that opens, once until it closes, and that closes. */
  readonly onChange?: (change: { readonly host: string; readonly isOpen: boolean }) => void;
}

interface Breaker {
  failures: number;
  /** Until when it is open; undefined: it has not opened. */
  openUntilMs: number | undefined;
  openMs: number;
  /** Calls under way that try whether the host is back. */
  trials: number;
}

/** Hosts that are remembered to have failed; beyond, those whose failure is the oldest are forgotten. */
const hostsMax = 10_000;

/**
 * HostBreakers are circuit breakers, one a host: a host that several calls in a row did not reach is left alone for a while, then tried by one call at a time until one reaches it.
 * They are asked before work for a host is taken, and reject nothing: what is not taken stays in the database and uses up no attempt. (Libraries' breakers
 * wrap a call and reject it; by then the attempt would be used up.)
 *
 *     closed    any number of calls
 *     open      none, for 1 s that doubles up to 30 s
 *     half-open one, whose end closes it or opens it for longer
 */
export class HostBreakers {
  readonly #options: Required<HostBreakersOptions>;
  readonly #breakers = new Map<string, Breaker>();

  constructor(options: HostBreakersOptions = {}) {
    const { failuresMax = 5, openMs = { first: 1000, max: 30_000 }, now = () => performance.now() } = options;
    this.#options = { failuresMax, openMs, now, onChange: options.onChange ?? (() => {}) };
  }

  /** How many breakers are open or half-open. */
  get openCount(): number {
    return [...this.#breakers.values()].filter((breaker) => breaker.openUntilMs !== undefined).length;
  }

  /** How many calls to a host may begin now: infinitely many, none, or one that tries. */
  allowance(host: string): number {
    const breaker = this.#breakers.get(host);
    if (breaker?.openUntilMs === undefined) return Number.POSITIVE_INFINITY;
    return this.#options.now() >= breaker.openUntilMs && breaker.trials === 0 ? 1 : 0;
  }

  /** In how many milliseconds a call tries a host that is not reached, negative where that was; undefined: it is called freely. */
  retryInMs(host: string): number | undefined {
    const until = this.#breakers.get(host)?.openUntilMs;
    return until === undefined ? undefined : until - this.#options.now();
  }

  /** The hosts that are not called freely. */
  hosts(): string[] {
    return [...this.#breakers].filter(([, { openUntilMs }]) => openUntilMs !== undefined).map(([host]) => host);
  }

  /** Says that a call begins; `end` it once. */
  begin(host: string): HostCall {
    const breaker = this.#breakers.get(host);
    // One that was claimed before the breaker opened tries nothing.
    const isTrial = breaker?.openUntilMs !== undefined && this.#options.now() >= breaker.openUntilMs;
    if (isTrial) breaker.trials += 1;
    let ended = false;
    return {
      end: (outcome) => {
        if (ended) return;
        ended = true;
        if (isTrial) breaker.trials -= 1;
        if (outcome === "reached") this.#reached(host);
        else if (outcome === "unreached") this.#unreached(host, isTrial);
      },
    };
  }

  #reached(host: string): void {
    const wasOpen = this.#breakers.get(host)?.openUntilMs !== undefined;
    this.#breakers.delete(host);
    if (wasOpen) this.#options.onChange({ host, isOpen: false });
  }

  #unreached(host: string, isTrial: boolean): void {
    const { failuresMax, openMs, now } = this.#options;
    const breaker = this.#breakers.get(host) ?? {
      failures: 0,
      openUntilMs: undefined,
      openMs: openMs.first,
      trials: 0,
    };
    breaker.failures += 1;
    this.#breakers.delete(host);
    this.#breakers.set(host, breaker);
    if (this.#breakers.size > hostsMax) this.#breakers.delete(this.#breakers.keys().next().value as string);
    if (breaker.openUntilMs !== undefined) {
      // Calls that began before it opened say nothing new, and neither does a trial that another one was quicker than.
      if (!isTrial || now() < breaker.openUntilMs) return;
      breaker.openMs = Math.min(breaker.openMs * 2, openMs.max);
      breaker.openUntilMs = now() + breaker.openMs;
    } else if (breaker.failures >= failuresMax) {
      breaker.openUntilMs = now() + breaker.openMs;
      this.#options.onChange({ host, isOpen: true });
    }
  }
}

/** A call to a host that is under way. */
export interface HostCall {
  /** Says what it came to: the host answered, it did not (nothing came back, or a proxy spoke for it), or nobody knows. */
  end(outcome: HostOutcome): void;
}

/** Whether a call reached its host. */
export type HostOutcome = "reached" | "unreached" | "unknown";

/** Answers of proxies whose server is away, or of servers that take no work. */
const awayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

/** Whether an answer, or none at all (status 0), came from the host itself. */
export function hostOutcome(status: number): HostOutcome {
  return status === 0 || awayStatuses.has(status) ? "unreached" : "reached";
}

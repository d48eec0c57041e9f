import { strict as assert } from "node:assert";
import type { HostBreakers, HostOutcome } from "./host-breakers.ts";

/** What {@link HostPlaces} are made of. */
export interface HostPlacesOptions {
  /** Calls in flight at most. */
  readonly concurrency: number;
  /** Calls in flight to one host at most. */
  readonly perHostMax: number;
  readonly breakers: HostBreakers;
}

/** A place that a call holds. */
export interface HostPlace {
  /** Gives it back; true if the host had no other one free. Only the first call counts. */
  give(outcome: HostOutcome): boolean;
}

/** HostPlaces are the calls that one loop may have in flight: so many in all, so many to a host, and as its breaker lets them. */
export class HostPlaces {
  readonly #options: HostPlacesOptions;
  readonly #taken = new Map<string, number>();
  #inFlight = 0;

  constructor(options: HostPlacesOptions) {
    assert(options.concurrency >= 1 && options.perHostMax >= 1, "there must be places");
    this.#options = options;
  }

  /** Places that are free, whatever the host. */
  get free(): number {
    return this.#options.concurrency - this.#inFlight;
  }

  /** Places of a host of which nothing is known. */
  get perHostMax(): number {
    return Math.min(this.#options.perHostMax, this.#options.concurrency);
  }

  /** How many calls to a host may begin now. */
  freeAt(host: string): number {
    const { perHostMax, breakers } = this.#options;
    const own = Math.min(perHostMax - (this.#taken.get(host) ?? 0), breakers.allowance(host));
    return Math.max(0, Math.min(own, this.free));
  }

  /** The hosts that may have fewer calls than one of which nothing is known, with how many may begin now. */
  limits(): { readonly hosts: readonly string[]; readonly free: readonly number[] } {
    const hosts = [...new Set([...this.#taken.keys(), ...this.#options.breakers.hosts()])];
    return { hosts, free: hosts.map((host) => this.freeAt(host)) };
  }

  /** Takes a place. */
  take(host: string): HostPlace {
    const call = this.#options.breakers.begin(host);
    this.#inFlight += 1;
    this.#taken.set(host, (this.#taken.get(host) ?? 0) + 1);
    let given = false;
    return {
      give: (outcome) => {
        if (given) return false;
        given = true;
        const wasFull = this.freeAt(host) === 0;
        call.end(outcome);
        this.#inFlight -= 1;
        const left = (this.#taken.get(host) ?? 0) - 1;
        if (left > 0) this.#taken.set(host, left);
        else this.#taken.delete(host);
        return wasFull;
      },
    };
  }
}

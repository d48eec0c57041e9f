import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { MillpondClient } from "../client.ts";
import type { Attempt } from "./attempt.ts";

/** LeaseKeeperOptions is what a {@link LeaseKeeper} works with. */
export interface LeaseKeeperOptions {
  readonly client: Pick<MillpondClient, "workers">;
  readonly workerId: string;
  readonly leaseMs: number;
  /** The attempts that are under way, whenever it asks. */
  readonly attempts: () => Iterable<Attempt>;
  /** Sends a heartbeat for them by the worker's stream; answers how long their leases last from then, or undefined where there is no stream. */
  readonly heartbeat?: (attempts: readonly Attempt[]) => number | undefined;
  /** Is told what went wrong; does not throw. */
  readonly onError: (error: unknown) => void;
}

const leasesMax = 1_000;

/**
 * LeaseKeeper extends the leases of all attempts under way: by heartbeats of the worker's stream, or every quarter of a lease (one that fails leaves time for another), in one call for up to 1,000. It
 * aborts an attempt when the server says so, and when the lease may have run out because the server was away.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #extending = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Begins to extend. Harmless when it has begun. */
  start(): void {
    this.#timer ??= setInterval(() => void this.runOnce(), this.#options.leaseMs / 4);
  }

  /** Extends at once, and from then on so often: as a server asks for. Only once it has begun. */
  everyMs(ms: number): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.runOnce(), Math.min(ms, this.#options.leaseMs / 4));
    void this.runOnce();
  }

  /** Ends extending. Harmless when it has ended. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Extends every lease once, unless that is under way. Never rejects. */
  async runOnce(): Promise<void> {
    this.#abortExpired();
    const nowMs = performance.now();
    const leaseMs = this.#options.heartbeat?.([...this.#options.attempts()]);
    if (leaseMs !== undefined) {
      // A heartbeat that is not taken ends the stream, and the attempts it named are extended by the next one, or by calls.
      for (const attempt of this.#options.attempts()) attempt.leaseExpiresAtMs = nowMs + leaseMs;
      return;
    }
    if (this.#extending) return;
    this.#extending = true;
    try {
      const attempts = [...this.#options.attempts()];
      for (let start = 0; start < attempts.length; start += leasesMax) {
        await this.#extend(attempts.slice(start, start + leasesMax)).catch(this.#options.onError);
      }
    } finally {
      this.#extending = false;
    }
  }

  #abortExpired(): void {
    const nowMs = performance.now();
    for (const attempt of this.#options.attempts()) {
      if (attempt.leaseExpiresAtMs <= nowMs) attempt.abort("lease_lost", "the lease ran out before it was extended");
    }
  }

  async #extend(attempts: readonly Attempt[]): Promise<void> {
    const { client, workerId, leaseMs } = this.#options;
    const sentAtMs = performance.now();
    const { results } = await client.workers.extendLeases(
      {
        workerId,
        leases: attempts.map(({ taskId, attempt }) => ({ taskId, attempt })),
        lease: durationFromMs(leaseMs),
      },
      { timeoutMs: leaseMs },
    );
    for (const [index, attempt] of attempts.entries()) {
      const result = results[index];
      if (result?.cancelRequested) attempt.abort("cancel_requested", "the server asked to stop the attempt");
      else if (result?.result.case === "error") attempt.abort("lease_lost", result.result.value.message);
      else if (result) attempt.leaseExpiresAtMs = sentAtMs + leaseMs;
    }
  }
}

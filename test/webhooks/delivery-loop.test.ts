import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type DeliveryOutcome, type DeliveryResult, DeliveryState } from "../../src/domain/delivery.ts";
import { MillpondError } from "../../src/domain/errors.ts";
import { DeliveryLoop, type DeliveryLoopOptions, type DueDelivery } from "../../src/webhooks/delivery-loop.ts";
import { HostBreakers } from "../../src/webhooks/host-breakers.ts";
import { HostPlaces } from "../../src/webhooks/host-places.ts";

const delivered: DeliveryOutcome = { kind: "delivered", status: 200 };

describe("a delivery loop", () => {
  it("takes what is due, calls it and records what each call came to", async () => {
    const store = setup({
      answer: ({ id }) => (id === 2n ? { kind: "failed", status: 500, message: "no" } : delivered),
    });
    store.add(1n, 2n);
    store.loop.start();
    await until(() => store.settled.length === 2);
    const states = Object.fromEntries(
      store.settled.map(({ id, state, statusCode }) => [String(id), [state, statusCode]]),
    );
    expect(states).toEqual({ 1: [DeliveryState.DELIVERED, 200], 2: [DeliveryState.PENDING, 500] });
    expect(store.told.length).toBe(2);
    expect(store.errors).toEqual([]);
  });

  it("never takes more than it has places for", async () => {
    const store = setup({ concurrency: 4 });
    store.add(...ids(200));
    store.loop.start();
    await until(() => store.settled.length === 200);
    expect(store.peak()).toBe(4);
    expect(Math.max(...store.claims)).toBe(4);
    expect(new Set(store.settled.map(({ id }) => id)).size).toBe(200);
  });

  it("lets one slow receiver hold only its own place", async () => {
    const store = setup({ concurrency: 2, answer: ({ id }) => (id === 1n ? new Promise(() => {}) : delivered) });
    store.add(...ids(50));
    store.loop.start();
    await until(() => store.settled.length === 49);
  });

  it("looks once per poll interval, or sooner where the next one is due sooner", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const store = setup({ pollMs: 1000 });
    store.loop.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([store.looks, store.claims.length]).toEqual([11, 0]);
    store.nextDueInMs = 200;
    store.loop.wake();
    await vi.advanceTimersByTimeAsync(1100);
    expect(store.looks).toBeGreaterThanOrEqual(16);
    store.nextDueInMs = 0;
    const before = store.claims.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(store.claims.length - before).toBeLessThanOrEqual(21);
  });

  it("looks at once when woken, and not before it is started", async () => {
    const store = setup({ pollMs: 1e9 });
    store.loop.wake();
    expect(store.looks).toBe(0);
    store.loop.start();
    store.loop.start();
    await until(() => store.looks === 1);
    store.add(1n);
    store.loop.wake();
    await until(() => store.settled.length === 1);
  });

  it("looks again when a place becomes free", async () => {
    const free = Promise.withResolvers<DeliveryOutcome>();
    const store = setup({ concurrency: 1, pollMs: 1e9, answer: ({ id }) => (id === 1n ? free.promise : delivered) });
    store.add(1n, 2n);
    store.loop.start();
    await until(() => store.called.length === 1);
    free.resolve(delivered);
    await until(() => store.settled.length === 2);
  });

  it("lets a host that is slow hold only its own places, and makes its calls as these become free", async () => {
    const slow = Promise.withResolvers<DeliveryOutcome>();
    const hostOf = (id: bigint): string => (id <= 20n ? "slow" : `quick-${id % 3n}`);
    const store = setup({
      ...{ concurrency: 8, perHostMax: 4, pollMs: 1e9, hostOf },
      answer: ({ id }) => (id <= 20n ? slow.promise : delivered),
    });
    store.add(...ids(60));
    store.loop.start();
    await until(() => store.settled.length === 40);
    expect(store.called.filter((id) => id <= 20n)).toHaveLength(4);
    slow.resolve(delivered);
    await until(() => store.settled.length === 60);
  });

  it("leaves a host alone that is not reached, and tries it by one call at a time", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let status = 503;
    const breakers = new HostBreakers({ failuresMax: 3 });
    const store = setup({
      ...{ concurrency: 4, breakers },
      answer: () => (status === 200 ? delivered : { kind: "failed", status, message: "away" }),
    });
    store.add(...ids(20));
    store.loop.start();
    await vi.advanceTimersByTimeAsync(100);
    // Four at once, and one more for each of the first two that end.
    const opened = store.called.length;
    expect(opened).toBeLessThanOrEqual(6);
    expect(breakers.openCount).toBe(1);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(store.called.length).toBe(opened + 3);
    status = 200;
    await vi.advanceTimersByTimeAsync(10_000);
    expect([store.called.length, breakers.openCount]).toEqual([20, 0]);
  });

  it("stores together what comes while it stores", async () => {
    const store = setup({ concurrency: 10 });
    const gate = store.holdNextSettle();
    store.add(...ids(10));
    store.loop.start();
    await until(() => store.called.length === 10);
    await new Promise(setImmediate);
    gate();
    await until(() => store.settled.length === 10);
    expect(store.settles.length).toBeLessThan(10);
  });

  it("runs once for tests", async () => {
    const store = setup({ concurrency: 2 });
    store.add(...ids(3));
    expect(await store.loop.runOnce()).toBe(2);
    expect(await store.loop.runOnce()).toBe(1);
    expect(await store.loop.runOnce()).toBe(0);
    expect(store.settled).toHaveLength(3);
  });
});

describe("when something fails", () => {
  it("a claim is tried again at the next poll", async () => {
    const store = setup({ pollMs: 5 });
    store.claimError = away;
    store.add(1n);
    store.loop.start();
    await until(() => store.errors.length >= 3);
    expect(store.errors[0]).toEqual(["claim", away]);
    store.claimError = undefined;
    await until(() => store.settled.length === 1);
  });

  it("a call that throws is recorded as one that failed", async () => {
    const defect = new TypeError("defect");
    const store = setup({ answer: () => Promise.reject(defect) });
    store.add(1n);
    store.loop.start();
    await until(() => store.settled.length === 1);
    expect(store.settled[0]).toMatchObject({ state: DeliveryState.PENDING, statusCode: 0 });
    expect(store.errors).toEqual([["call", defect]]);
  });

  it("results that find no store are tried again until they are stored, and keep their places", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const store = setup({ concurrency: 2 });
    store.settleError = away;
    store.add(1n, 2n, 3n);
    store.loop.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(store.errors.length).toBeGreaterThan(10);
    expect(store.called).toHaveLength(2);
    store.settleError = undefined;
    await vi.advanceTimersByTimeAsync(5000);
    expect(store.settled.map(({ id }) => id).sort()).toEqual([1n, 2n, 3n]);
    expect(store.called).toHaveLength(3);
  });

  it("results that cannot be stored otherwise are given up after five tries, and their places are free", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const defect = new TypeError("defect");
    const store = setup({ concurrency: 1 });
    store.settleError = defect;
    store.add(1n);
    store.loop.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(store.errors).toEqual(Array.from({ length: 5 }, () => ["settle", defect]));
    expect(store.told).toEqual([]);
    store.settleError = undefined;
    store.add(2n);
    await vi.advanceTimersByTimeAsync(2000);
    expect(store.settled.map(({ id }) => id)).toEqual([2n]);
  });
});

describe("stop", () => {
  it("takes no more, waits for calls in flight and what is stored of them, and is idempotent", async () => {
    const answer = Promise.withResolvers<DeliveryOutcome>();
    const store = setup({ concurrency: 1, answer: () => answer.promise });
    store.add(1n, 2n);
    store.loop.start();
    await until(() => store.called.length === 1);
    let isStopped = false;
    const stopping = Promise.all([store.loop.stop(), store.loop.stop()]).then(() => {
      isStopped = true;
    });
    store.loop.wake();
    await new Promise(setImmediate);
    expect(isStopped).toBe(false);
    answer.resolve(delivered);
    await stopping;
    expect(store.settled.map(({ id }) => id)).toEqual([1n]);
    store.loop.start();
    store.loop.wake();
    expect(store.claims).toHaveLength(1);
  });

  it("aborts calls at its bound and records them as failed, to be made again", async () => {
    const store = setup({ stopTimeoutMs: 20, answer: () => new Promise(() => {}) });
    store.add(1n);
    store.loop.start();
    await until(() => store.called.length === 1);
    await store.loop.stop();
    expect(store.settled).toMatchObject([
      { id: 1n, state: DeliveryState.PENDING, error: expect.stringContaining("stopped") },
    ]);
    expect(store.errors).toEqual([]);
  });

  it("does not wait for ever for a store that never answers", async () => {
    const store = setup({ stopTimeoutMs: 10 });
    store.holdNextSettle();
    store.add(1n);
    store.loop.start();
    await until(() => store.called.length === 1);
    await store.loop.stop();
  });

  it("ends at once where it never started", async () => {
    await setup({}).loop.stop();
  });
});

const away = new MillpondError("STORE_UNAVAILABLE", "the database is away");

function ids(count: number): bigint[] {
  return Array.from({ length: count }, (_, n) => BigInt(n + 1));
}

function until(condition: () => boolean): Promise<void> {
  return vi.waitUntil(condition, { timeout: 10_000, interval: 1 }).then(() => undefined);
}

interface SetupOptions extends Partial<DeliveryLoopOptions<DueDelivery>> {
  readonly concurrency?: number;
  readonly perHostMax?: number;
  readonly breakers?: HostBreakers;
  /** The host of a delivery; default: the same for all. */
  readonly hostOf?: (id: bigint) => string;
  readonly answer?: (delivery: DueDelivery) => DeliveryOutcome | Promise<DeliveryOutcome>;
}

/** A store in memory, and receivers that answer 200 unless `answer` says otherwise. */
function setup({
  answer = () => delivered,
  concurrency = 8,
  perHostMax = concurrency,
  breakers = new HostBreakers(),
  hostOf = () => "example.com",
  ...options
}: SetupOptions) {
  const due: bigint[] = [];
  const held = new Set<bigint>();
  let peak = 0;
  let settleGate: Promise<void> | undefined;
  const store = {
    claims: [] as number[],
    looks: 0,
    called: [] as bigint[],
    settles: [] as (readonly DeliveryResult[])[],
    settled: [] as DeliveryResult[],
    told: [] as DeliveryResult[],
    errors: [] as [string, unknown][],
    nextDueInMs: undefined as number | undefined,
    claimError: undefined as Error | undefined,
    settleError: undefined as Error | undefined,
    add: (...added: bigint[]) => void due.push(...added),
    peak: () => peak,
    holdNextSettle: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      settleGate = promise;
      return resolve;
    },
  };
  const loop = new DeliveryLoop<DueDelivery>({
    claim: async (places) => {
      store.claims.push(places.free);
      if (store.claimError !== undefined) throw store.claimError;
      const taken: bigint[] = [];
      for (const id of [...due]) {
        const same = taken.filter((other) => hostOf(other) === hostOf(id)).length;
        if (taken.length < places.free && same < places.freeAt(hostOf(id))) taken.push(id);
      }
      for (const id of taken) due.splice(due.indexOf(id), 1);
      for (const id of taken) held.add(id);
      peak = Math.max(peak, held.size);
      return taken.map((id) => ({
        ...{ id, host: hostOf(id), fence: 1, attemptCount: 1, createTime: 0, attemptTime: 0 },
      }));
    },
    call: (delivery, signal) => {
      store.called.push(delivery.id);
      return new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        setImmediate(() => Promise.resolve(answer(delivery)).then(resolve, reject));
      });
    },
    settle: async (results) => {
      if (store.settleError !== undefined) throw store.settleError;
      const gate = settleGate;
      settleGate = undefined;
      await gate;
      store.settles.push(results);
      store.settled.push(...results);
      for (const { id } of results) held.delete(id);
    },
    nextDueInMs: async (exceptHosts) => {
      store.looks += 1;
      return due.some((id) => !exceptHosts.includes(hostOf(id))) ? 0 : store.nextDueInMs;
    },
    places: new HostPlaces({ concurrency, perHostMax, breakers }),
    onError: (error, during) => store.errors.push([during, error]),
    onResult: (result) => store.told.push(result),
    stopTimeoutMs: 50,
    ...options,
  });
  onTestFinished(async () => {
    if (!vi.isFakeTimers()) await loop.stop();
    else await Promise.all([loop.stop(), vi.advanceTimersByTimeAsync(5000)]);
  });
  return Object.assign(store, { loop });
}

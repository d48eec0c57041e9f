import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AttemptWatch, type WatchedAttempt } from "../../src/dispatch/attempt-watch.ts";
import type { Database } from "../../src/store/database.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A watch over a database in which no attempt is over; and how many each look has asked about. */
function newWatch() {
  const looks: number[] = [];
  const read = async (_: unknown, [ids]: readonly unknown[]): Promise<never[]> => {
    looks.push((ids as unknown[]).length);
    return [];
  };
  const db = { read, readByKey: read } as unknown as Database;
  const onError = (error: unknown): void => {
    throw error;
  };
  return { looks, watch: new AttemptWatch({ engine: { db, namespaceId: 1 }, onError }) };
}

const attempt = (id: bigint): WatchedAttempt => ({
  ...{ id, attempt: 1, leaseUntil: 0, overrunMs: Number.POSITIVE_INFINITY, isClosing: false },
  ...{ onReported: () => {}, onOver: () => {} },
});

test("an attempt that is watched just after a commit that may have ended it is looked at, and no other one", async () => {
  const { looks, watch } = newWatch();
  const first = attempt(1n);
  watch.add(first);
  await watch.runOnce();
  expect(looks).toEqual([]);
  watch.remove(first);
  // It was claimed before that commit, and nobody had heard of it.
  watch.wake();
  watch.add(attempt(2n));
  await watch.runOnce();
  expect(looks).toEqual([1]);
  watch.add(first);
  watch.add(attempt(3n));
  watch.remove(first);
  await watch.runOnce();
  expect(looks).toEqual([1, 1]);
  vi.advanceTimersByTime(1_000);
  watch.add(attempt(4n));
  await watch.runOnce();
  expect(looks).toEqual([1, 1]);
});

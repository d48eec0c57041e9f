import { expect, test } from "vitest";
import { AttemptWatch, type WatchedAttempt } from "../../src/dispatch/attempt-watch.ts";
import type { Database } from "../../src/store/database.ts";

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

test("an attempt that is watched just after a commit that may have ended it is looked at", async () => {
  const { looks, watch } = newWatch();
  const first = attempt(1n);
  watch.add(first);
  await watch.runOnce();
  expect(looks).toEqual([]);
  watch.remove(first);
  // It was claimed before that commit, and nobody had heard of it.
  watch.wake();
  watch.add(attempt(2n));
  await expect.poll(() => watch.runOnce().then(() => looks.length), { timeout: 10_000 }).toBe(1);
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type BatchGraph, computeBatchGraph } from "../../src/domain/batch-graph.ts";
import { GraphCache } from "../../src/queries/graph-cache.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const graphOf = (size: number): BatchGraph =>
  computeBatchGraph(
    Array.from({ length: size }, (_, n) => ({
      ...{ id: BigInt(n + 1), queue: 1, status: 2, execution: 1, ran: null, parents: null, parentConditions: null },
    })),
    () => "k",
  );
const never = (): Promise<BatchGraph> => Promise.reject(new Error("it was there already"));

test("a graph is computed once for all that ask for it, until nobody has for a while", async () => {
  const cache = new GraphCache({ elementsMax: 10_000, keepMs: 1_000 });
  let computed = 0;
  const compute = async (): Promise<BatchGraph> => {
    computed += 1;
    return graphOf(3);
  };
  const [first, second] = await Promise.all([cache.get("a", compute), cache.get("a", compute)]);
  expect(second).toBe(first);
  for (let n = 0; n < 5; n += 1) {
    vi.advanceTimersByTime(900);
    expect(await cache.get("a", compute)).toBe(first);
  }
  expect(computed).toBe(1);
  vi.advanceTimersByTime(1_001);
  expect(cache.size).toBe(0);
  await cache.get("a", compute);
  expect(computed).toBe(2);
});

test("where graphs are too large together, those that were used longest ago go first, and one that is too large alone stays", async () => {
  const cache = new GraphCache({ elementsMax: 10_000, keepMs: 1_000 });
  for (const key of ["a", "b", "c"]) await cache.get(key, async () => graphOf(2_000));
  await cache.get("a", never);
  await cache.get("d", async () => graphOf(2_000));
  expect(cache.size).toBe(3);
  for (const key of ["a", "c", "d"]) await cache.get(key, never);
  await cache.get("large", async () => graphOf(20_000));
  expect(cache.size).toBe(1);
  await cache.get("large", never);
});

test("what failed is not kept", async () => {
  const cache = new GraphCache({ elementsMax: 10_000, keepMs: 1_000 });
  await expect(cache.get("a", () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(cache.size).toBe(0);
  expect((await cache.get("a", async () => graphOf(1))).size).toBe(1);
});

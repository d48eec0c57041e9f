import { expect, test } from "vitest";
import { assignPlaces } from "../../src/domain/places.ts";

const place = { worker: 1, leaseMs: 1_000 };
const pool = (queues: number[], count: number) => ({ queues, places: Array(count).fill(place) });
const task = (queue: number, priority = 0) => ({ queue, priority });
const assigned = (...args: Parameters<typeof assignPlaces>) => Object.fromEntries(assignPlaces(...args));

test("the most urgent tasks take the places, those as urgent as each other in their order", () => {
  const tasks = [task(1, 0), task(1, 5), task(1, -1), task(1, 5), task(1, 9)];
  expect(assigned(tasks, [pool([1], 3)])).toEqual({ 4: 0, 1: 1, 3: 2 });
  expect(assigned([task(1), task(1), task(1)], [pool([1], 2)])).toEqual({ 0: 0, 1: 1 });
});

test("tasks take places of the pool of their queue alone; places are numbered over all pools", () => {
  const pools = [pool([1, 2], 2), pool([3], 1), pool([4], 2)];
  expect(assigned([task(3), task(1), task(9), task(4), task(2), task(3), task(1)], pools)).toEqual({
    ...{ 0: 2, 1: 0, 3: 3, 4: 1 },
  });
  expect(assigned([task(2, 1), task(1, 2), task(1, 3)], pools)).toEqual({ 2: 0, 1: 1 });
});

test("without tasks, pools or places nothing is assigned", () => {
  expect(assigned([], [pool([1], 1)])).toEqual({});
  expect(assigned([task(1)], [])).toEqual({});
  expect(assigned([task(1)], [pool([1], 0)])).toEqual({});
});

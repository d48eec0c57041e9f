import { describe, expect, test } from "vitest";
import { percentile, spreadOf } from "../../bench/support/statistics.ts";

describe("statistics of samples", () => {
  test("the median of an odd number is the one in the middle, of an even number the mean of two", () => {
    expect(spreadOf([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9, count: 3 });
    expect(spreadOf([10, 2, 4, 100])).toEqual({ median: 7, min: 2, max: 100, count: 4 });
  });

  test("samples are sorted by value, not as text, and left as they were", () => {
    const samples = [100, 20, 3];
    expect(spreadOf(samples)?.median).toBe(20);
    expect(samples).toEqual([100, 20, 3]);
  });

  test("no samples have no spread", () => {
    expect(spreadOf([])).toBeUndefined();
  });

  test("a percentile is a sample: the nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([1, 2], 1)).toBe(2);
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });
});

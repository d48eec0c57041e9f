import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedCache } from "../../src/lib/bounded-cache.ts";

test("what was kept is found, until newer values take its place", () => {
  const cache = new BoundedCache<number>({ entriesMax: 2, bytesMax: 6400 });
  cache.set("a", 1, 0);
  cache.set("b", 2, 0);
  expect([cache.get("a"), cache.get("b")]).toEqual([1, 2]);
  cache.set("c", 3, 0);
  expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([undefined, 2, 3]);
  cache.set("b", 4, 0);
  expect([cache.get("b"), cache.get("c"), cache.size]).toEqual([4, 3, 2]);
});

test("what is too large is not kept, nor what was kept in its place", () => {
  const cache = new BoundedCache<number>({ entriesMax: 10, bytesMax: 6400 });
  cache.set("a", 1, 98);
  expect(cache.get("a")).toBe(1);
  cache.set("a", 2, 99);
  expect([cache.get("a"), cache.size]).toEqual([undefined, 0]);
});

test("its bounds hold whatever comes", () => {
  const entry = fc.record({ text: fc.string({ maxLength: 12 }), bytes: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 100 }), (entries) => {
      const cache = new BoundedCache<number>({ entriesMax: 40, bytesMax: 640 });
      const last = new Map<string, number>();
      for (const { text, bytes } of entries) {
        cache.set(text, bytes, bytes);
        last.delete(text);
        last.set(text, bytes);
        const kept = [...last].filter(([each]) => cache.get(each) !== undefined);
        expect(kept).toHaveLength(cache.size);
        expect(cache.size).toBeLessThanOrEqual(40);
        expect(kept.reduce((sum, [each, size]) => sum + each.length * 2 + size, 0)).toBeLessThanOrEqual(640);
        for (const [each, size] of kept) expect(cache.get(each)).toBe(size);
      }
    }),
  );
});

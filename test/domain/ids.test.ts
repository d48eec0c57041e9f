import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIdCodec, firstIdAt, IdSource } from "../../src/domain/ids.ts";

const epochMs = Date.UTC(2025, 0, 1);
const anyId = fc
  .tuple(fc.bigInt(0n, (1n << 41n) - 1n), fc.bigInt(0n, (1n << 22n) - 1n))
  .map(([ms, low]) => (ms << 22n) | low);
const anySalt = fc.bigInt(0n, (1n << 60n) - 1n);

describe("the codec of ids", () => {
  test("gives back each id, from a UUIDv7 whose first part is its time", () => {
    fc.assert(
      fc.property(anyId, anySalt, (id, salt) => {
        const codec = createIdCodec(salt);
        const uuid = codec.encode(id);
        expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16)).toBe(Number(id >> 22n) + epochMs);
        expect(codec.decode(uuid)).toBe(id);
        expect(codec.decode(uuid.toUpperCase())).toBe(id);
      }),
    );
  });

  test("keeps the order of times, and tells all ids of one millisecond apart", () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyId, { minLength: 2, maxLength: 50 }), anySalt, (ids, salt) => {
        const { encode } = createIdCodec(salt);
        const uuids = ids.map(encode);
        expect(new Set(uuids).size).toBe(ids.length);
        const byTime = (id: bigint) => encode(id).slice(0, 13);
        for (const [a = 0n, b = 0n] of [ids.slice(0, 2)]) {
          if (a >> 22n < b >> 22n) expect(byTime(a) < byTime(b)).toBe(true);
        }
      }),
    );
  });

  test("knows nothing of another database's ids, nor of one with a digit changed", () => {
    fc.assert(
      fc.property(anyId, anySalt, anySalt, fc.nat(35), fc.integer({ min: 1, max: 15 }), (id, salt, other, at, by) => {
        fc.pre(salt !== other);
        const uuid = createIdCodec(salt).encode(id);
        const foreign = createIdCodec(other).decode(uuid);
        // 30 of the bits that are drawn from the salt could agree by chance, not in a hundred runs.
        expect(foreign).toBeUndefined();
        const digit = uuid[at] ?? "-";
        fc.pre(digit !== "-");
        const changed = ((Number.parseInt(digit, 16) + by) % 16).toString(16);
        expect(createIdCodec(salt).decode(uuid.slice(0, at) + changed + uuid.slice(at + 1))).toBeUndefined();
      }),
    );
  });

  test("takes any text, and knows none that is not its own", () => {
    const { decode } = createIdCodec(42n);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.uuid(), fc.uuid({ version: 7 })), (text) => decode(text) === undefined),
    );
  });
});

describe("the source of ids", () => {
  const source = (nowMs: () => number) => {
    let block = 0n;
    return new IdSource({ nowMs, drawBlocks: async (count) => Array.from({ length: count }, () => (block += 1n)) });
  };

  test("ascends, whatever the clock does and however many are taken at once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 9_000 })), { maxLength: 6 }),
        async (steps) => {
          let now = epochMs;
          const ids = source(() => now);
          const taken: bigint[] = [];
          for (const [at, count] of steps) {
            now = epochMs + 1_000_000 + at;
            taken.push(...(await ids.take(count)));
          }
          for (let n = 1; n < taken.length; n += 1)
            if ((taken[n] ?? 0n) <= (taken[n - 1] ?? 0n)) throw new Error(`not ascending at ${n}`);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("gives concurrent callers different ids", async () => {
    const ids = source(() => epochMs + 5);
    const taken = (await Promise.all(Array.from({ length: 20 }, () => ids.take(700)))).flat();
    expect(new Set(taken).size).toBe(14_000);
  });

  test("gives again after a draw that failed", async () => {
    let failures = 1;
    const ids = new IdSource({
      nowMs: () => epochMs,
      drawBlocks: async (count) => {
        if (failures-- > 0) throw new Error("away");
        return Array.from({ length: count }, (_, n) => BigInt(n + 1));
      },
    });
    await expect(ids.take(1)).rejects.toThrow("away");
    expect(await ids.take(2)).toHaveLength(2);
  });
});

test("the first id of a time bounds the ids of that time, and is within 63 bits for every time", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 41 - 1 }), fc.bigInt(0n, (1n << 22n) - 1n), (ms, low) => {
      const first = firstIdAt(epochMs + ms);
      expect((BigInt(ms) << 22n) | low).toBeGreaterThanOrEqual(first);
      if (ms > 0) expect((BigInt(ms - 1) << 22n) | low).toBeLessThan(first);
    }),
  );
  for (const ms of [-8.64e15, -1, 0, 253_402_300_799_000, 8.64e15]) {
    expect(firstIdAt(ms)).toBeGreaterThanOrEqual(0n);
    expect(firstIdAt(ms)).toBeLessThan(1n << 63n);
  }
});

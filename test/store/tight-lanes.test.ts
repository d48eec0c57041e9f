import fc from "fast-check";
import type { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

const keysMax = 4;
const lookout = 10_000;
/** What is in use of each key; lanes: keys with their bounds, what is blocked. Around the room for which there is nothing to count. */
const states = fc.record({
  inUse: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: keysMax, maxLength: keysMax }),
  lanes: fc.array(
    fc.record({
      keys: fc.subarray([0, 1, 2, 3], { minLength: 1 }),
      over: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: keysMax, maxLength: keysMax }),
      hasCapacity: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      blocked: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});
type State = typeof states extends fc.Arbitrary<infer Value> ? Value : never;

test("a lane is tight by its work, what is blocked of it, or a key without room for thousands; the others are not", async () => {
  await withClient(database.url, async (client) => {
    await fc.assert(
      fc.asyncProperty(states, async (state) => {
        await client.query("begin");
        try {
          await fill(client, state);
          const ids = state.lanes.map((_, n) => n + 1);
          const { rows } = await client.query("select mp_tight_lanes($1) tight", [[...ids, 1]]);
          const tight: string[] | null = rows[0].tight;
          const expected = ids.filter((id) => isTight(state, id - 1));
          expect([...new Set((tight ?? []).map(Number))].sort()).toEqual(expected);
          expect(tight).not.toEqual([]);
        } finally {
          await client.query("rollback");
        }
      }),
      { numRuns: 200 },
    );
    expect((await client.query("select mp_tight_lanes('{}') tight")).rows).toEqual([{ tight: null }]);
  });
});

function isTight({ inUse, lanes }: State, n: number): boolean {
  const lane = lanes[n];
  if (lane === undefined) throw new Error(`there is no lane ${n}`);
  const { keys, over, hasCapacity, blocked } = lane;
  return hasCapacity || blocked || keys.some((key) => (over[key] ?? 0) - (inUse[key] ?? 0) < 0);
}

/** Bounds are as far above what is looked out for as `over` says. */
async function fill(client: Client, { inUse, lanes }: State): Promise<void> {
  // A key that nobody has ever held has no row.
  for (const [key, used] of inUse.entries())
    if (used > 0) await client.query("insert into rule_usage values ($1, $2)", [key, used]);
  for (const [n, { keys, over, hasCapacity, blocked }] of lanes.entries()) {
    const bounds = keys.map((key) => lookout + (over[key] ?? 0));
    const each = (value: number): number[] => keys.map(() => value);
    await client.query(
      `insert into lane (id, namespace_id, queue, rules, keys, types, bounds, windows, has_capacity, digest) overriding system value
       values ($1, 1, 1, $2, $3, $4, $5, $6, $7, $8)`,
      [n + 1, each(1), keys, each(1), bounds, each(0), hasCapacity, String(n)],
    );
    if (blocked)
      await client.query("insert into blocked (lane, rank, id, batch_id, block_time) values ($1, 0, $2, 1, now())", [
        n + 1,
        n,
      ]);
  }
}

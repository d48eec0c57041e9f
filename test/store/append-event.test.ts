import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let client: pg.Client;

const batches = [1, 2, 3] as const;
const counters = "waiting pending claimed running paused success failure canceled skipped".split(" ");

/** What each counter says before. */
const before = 100;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    "insert into batch (id, namespace_id, create_time, name, metadata) select x, 1, now(), 'b', '{}' from generate_series(1, 3) x",
  );
  await client.query(
    `insert into batch_state (batch_id, open, status, total, ${counters.join(", ")})
     select x, true, 1, ${before * counters.length}, ${counters.map(() => before).join(", ")} from generate_series(1, 3) x`,
  );
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

const status = fc.integer({ min: 1, max: 9 });
const change = fc.oneof(
  fc.record({ batch: fc.constantFrom(...batches), type: fc.constant(1), from: fc.constant(0), to: status }),
  fc.record({ batch: fc.constantFrom(...batches), type: fc.constantFrom(2, 3, 7), from: status, to: status }),
  // Of counts, and of a batch: no task has moved.
  fc.record({ batch: fc.constantFrom(...batches), type: fc.constantFrom(4, 5), from: status, to: status }),
);
/** Mixed ones, and what most transactions do: the same to many tasks. */
const changes = fc.oneof(
  fc.array(change, { maxLength: 6 }),
  fc.tuple(change, fc.integer({ min: 1, max: 5 })).map(([one, times]) => Array(times).fill(one) as (typeof one)[]),
);

type Changes = typeof changes extends fc.Arbitrary<infer T> ? T : never;

/** The counters of all batches after some changes. */
async function counted(made: Changes, lookedAt: readonly number[]): Promise<Record<string, number>[]> {
  await client.query("begin");
  try {
    const column = (name: keyof Changes[number]) => made.map((one) => one[name]);
    const zeros = made.map(() => 0);
    await client.query(
      `select from mp_append_event(row($1::smallint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[], $6::integer[], $6::integer[], $6::integer[], null, null)::mp_changes, $7::bigint[])`,
      [column("type"), column("batch"), made.map((_, n) => n + 1), column("from"), column("to"), zeros, lookedAt],
    );
    const { rows } = await client.query(`select total, ${counters.join(", ")} from batch_state order by batch_id`);
    return rows as Record<string, number>[];
  } finally {
    await client.query("rollback");
  }
}

test("a commit is counted in its batches, whichever are to be looked at", async () => {
  await fc.assert(
    fc.asyncProperty(changes, fc.subarray([...batches]), async (made, lookedAt) => {
      const expected = batches.map((batch) => {
        const own = made.filter((one) => one.batch === batch && [1, 2, 3, 7].includes(one.type));
        const moved = counters.map((name, n) => {
          const [to, from] = [own.filter((one) => one.to === n + 1), own.filter((one) => one.from === n + 1)];
          return [name, before + to.length - from.length];
        });
        const created = own.filter(({ type }) => type === 1).length;
        return { total: before * counters.length + created, ...Object.fromEntries(moved) };
      });
      expect(await counted(made, lookedAt)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

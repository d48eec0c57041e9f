import { expect, test } from "vitest";
import { addCounts, forgetProducers } from "../../src/store/counts.ts";
import { Database } from "../../src/store/database.ts";
import { createTestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";

test("producers that nothing came from for a day are forgotten, in bounded steps, and no others", async () => {
  await using database = await createTestDatabase();
  const db = new Database({
    ...{ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} },
  });
  const ids = Array.from({ length: 6 }, (_, n) => `p${n}`);
  const producers = ids.map((producerId) => ({ producerId, first: 1n, last: 3n }));
  const nothing = { requests: [], ids: [], successes: [], failures: [] };
  expect(await addCounts(db, 1, { producers, ...nothing })).toMatchObject({ case: "added" });
  await withClient(database.url, (client) =>
    client.query("update count_producer set use_time = now() - interval '25 hours' where producer_id <> 'p2'"),
  );
  // What comes from one makes it new.
  const again = [{ producerId: "p4", first: 4n, last: 4n }];
  expect(await addCounts(db, 1, { producers: again, ...nothing })).toMatchObject({ case: "added" });
  expect([await forgetProducers(db, 3), await forgetProducers(db, 3), await forgetProducers(db, 3)]).toEqual([3, 1, 0]);
  const found = await addCounts(db, 1, { producers, ...nothing });
  expect(found).toEqual({
    ...{ case: "repeated", requestIds: new Set() },
    producers: new Map([
      ["p2", 3n],
      ["p4", 4n],
    ]),
  });
  await db.close();
});

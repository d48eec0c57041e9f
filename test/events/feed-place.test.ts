import { expect, test } from "vitest";
import { beginningOf } from "../../src/events/feed-place.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { graphRows } from "../store/graph-rows.ts";
import { createTestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";

const everything = {
  batchIds: new Set<bigint>(),
  taskIds: new Set<bigint>(),
  kinds: new Set<string>(),
  statuses: new Set<number>(),
};

test("the history of a task begins behind what was committed long before its creation, with gaps or without", async () => {
  await using database = await createTestDatabase();
  const db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
  try {
    const none = { ...everything, metadata: undefined };
    expect(await beginningOf(db, { ...none, taskIds: new Set([1n]) })).toBe(0n);
    await withClient(database.url, (client) =>
      client.query(`insert into queue (namespace_id, kind, execution) values (1, 'k', 1);
        select setval('event_seq', 1000);
        insert into event_tx select n, now() - interval '1 hour', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}' from generate_series(1, 1000) n where n % 7 > 0`),
    );
    const graph = graphRows({ size: 1 });
    await createGraph(db, graph);
    const ofTask = await beginningOf(db, { ...none, taskIds: new Set(graph.ids) });
    expect(ofTask).toBeGreaterThanOrEqual(999n);
    expect(ofTask).toBeLessThan(1001n);
    expect(await beginningOf(db, { ...none, batchIds: new Set([graph.batchId]) })).toBe(ofTask);
    expect(await beginningOf(db, { ...none, kinds: new Set(["k"]) })).toBe(0n);
    // What does not exist has no history.
    expect(await beginningOf(db, { ...none, taskIds: new Set([...graph.ids, 5n]) })).toBe(ofTask);
  } finally {
    await db.close();
  }
});

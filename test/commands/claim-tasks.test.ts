import { afterEach, beforeEach, expect, test } from "vitest";
import { claimTasks } from "../../src/commands/claim-tasks.ts";
import type { Engine } from "../../src/commands/engine.ts";
import { createGraphs } from "../../src/store/create-graphs.ts";
import { Database } from "../../src/store/database.ts";
import { GivenTasks } from "../../src/store/given-tasks.ts";
import { Turns } from "../../src/store/turns.ts";
import { graphRows } from "../store/graph-rows.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  await withClient(database.url, (client) =>
    client.query(
      "insert into worker (namespace_id, name) values (1, 'w'); insert into queue (namespace_id, kind, execution) values (1, 'k', 1)",
    ),
  );
  db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await database.drop();
});

test("a claim that leaves something in its queue says so to all servers: while it held the row, others found nothing", async () => {
  const told: (readonly number[])[] = [];
  const committed = (queues: readonly number[]) => void told.push(queues);
  const engine = { db, committed, given: new GivenTasks(), turns: new Turns() } as unknown as Engine;
  const claim = (max: number) => claimTasks(engine, { queues: [1], places: max });
  await createGraphs(db, [graphRows({ size: 5 })], () => undefined);
  expect([(await claim(2)).more, told]).toEqual([true, [[1]]]);
  expect([(await claim(3)).more, told]).toEqual([false, [[1], []]]);
  expect([(await claim(3)).tasks, told]).toEqual([[], [[1], []]]);
});

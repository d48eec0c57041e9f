import { afterEach, beforeEach, expect, test } from "vitest";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";
import { endReports } from "./graph-rows.ts";
import { graphWith } from "./plan-tables.ts";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  await withClient(database.url, async (client) => {
    await client.query("insert into worker (namespace_id, name) values (1, 'w')");
    await client.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  });
  db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await database.drop();
});

const places = (count: number) =>
  Array<{ worker: number; leaseMs: number }>(count).fill({ worker: 1, leaseMs: 30_000 });

/** Reports the one parent of some children for which there is a place each; answers what of them the commit told. */
async function toldOf(children: number, input: string): Promise<(string | undefined)[]> {
  const family = graphWith({ size: children + 1, parents: (place) => (place === 0 ? [] : [0]) }, (_, place) => ({
    input: place === 0 ? null : JSON.stringify(input),
  }));
  await createGraph(db, family);
  const { tasks } = await claimTasks(db, { queues: [1], places: places(1) });
  const { started } = await reportTasks(db, endReports(tasks, 3), [{ queues: [1], places: places(children) }]);
  expect(started.map(({ id }) => id)).toEqual(family.ids.slice(1));
  return started.map(({ assignment }) => assignment?.task.name);
}

test("the commit that starts up to four tasks tells of them, unless there is much to tell", async () => {
  expect(await toldOf(1, "x")).toEqual(["task 1"]);
  expect(await toldOf(4, "x".repeat(16_000))).toEqual(["task 1", "task 2", "task 3", "task 4"]);
  expect(await toldOf(4, "x".repeat(17_000))).toEqual([undefined, undefined, undefined, undefined]);
  expect(await toldOf(5, "x")).toEqual(Array(5).fill(undefined));
});

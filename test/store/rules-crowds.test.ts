import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Rule, RuleType } from "../../src/domain/rule.ts";
import { claimTasks, reportTasks } from "../../src/store/attempts.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { endReports } from "./graph-rows.ts";
import { fan } from "./plan-tables.ts";

const _request = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  await admin.query("insert into worker (namespace_id, name) values (1, 'w')");
  db = new Database({ url: database.url, writers: 2, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

const rule = (bound: number, ...fields: string[]): Rule => ({
  ...{ name: "", kind: "k", fields, type: RuleType.CONCURRENCY, bound: BigInt(bound), windowMs: 0 },
});
const claim = (max: number) => claimTasks(db, { queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) });
const count = async (table: string): Promise<number> =>
  Number((await admin.query<{ n: string }>(`select count(*) n from ${table}`)).rows[0]?.n);

/** The lanes of tenants under rules of all and of each. */
const _lanesOf = async (tenants: number, rules: readonly Rule[]): Promise<bigint[]> => {
  const wanted = Array.from({ length: tenants }, (_, tenant) => ({
    ...{ queue: 1, flow: null, rules, metadata: JSON.stringify({ all: 1, tenant }) },
  }));
  return (await new Lanes(db).intern(1, wanted)) as bigint[];
};

test("a task that gets rules while its last parent ends is not handed over without them", async () => {
  const graph = fan(2);
  await createGraph(db, graph);
  const { tasks } = await claim(1);
  const [lane] = await new Lanes(db).intern(1, [{ queue: 1, flow: null, rules: [rule(1)], metadata: null }]);
  await admin.query("update rule_usage set in_use = 1");
  await using other = await openTransaction(database.url);
  await other.query(`update task_state set lane = ${lane} where id = ${graph.ids[1]}`);
  await other.query(`update batch_state set limited = true`);
  const reporting = reportTasks(db, endReports(tasks, 3), [{ queues: [1], places: [{ worker: 1, leaseMs: 60_000 }] }]);
  await other.waitForBlocked(1);
  await other.query("commit");
  expect((await reporting).started).toEqual([]);
  expect([await count("ready"), await count("blocked")]).toEqual([0, 1]);
});

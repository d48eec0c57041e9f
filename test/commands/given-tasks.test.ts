import { afterEach, beforeEach, expect, test } from "vitest";
import { claimTasks } from "../../src/commands/claim-tasks.ts";
import type { Engine } from "../../src/commands/engine.ts";
import { createGraphGroups } from "../../src/commands/group-creates.ts";
import type { Place } from "../../src/domain/places.ts";
import type { TaskAssignment } from "../../src/domain/task.ts";
import { type ClaimedTask, loadAssignments } from "../../src/queries/load-assignments.ts";
import type { NewGraph, NewTaskRow } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { GivenTasks } from "../../src/store/given-tasks.ts";
import { SharedSpecs } from "../../src/store/shared-specs.ts";
import { Turns } from "../../src/store/turns.ts";
import { graphWith } from "../store/plan-tables.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";

let database: TestDatabase;
let db: Database;
/** Names of the statements that have read. */
let reads: string[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
  await query("insert into worker (namespace_id, name) values (1, 'w')");
  await query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
  db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
  reads = [];
});

afterEach(async () => {
  await db.close();
  await database.drop();
});

const query = (text: string) => withClient(database.url, (client) => client.query(text));

/** What creates and claims need of an engine; its first claim has said that workers take tasks here. */
function newEngine(waiting: readonly Place[] = []) {
  const counting: Pick<Database, "readByKey"> = {
    readByKey: (statement, values) => {
      reads.push(statement.name);
      return db.readByKey(statement, values);
    },
  };
  const started: ClaimedTask[] = [];
  const reserve = () => ({
    pools: [{ queues: [1], places: waiting }],
    settle: (tasks: readonly ClaimedTask[]) => started.push(...tasks),
  });
  const places = { size: waiting.length, reserve: waiting.length === 0 ? () => undefined : reserve };
  const given = new GivenTasks();
  const writes = { db, committed: () => {}, places, given };
  const engine = { ...writes, turns: new Turns(), creates: createGraphGroups(writes) } as unknown as Engine;
  const source = { db: counting, namespaceId: 1, sharedSpecs: new SharedSpecs() };
  return {
    ...{ given, started },
    create: (graph: NewGraph) => engine.creates.submit(graph),
    claim: async (max: number) => (await claimTasks(engine, { queues: [1], places: placesOf(max) })).tasks,
    loadAll: (tasks: readonly ClaimedTask[]) => loadAssignments(source, tasks),
    load: async (tasks: readonly ClaimedTask[]) => (await loadAssignments(source, tasks)).loaded,
  };
}

const placesOf = (count: number): Place[] => Array<Place>(count).fill({ worker: 1, leaseMs: 30_000 });
/** Without what a commit has told of them. */
const unknown = (tasks: readonly ClaimedTask[]): ClaimedTask[] => tasks.map(({ id, attempt }) => ({ id, attempt }));

function expectSame(known: readonly TaskAssignment[], read: readonly TaskAssignment[]): void {
  const shown = ({ task, parents }: TaskAssignment) => ({
    task: { ...task, total: undefined },
    parents: parents.map((parent) => ({ ...parent, output: parent.output?.length, total: undefined })),
  });
  expect(known.map(shown)).toEqual(read.map(shown));
}

/** One of each kind of value that a task may be given. */
const rich: ((task: NewTaskRow) => Partial<NewTaskRow>)[] = [
  () => ({
    key: "the key",
    name: "näme",
    metadata: '{"b": [1, 2.50, {"c": null}], "a": "ä\\u0041"}',
    input: '{"x":"y"}',
  }),
  () => ({ priority: -7, expectedCount: 12345678901234567n, inactivityTimeoutMs: 1_234, startTimeoutMs: 99 }),
  () => ({ executionTimeoutMs: 5_000, totalTimeoutMs: 3_600_000, unmetPolicy: 2, metadata: "{}" }),
  () => ({ spec: '{"critical":true}' }),
];

test("what a worker is handed of tasks that were created here is what it would read", async () => {
  const { create, claim, load } = newEngine();
  expect(await claim(1)).toEqual([]);
  await create(graphWith({ size: 5 }, (task, n) => rich[n]?.(task) ?? {}));
  const claimed = await claim(10);
  expect(claimed).toHaveLength(5);
  const known = await load(claimed);
  expect(reads).toEqual([]);
  const read = await load(unknown(claimed));
  expect(reads).not.toEqual([]);
  expectSame(known, read);
});

test("of tasks that start as they are created, nothing is read either", async () => {
  const { create, started, load, given } = newEngine(placesOf(2));
  await create(graphWith({ size: 3 }, (task, n) => rich[n]?.(task) ?? {}));
  expect(started).toHaveLength(2);
  // Workers take tasks here, although none has looked into a queue: what is left is kept.
  expect(given.size).toBe(1);
  const known = await load(started);
  expect(reads).toEqual([]);
  const read = await load(unknown(started));
  expectSame(known, read);
});

test("what the parents of a task left is read, and nothing else of it", async () => {
  const { create, claim, load } = newEngine();
  await claim(1);
  const family = graphWith({ size: 7, parents: (place) => (place < 2 ? [] : [0, 1]) }, (_, n) => ({
    ...(n > 1 && { parentConditions: "{1,2}" }),
  }));
  await create(family);
  expect(await load(await claim(2))).toHaveLength(2);
  const [first, second] = family.ids as [bigint, bigint];
  await query(
    `select mp_report('{${first},${second}}', '{1,1}', '{3,3}', array['"left"', null], null, null, null, null, null, null, null, null, null, null)`,
  );
  const claimed = await claim(10);
  expect(claimed).toHaveLength(5);
  const known = await load(claimed);
  expect(reads).toEqual(["get_parent_results"]);
  const read = await load(unknown(claimed));
  expectSame(known, read);
  expect(known.map(({ parents }) => parents.map(({ output }) => output))).toEqual(Array(5).fill(['"left"', null]));
});

test("outputs of parents count for each child: what is too large for one answer is left, and of one child alone left out", async () => {
  const { create, claim, loadAll } = newEngine();
  await claim(1);
  const large = JSON.stringify("x".repeat(1_000_000));
  // Two children of two parents each, two MB for each; then one child of five.
  const parentsOf: Record<number, number[]> = { 5: [0, 1], 6: [0, 1], 7: [0, 1, 2, 3, 4] };
  const family = graphWith({ size: 8, parents: (place) => parentsOf[place] ?? [] }, (_, n) => ({
    priority: n === 7 ? -1 : 0,
  }));
  await create(family);
  expect(await claim(5)).toHaveLength(5);
  await withClient(database.url, (client) =>
    client.query(
      "select mp_report($1, '{1,1,1,1,1}', '{3,3,3,3,3}', array_fill($2::text, '{5}'), null, null, null, null, null, null, null, null, null, null)",
      [family.ids.slice(0, 5), large],
    ),
  );
  const claimed = await claim(10);
  const seen: string[][] = [];
  for (let left: readonly ClaimedTask[] = claimed; left.length > 0; ) {
    const answer = await loadAll(left);
    const asRead = await loadAll(unknown(left));
    expectSame(answer.loaded, asRead.loaded);
    expect(answer.loaded).toHaveLength(1);
    seen.push(
      ...answer.loaded.map(({ parents }) => parents.map((parent) => (parent.outputOmitted ? "omitted" : "whole"))),
    );
    left = answer.left;
  }
  const whole = ["whole", "whole"];
  expect(seen).toEqual([whole, whole, [...whole, ...whole, "omitted"]]);
});

test("less urgent tasks that are known wait for one that does not fit", async () => {
  const { create, claim, loadAll } = newEngine();
  await claim(1);
  const input = JSON.stringify("x".repeat(1_600_000));
  await create(graphWith({ size: 5 }, (_, n) => (n < 2 ? { input } : {})));
  const claimed = await claim(10);
  expect(claimed.map(({ assignment }) => assignment === undefined)).toEqual([true, true, false, false, false]);
  const names = async (tasks: readonly ClaimedTask[]) => {
    const { loaded, left } = await loadAll(tasks);
    return { loaded: loaded.map(({ task }) => task.name), left };
  };
  const first = await names(claimed);
  expect(first).toEqual({ loaded: ["task 0"], left: claimed.slice(1) });
  expect(await names(first.left)).toEqual({ loaded: ["task 1", "task 2", "task 3", "task 4"], left: [] });
  // What is over keeps nobody waiting.
  await query(`update task_state set status = 8 where id = ${claimed[1]?.id}`);
  expect((await names(claimed.slice(1))).loaded).toEqual(["task 2", "task 3", "task 4"]);
});

test.each([
  ["its priority or what it was given", "update task_state set edits = 1"],
  ["its counts", "update task_state set success_count = 3"],
  ["its failures", "update task_state set failure_count = 3"],
  ["an attempt of it", "update task_state set attempt = 1"],
])("a task is read when %s has changed since its creation", async (_, change) => {
  const { create, claim, load } = newEngine();
  await claim(1);
  const graph = graphWith({ size: 2 }, () => ({}));
  await create(graph);
  await query(`${change} where id = ${graph.ids[0]}`);
  const claimed = await claim(2);
  expect(claimed.map(({ id, assignment }) => [id, assignment !== undefined])).toEqual([
    [graph.ids[0], false],
    [graph.ids[1], true],
  ]);
  const loaded = await load(claimed);
  expect(loaded.map(({ task }) => task.id)).toEqual(graph.ids);
});

test("tasks are known only while workers take some here, and for one claim", async () => {
  const { create, claim, given } = newEngine();
  await create(graphWith({ size: 1 }, () => ({})));
  expect(given.size).toBe(0);
  await claim(10);
  await create(graphWith({ size: 3 }, () => ({})));
  expect(given.size).toBe(3);
  await claim(2);
  expect(given.size).toBe(1);
});

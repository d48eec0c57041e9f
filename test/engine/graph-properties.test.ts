import assert from "node:assert/strict";
import { BatchStatus, type MillpondClient, type Task, TaskStatus } from "@millpond/sdk";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkInvariants, countDeadlocks } from "../support/check-invariants.ts";
import { feedsCaughtUp } from "../support/feeds-caught-up.ts";
import { type Setup, setup } from "../support/setup.ts";
import { checkHistory, readHistory } from "./check-history.ts";
import { GraphDriver } from "./graph-driver.ts";
import { createRandom } from "./random.ts";
import { type Scenario, scenarios } from "./scenario.ts";

let first: Setup;
let second: Awaited<ReturnType<Setup["another"]>>;
let runs = 0;

beforeAll(async () => {
  first = await setup();
  second = await first.another();
});

afterAll(() => first[Symbol.asyncDispose]());

/** To play a failure again: set these to the seed and the path that it printed. */
const replay = {
  ...(process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {}),
  ...(process.env.FC_PATH ? { path: process.env.FC_PATH } : {}),
};

test("whatever several clients of two servers do, every task and batch becomes what the reference model says", async () => {
  await fc.assert(fc.asyncProperty(scenarios, play), {
    ...replay,
    ...{ numRuns: Number(process.env.FC_RUNS ?? 60), interruptAfterTimeLimit: 40_000, endOnFailure: true },
  });
  await Promise.all([first.server.stop(2_000), second.server.stop(2_000)]);
  expect(await countDeadlocks(first.database.url)).toBe(0);
}, 90_000);

/** Plays a scenario, comparing whenever nothing is under way. */
async function play(scenario: Scenario): Promise<void> {
  runs += 1;
  const plan = new Map(scenario.parts.flatMap((part) => part.tasks.map((task) => [task.name, task])));
  const random = createRandom(scenario.seed);
  const driver = new GraphDriver({ clients: [first.client, second.client], random, prefix: `run-${runs}`, plan });
  const { clients } = scenario;
  const created = new Set<string>();
  for (const { tasks, ...rest } of scenario.parts) {
    // A part of a batch that was stopped is left out, and with it every edge onto its tasks.
    const part = {
      ...rest,
      tasks: tasks.map((task) => ({
        ...task,
        parents: task.parents.filter(({ name }) => created.has(name) || tasks.some((other) => other.name === name)),
      })),
    };
    if (!driver.accepts(part)) continue;
    for (const { name } of tasks) created.add(name);
    await Promise.all([
      driver.create(part),
      ...(part.whileBusy ? [driver.work({ clients, rounds: 1 + random.below(3), drain: false })] : []),
    ]);
    driver.adopt(part);
    driver.tellModel();
    await compare(driver);
    await driver.work({ clients, rounds: part.rounds, drain: false });
    driver.tellModel();
    await compare(driver);
    for (const command of part.commands) {
      await driver.command(command);
      await compare(driver);
    }
  }
  await end(driver, clients);
}

/** Seals every batch while the last tasks are executed; then everything must have ended. */
async function end(driver: GraphDriver, clients: number): Promise<void> {
  await Promise.all([
    driver.work({ clients, rounds: 0, drain: true }),
    ...[...driver.batchIds.keys()].map((batch) => driver.seal(batch)),
  ]);
  await driver.work({ clients: 1, rounds: 0, drain: true });
  driver.tellModel();
  await compare(driver);
  for (const { status } of driver.model.batches.values()) assert.notEqual(status, BatchStatus.ACTIVE);
  await feedsCaughtUp(first.database.url, [first.url]);
  checkHistory(await readHistory(first.client, [...driver.batchIds.values()]), driver.model, driver.taskIds);
  await checkInvariants(first.database.url);
}

/** Compares what the API says with the model: the status and attempt of each task, the status and statistics of each batch. */
async function compare({ model, taskIds, batchIds }: GraphDriver): Promise<void> {
  for (const [n, [batch, batchId]] of [...batchIds].entries()) {
    const { client } = n % 2 === 0 ? first : second;
    const tasks = new Map((await listTasks(client, batchId)).map((task) => [task.taskId, task]));
    const expected = model.tasksOf(batch);
    assert.equal(tasks.size, expected.length, `tasks of ${batch}`);
    for (const { name, status, attempt } of expected) {
      const task = tasks.get(taskIds.get(name) as string);
      assert.equal(TaskStatus[task?.status ?? 0], TaskStatus[status], `status of ${name}`);
      assert.equal(task?.attempt, attempt, `attempt of ${name}`);
    }
    const answer = (await client.batches.getBatch({ batchId })).batch;
    const { status, open } = model.batches.get(batch) ?? { status: 0, open: false };
    assert.equal(BatchStatus[answer?.status ?? 0], BatchStatus[status], `status of ${batch}`);
    assert.equal(answer?.open, open, `openness of ${batch}`);
    assert.equal(Number(answer?.stats?.total), expected.length, `total of ${batch}`);
    const counts = Object.entries(answer?.stats?.byStatus ?? {}).filter(([, count]) => count > 0n);
    assert.deepEqual(Object.fromEntries(counts.map(([name, count]) => [name, Number(count)])), model.countsOf(batch));
  }
}

async function listTasks(client: MillpondClient, batchId: string): Promise<Task[]> {
  const tasks: Task[] = [];
  let pageToken = "";
  do {
    const page = await client.tasks.listTasks({ batchId, pageToken, pageSize: 17 });
    tasks.push(...page.tasks);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return tasks;
}

import assert from "node:assert/strict";
import { TaskStatus } from "@millpond/sdk";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { expectNoDeadlocks } from "../support/deadlocks.ts";
import { type Setup, setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { carryOut, changeBatch } from "./command-driver.ts";
import { compareDeliveries, compareWithModel } from "./compare-with-model.ts";
import { GraphDriver } from "./graph-driver.ts";
import { createRandom } from "./random.ts";
import { batchHasEnded, hasEnded } from "./reference-model.ts";
import { type Part, type Scenario, scenarios } from "./scenario.ts";

let first: Setup;
let second: Awaited<ReturnType<Setup["another"]>>;
let database: pg.Client;
let receiver: Receiver;
let runs = 0;

beforeAll(async () => {
  first = await setup();
  second = await first.another();
  database = new pg.Client({ connectionString: first.database.url });
  await database.connect();
  receiver = await startReceiver((response) => response.writeHead(204).end());
});

afterAll(async () => {
  await database.end();
  await first[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

/** To play a failure again: set FC_SEED and FC_PATH to what it printed. For a longer search: FC_RUNS and FC_SECONDS. */
const replay = {
  ...(process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {}),
  ...(process.env.FC_PATH ? { path: process.env.FC_PATH } : {}),
};
const numRuns = Number(process.env.FC_RUNS ?? 40);
const interruptAfterTimeLimit = Number(process.env.FC_SECONDS ?? 30) * 1000;

test(
  "whatever several clients of two servers do, every task and batch becomes what the reference model says",
  async () => {
    await fc.assert(fc.asyncProperty(scenarios, play), {
      ...replay,
      ...{ numRuns, interruptAfterTimeLimit, endOnFailure: true },
    });
    await checkInvariants(first.database.url);
    await Promise.all([first.server.stop(2_000), second.server.stop(2_000)]);
    await expectNoDeadlocks(first.database.url);
  },
  interruptAfterTimeLimit + 50_000,
);

/** Plays a scenario, comparing whenever nothing is under way. */
async function play(scenario: Scenario): Promise<void> {
  runs += 1;
  const driver = new GraphDriver({
    clients: [first.client, second.client],
    random: createRandom(scenario.seed),
    prefix: `run-${runs}`,
    scenario,
    webhook: receiver.url,
    settled,
  });
  for (const part of scenario.parts) await playPart(driver, part);
  await end(driver);
}

async function playPart(driver: GraphDriver, part: Part): Promise<void> {
  if (!driver.accepts(part)) return;
  const { random, scenario } = driver.options;
  const { clients } = scenario;
  // A critical task that fails stops its batch while others work on it; what nobody needs any more is canceled.
  const isStopped = scenario.parts.some(({ tasks }) => tasks.some((task) => task.critical || task.onlyForDependents));
  await Promise.all([
    driver.create(part, !part.whileBusy),
    ...(part.whileBusy
      ? [driver.work({ clients, rounds: 1 + random.below(3), drain: false, disturbed: isStopped })]
      : []),
  ]);
  await look(driver);
  const disturbed = isStopped || part.meanwhile.length > 0;
  await Promise.all([
    driver.work({ clients, rounds: part.rounds, drain: false, disturbed }),
    ...part.meanwhile.map((command) => carryOut(driver, command, false)),
  ]);
  await look(driver);
  for (const command of part.commands) {
    await carryOut(driver, command, true);
    await look(driver);
  }
}

/** Lets go all that is held and seals every batch while the last tasks are executed; then everything must have ended. */
async function end(driver: GraphDriver): Promise<void> {
  const { clients } = driver.options.scenario;
  for (let pass = 0; pass < 5 && !isOver(driver); pass += 1) {
    const held = [...driver.model.tasks.values()].filter((task) => task.status === TaskStatus.PAUSED);
    if (held.length > 0) {
      const { results } = await driver.client().tasks.resumeTasks({ taskIds: held.map(({ name }) => driver.id(name)) });
      assert.ok(results.every(({ result }) => result.case === "task"));
      driver.operations.push({ case: "resume", taken: held.map(({ name }) => name) });
      await look(driver);
    }
    for (const [batch, { status }] of driver.model.batches)
      if (!batchHasEnded(status)) await changeBatch(driver, { case: "resumeBatch", batch });
    await Promise.all([
      driver.work({ clients, rounds: 0, drain: true, disturbed: true }),
      ...[...driver.batchIds.keys()].map((batch) => changeBatch(driver, { case: "seal", batch })),
    ]);
    await driver.work({ clients: 1, rounds: 0, drain: true, disturbed: true });
    await look(driver);
  }
  assert.ok(isOver(driver), "everything ends");
  await compareDeliveries(driver);
  // They look at all runs before, too.
  if (runs % 5 === 0) await checkInvariants(first.database.url);
}

function isOver({ model }: GraphDriver): boolean {
  return (
    [...model.batches.values()].every(({ status }) => batchHasEnded(status)) &&
    [...model.tasks.values()].every(({ status }) => hasEnded(status))
  );
}

/** Leads the model to where the servers are, and compares. */
async function look(driver: GraphDriver): Promise<void> {
  await driver.tellModel();
  await compareWithModel(driver);
}

/** Waits until nothing is left to be done because of what was acknowledged. */
async function settled(): Promise<void> {
  await until("nothing follows any more", async () => {
    const { rows } = await database.query<{ n: number }>("select count(*)::integer n from follow_up");
    return rows[0]?.n === 0;
  });
}

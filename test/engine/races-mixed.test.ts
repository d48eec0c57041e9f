import { type DependencyCondition, ErrorReason, type MillpondClient, UnmetPolicy } from "@millpond/sdk";
import { expect, test } from "vitest";
import { playRounds, type Race, startRace, take, unlessRefused } from "./race.ts";
import { createRandom, type Random } from "./random.ts";
import { range, report, type TaskInit } from "./two-servers.ts";

const { BATCH_SEALED, ETAG_MISMATCH, ILLEGAL_TRANSITION, TASK_ENDED } = ErrorReason;
const kinds = range(4).map((n) => `kind ${n}`);

/** What the clients of a round know: tasks that exist, parents before children, and the batches. */
interface World {
  readonly s: Race;
  readonly random: Random;
  readonly batchIds: string[];
  readonly taskIds: string[];
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

function newTask({ random, taskIds }: World, key: string, earlier: readonly string[]): TaskInit {
  const condition = (): DependencyCondition => (1 + random.below(3)) as DependencyCondition;
  const inner = random.shuffle(earlier).slice(0, random.below(3));
  const late = [...new Set(range(random.below(3)).flatMap(() => (taskIds.length > 0 ? [pick(random, taskIds)] : [])))];
  return {
    ...{ key, name: key, kind: pick(random, kinds), priority: random.below(3) },
    ...{ unmetPolicy: pick(random, [UnmetPolicy.UNSPECIFIED, UnmetPolicy.FAIL, UnmetPolicy.SKIP]) },
    ...(random.chance(0.2) ? { execution: { case: "join" as const, value: {} } } : {}),
    ...(random.chance(0.3)
      ? { retry: { maxAttempts: 2, initialBackoff: { nanos: 1_000_000 * random.below(20) } } }
      : {}),
    ...{ critical: random.chance(0.03), onlyForDependents: random.chance(0.1) },
    ...(random.chance(0.3) ? { metadata: { color: random.below(40) } } : {}),
    ...(random.chance(0.1) ? { dedupe: [{ kind: pick(random, kinds), fields: ["color"] }] } : {}),
    dependencies: [
      ...inner.map((value) => ({ condition: condition(), parent: { case: "key" as const, value } })),
      ...late.map((value) => ({ condition: condition(), parent: { case: "taskId" as const, value } })),
    ],
  };
}

async function create(world: World, client: MillpondClient, batchId?: string): Promise<void> {
  const { random, batchIds, taskIds } = world;
  const keys = range(1 + random.below(8)).map((n) => `${random.below(1e9)} ${n}`);
  const tasks = keys.map((key, n) => newTask(world, key, keys.slice(0, n)));
  const target =
    batchId === undefined
      ? { case: "newBatch" as const, value: { open: random.chance(0.7), paused: random.chance(0.1) } }
      : { case: "batchId" as const, value: batchId };
  const created = await unlessRefused(client.tasks.createTasks({ target, tasks: random.shuffle(tasks) }), BATCH_SEALED);
  if (created === undefined) return;
  if (batchId === undefined) batchIds.push(created.batch?.batchId as string);
  taskIds.push(...created.tasks.map((task) => task.taskId));
}

async function work({ random }: World, client: MillpondClient): Promise<void> {
  const taken = await take(client, random.shuffle(kinds).slice(0, 1 + random.below(3)), 1 + random.below(5));
  const done = taken.filter(() => random.chance(0.8));
  if (done.length > 0) await report(client, done, random.chance(0.7) ? "success" : "failure");
}

/** Makes one call, any of those that change something. */
async function act(world: World, client: MillpondClient): Promise<unknown> {
  const { random, batchIds, taskIds } = world;
  if (taskIds.length === 0 || random.chance(0.1)) return create(world, client);
  const batchId = pick(random, batchIds);
  const some = [...new Set(range(1 + random.below(4)).map(() => pick(random, taskIds)))];
  const taskId = pick(random, taskIds);
  const update = (): Promise<unknown> =>
    unlessRefused(
      client.tasks.updateTask({
        task: { taskId, priority: random.below(5), metadata: { color: random.below(40) } },
        updateMask: { paths: random.chance(0.5) ? ["priority"] : ["metadata"] },
      }),
      ...[ILLEGAL_TRANSITION, TASK_ENDED, ETAG_MISMATCH],
    );
  const counts = some.map((id) => ({ taskId: id, success: BigInt(random.below(3)), failure: BigInt(random.below(2)) }));
  const calls: readonly (readonly [number, () => Promise<unknown>])[] = [
    [0.3, () => work(world, client)],
    [0.1, () => client.tasks.addCounts({ counts })],
    [0.1, () => create(world, client, batchId)],
    [0.1, () => client.tasks.retryTasks({ taskIds: some, withDependents: random.chance(0.5) })],
    [0.1, update],
    [0.07, () => client.tasks.pauseTasks({ taskIds: some })],
    [0.07, () => client.tasks.resumeTasks({ taskIds: some })],
    [0.05, () => client.tasks.cancelTasks({ taskIds: some })],
    [0.03, () => unlessRefused(client.batches.pauseBatch({ batchId }), ILLEGAL_TRANSITION)],
    [0.04, () => unlessRefused(client.batches.resumeBatch({ batchId }), ILLEGAL_TRANSITION)],
    [0.02, () => client.batches.retryBatch({ batchId })],
    [0.01, () => client.batches.stopBatch({ batchId })],
    [0.01, () => client.batches.sealBatch({ batchId })],
  ];
  let at = random.below(1000) / 1000;
  for (const [share, call] of calls) {
    at -= share;
    if (at < 0) return call();
  }
  return work(world, client);
}

test("whatever calls meet on the same few tasks, none fails, the laws of the tables hold, and everything ends in the end", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const world: World = { s, random: createRandom(n), batchIds: [], taskIds: [] };
    await Promise.all(
      range(10).map(async (k) => {
        for (const _ of range(12)) await act(world, s.client(k));
      }),
    );
    expect(world.taskIds.length).toBeGreaterThan(0);
  });
  await s.finish();
});

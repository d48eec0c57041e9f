import type { MessageInitShape } from "@bufbuild/protobuf";
import { ErrorReason, type MillpondClient, type NewTaskSchema, type TaskReportSchema, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import { unlessRefused } from "./race.ts";
import { createRandom, type Random } from "./random.ts";
import { range, startTwoServers } from "./two-servers.ts";

const { ILLEGAL_TRANSITION, TASK_ENDED } = ErrorReason;
/** How long they contend: fewer seconds for a first look. */
const contendMs = 1000 * Number(process.env.RULES_CONTENTION_SECONDS ?? 60);
/** How long what is left may take: some thousands of tasks, a few at a time, under full rules. */
const drainMsMax = 200_000;
const kinds = ["one", "two"];
const [claimers, creators, controllers] = [6, 3, 3];

type NewTask = Exclude<MessageInitShape<typeof NewTaskSchema>, { $typeName: string }>;
type Report = Exclude<MessageInitShape<typeof TaskReportSchema>, { $typeName: string }>;
type Rule = NonNullable<NewTask["rules"]>[number];

const matcher = (fields: string[]) => ({ kind: "shared", fields });
/** Keys that tasks of both kinds share, in all combinations. */
const rules: readonly Rule[] = [
  { matcher: matcher([]), limit: { case: "maxConcurrency", value: 12 } },
  { matcher: matcher(["tenant"]), limit: { case: "maxConcurrency", value: 4 } },
  { matcher: matcher(["group"]), limit: { case: "maxCapacity", value: 30n } },
  { matcher: matcher(["group"]), limit: { case: "rate", value: { count: 40, window: { nanos: 200_000_000 } } } },
];

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T;
const someRules = (random: Random): Rule[] => rules.filter(() => random.chance(0.5));

function newTask(random: Random, key: string): NewTask {
  return {
    ...{ key, name: key || "late", kind: pick(random, kinds), priority: random.below(3), rules: someRules(random) },
    ...{ metadata: { tenant: random.below(4), group: random.below(3) }, expectedCount: BigInt(random.below(12)) },
    fairnessKey: pick(random, ["", "p", "q"]),
    retry: { maxAttempts: 2, initialBackoff: { nanos: 5_000_000 }, jitter: 0 },
  };
}

/** Chains of two, so that reports make tasks with rules ready. */
async function createSome(client: MillpondClient, random: Random, openBatchId?: string): Promise<string[]> {
  if (openBatchId !== undefined && random.chance(0.3)) {
    const target = { case: "batchId", value: openBatchId } as const;
    const { tasks } = await client.tasks.createTasks({ target, tasks: [newTask(random, "")] });
    return ["", ...tasks.map(({ taskId }) => taskId)];
  }
  const tasks = range(1 + random.below(4)).flatMap((n): NewTask[] => [
    newTask(random, `parent ${n}`),
    { ...newTask(random, `child ${n}`), dependencies: [{ parent: { case: "key", value: `parent ${n}` } }] },
  ]);
  const answer = await client.tasks.createTasks({ tasks });
  return [answer.batch?.batchId ?? "", ...answer.tasks.map(({ taskId }) => taskId)];
}

async function workOn(client: MillpondClient, workerId: string, random: Random): Promise<number> {
  const { assignments } = await client.workers.claimTasks({
    ...{ workerId, kinds, maxTasks: 1 + random.below(5), waitTimeout: { nanos: 50_000_000 } },
  });
  const reports = assignments.map(
    ({ task, attempt }): Report => ({
      ...{ taskId: task?.taskId ?? "", attempt, addSuccessCount: BigInt(random.below(3)) },
      report: random.chance(0.1) ? { case: "failure", value: { message: "no" } } : { case: "success", value: {} },
    }),
  );
  if (random.chance(0.3)) {
    const signs = reports.map((each): Report => ({ ...each, report: { case: "heartbeat", value: {} } }));
    if (signs.length > 0) await client.tasks.reportTasks({ reports: signs });
  }
  if (reports.length > 0) await client.tasks.reportTasks({ reports });
  return reports.length;
}

/** Changes something of a batch and of tasks while they run. */
async function change(
  client: MillpondClient,
  { batchId, taskIds, others }: { batchId: string; taskIds: string[]; others: string[] },
  random: Random,
): Promise<unknown> {
  const taskId = pick(random, taskIds);
  const some = [pick(random, others), pick(random, others), taskId];
  switch (random.below(8)) {
    case 0:
      return client.tasks.cancelTasks({ taskIds: some });
    case 1:
      return client.tasks.retryTasks({ taskIds: some });
    case 2: {
      const updateMask = { paths: ["expected_count", "priority"] };
      const task = { taskId, expectedCount: BigInt(random.below(20)), priority: random.below(5) };
      return unlessRefused(client.tasks.updateTask({ task, updateMask }), TASK_ENDED, ILLEGAL_TRANSITION);
    }
    case 3: {
      const task = { taskId, rules: someRules(random) };
      return unlessRefused(
        client.tasks.updateTask({ task, updateMask: { paths: ["rules"] } }),
        ...[TASK_ENDED, ILLEGAL_TRANSITION],
      );
    }
    case 4: {
      const changed = {
        batchId,
        kind: pick(random, kinds),
        rules: someRules(random),
        validateOnly: random.chance(0.3),
      };
      return unlessRefused(client.batches.updateBatchRules(changed), ILLEGAL_TRANSITION);
    }
    case 5:
      await unlessRefused(client.batches.pauseBatch({ batchId }), ILLEGAL_TRANSITION);
      return unlessRefused(client.batches.resumeBatch({ batchId }), ILLEGAL_TRANSITION);
    case 6:
      await client.tasks.pauseTasks({ taskIds: some });
      return client.tasks.resumeTasks({ taskIds: some });
    default:
      return client.batches.stopBatch({ batchId });
  }
}

test("claims, creates and changes that contend for keys on two servers fail nowhere, and never run into a deadlock", async () => {
  await using s = await startTwoServers();
  const seed = Number(process.env.RULES_SEED ?? Date.now() % 1_000_000);
  const clients = [s.a, s.b];
  const created: { batchId: string; taskIds: string[] }[] = [];
  const open = await s.a.tasks.createTasks({ target: { case: "newBatch", value: { open: true } }, tasks: [] });
  const openBatchId = open.batch?.batchId ?? "";
  const end = performance.now() + contendMs;
  let worked = 0;
  const contend = async (n: number, act: (client: MillpondClient, random: Random) => Promise<unknown>) => {
    const random = createRandom(seed * 100 + n);
    while (performance.now() < end) await act(clients[n % 2] as MillpondClient, random);
  };
  await Promise.all([
    ...range(claimers).map((n) =>
      contend(n, async (client, random) => {
        worked += await workOn(client, `w${n}`, random);
      }),
    ),
    ...range(creators).map((n) =>
      contend(20 + n, async (client, random) => {
        const [batchId = "", ...taskIds] = await createSome(client, random, openBatchId);
        if (batchId !== "") created.push({ batchId, taskIds });
      }),
    ),
    ...range(controllers).map((n) =>
      contend(40 + n, async (client, random) => {
        const recent = created.slice(-20);
        if (recent.length === 0) return createSome(client, random);
        return change(client, { ...pick(random, recent), others: pick(random, recent).taskIds }, random);
      }),
    ),
  ]);
  expect(worked, `seed ${seed}`).toBeGreaterThan(0);
  const random = createRandom(seed);
  await until(
    "everything has ended",
    async () => {
      await Promise.all(range(claimers).map((n) => workOn(clients[n % 2] as MillpondClient, `w${n}`, random)));
      const statuses = [TaskStatus.WAITING, TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.PAUSED];
      return (await s.a.tasks.listTasks({ statuses, pageSize: 1 })).tasks.length === 0;
    },
    drainMsMax,
  );
  await s.finish();
});

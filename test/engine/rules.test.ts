import { type Assignment, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { expectNoDeadlocks } from "../support/deadlocks.ts";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { createRandom, type Random } from "./random.ts";

const kind = "model.rules";
type NewTask = NonNullable<Parameters<MillpondClient["tasks"]["createTasks"]>[0]["tasks"]>[number];
type Rule = NonNullable<NewTask["rules"]>[number];

const rule = (fields: string[], value: number): Rule => ({
  ...{ name: `${fields.join(" ")} ${value}`, matcher: { kind, fields }, limit: { case: "maxConcurrency", value } },
});
/** With overlapping fields: every task has some of them. */
const rules: readonly Rule[] = [
  rule([], 6),
  rule(["tenant"], 3),
  rule(["group"], 2),
  rule(["group", "tenant"], 2),
  { matcher: { kind, fields: ["tenant"] }, limit: { case: "maxCapacity", value: 20n } },
];
const claimers = 8;

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

const tasksOfRun = 300;

/** Random tasks, two servers, eight claimers, exits of all kinds. */
async function play(s: Setup, random: Random, meanwhile: () => Promise<void>): Promise<void> {
  const second = await s.another();
  const clients = [s.client, second.client];
  const tasks = Array.from({ length: tasksOfRun }, (_, n): NewTask => {
    const own = rules.filter(() => random.chance(0.5));
    return {
      ...{ name: `t${n}`, kind, priority: random.below(3), expectedCount: BigInt(1 + random.below(12)) },
      metadata: { tenant: pick(random, ["a", "b", "c"]), group: pick(random, ["x", "y"]) },
      fairnessKey: pick(random, ["", "p", "q"]),
      ...{ rules: own, retry: { maxAttempts: 2, initialBackoff: { seconds: 0n, nanos: 5_000_000 }, jitter: 0 } },
    };
  });
  const created = await Promise.all(
    [0, 1, 2].map((part) =>
      (clients[part % 2] as MillpondClient).tasks.createTasks({
        tasks: tasks.slice((part * tasksOfRun) / 3, ((part + 1) * tasksOfRun) / 3),
      }),
    ),
  );
  const ids = created.flatMap((answer) => answer.tasks.map(({ taskId }) => taskId));
  let isOver = false;
  const claimer = async (n: number): Promise<void> => {
    const client = clients[n % 2] as MillpondClient;
    while (!isOver) {
      const { assignments } = await client.workers.claimTasks({
        ...{ workerId: `w${n}`, kinds: [kind], maxTasks: 1 + random.below(4) },
        ...{ waitTimeout: { seconds: 0n, nanos: 200_000_000 }, lease: { seconds: 1n } },
      });
      await Promise.all(assignments.map((assignment) => exit(client, assignment, random)));
    }
  };
  const open = async (): Promise<number> =>
    withClient(s.database.url, async (client) =>
      Number((await client.query<{ n: string }>("select count(*) n from task_state where status < 6")).rows[0]?.n),
    );
  const control = async (): Promise<void> => {
    for (let n = 0; n < 20; n += 1) {
      const taskIds = Array.from({ length: 5 }, () => pick(random, ids));
      const client = pick(random, clients) as MillpondClient;
      if (n % 4 === 0) await client.tasks.cancelTasks({ taskIds });
      else if (n % 4 === 1) await client.tasks.pauseTasks({ taskIds });
      else if (n % 4 === 2) await client.tasks.resumeTasks({ taskIds: ids });
      else await meanwhile();
    }
    await s.client.tasks.resumeTasks({ taskIds: ids });
  };
  const claiming = Array.from({ length: claimers }, (_, n) => claimer(n));
  await control();
  while ((await open()) > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  isOver = true;
  await Promise.all(claiming);
}

/** Ends an attempt in some way, or lets its lease run out. */
async function exit(client: MillpondClient, { task, attempt }: Assignment, random: Random): Promise<void> {
  const taskId = task?.taskId ?? "";
  const counts = random.chance(0.3) ? { addSuccessCount: BigInt(random.below(4)) } : {};
  if (random.chance(0.3))
    await client.tasks.reportTasks({
      reports: [{ taskId, attempt, report: { case: "heartbeat", value: {} }, ...counts }],
    });
  const how = random.below(20);
  if (how === 0) return;
  if (how === 1) await client.tasks.cancelTasks({ taskIds: [taskId] });
  else if (how < 5)
    await client.tasks.reportTasks({
      reports: [{ taskId, attempt, report: { case: "failure", value: { message: "no" } } }],
    });
  else await client.tasks.reportTasks({ reports: [{ taskId, attempt, report: { case: "success", value: {} } }] });
}

test("at every commit no key has more holders than its rule lets in, and at the end all has run and nothing is held", async () => {
  await using s = await setup();
  await play(s, createRandom(Number(process.env.RULES_SEED ?? Date.now() % 1_000_000)), async () => {});
  await checkInvariants(s.database.url);
  await expectNoDeadlocks(s.database.url);
  const { tasks, moves, left } = await withClient(s.database.url, async (client) => ({
    tasks: (
      await client.query<{ id: string; metadata: Record<string, string>; spec: string | null }>(
        "select id, metadata, spec from task",
      )
    ).rows,
    moves: (
      await client.query<{ seq: string; task_id: string; to_status: number }>(
        "select seq, task_id, to_status from event_change where task_id <> 0 and type in (2, 3, 7) order by seq, index",
      )
    ).rows,
    left: (
      await client.query(
        "select from task_state where status in (3, 4) union all select from blocked union all select from ready union all select from rule_usage where in_use <> 0",
      )
    ).rows.length,
  }));
  expect(left).toBe(0);
  const keysOf = new Map(
    tasks.map(({ id, metadata, spec }) => {
      const own = (JSON.parse(spec ?? "{}").rules ?? []) as {
        matcher: { fields?: string[] };
        maxConcurrency?: number;
      }[];
      const limited = own.filter((each) => each.maxConcurrency !== undefined);
      return [
        id,
        limited.map(({ matcher, maxConcurrency = 0 }) => {
          const fields = [...(matcher.fields ?? [])].sort();
          return { key: fields.map((field) => `${field}=${metadata[field]}`).join(), bound: maxConcurrency };
        }),
      ];
    }),
  );
  const holders = new Map<string, Set<string>>();
  const bounds = new Map<string, number>();
  const broken: string[] = [];
  for (const [n, { seq, task_id, to_status }] of moves.entries()) {
    for (const { key, bound } of keysOf.get(task_id) ?? []) {
      bounds.set(key, bound);
      const own = holders.get(key) ?? new Set();
      if (to_status === TaskStatus.RUNNING) own.add(task_id);
      else own.delete(task_id);
      holders.set(key, own);
    }
    if (moves[n + 1]?.seq === seq) continue;
    for (const [key, own] of holders)
      if (own.size > (bounds.get(key) ?? 0)) broken.push(`${seq}: ${key} has ${own.size}`);
  }
  expect(broken).toEqual([]);
}, 120_000);

test("limits that change while all of this goes on leave nothing stuck and nothing held", async () => {
  await using s = await setup();
  const random = createRandom(Number(process.env.RULES_SEED ?? Date.now() % 1_000_000));
  const { batches } = await s.client.batches.listBatches({});
  expect(batches).toEqual([]);
  await play(s, random, async () => {
    for (const { batchId } of (await s.client.batches.listBatches({})).batches) {
      const next = rules
        .slice(0, 4)
        .filter(() => random.chance(0.5))
        .map((each) => rule([...(each.matcher?.fields ?? [])], 1 + random.below(6)));
      await s.client.batches.updateBatchRules({ batchId, kind, rules: next }).catch((error: unknown) => {
        if (!String(error).includes("has ended")) throw error;
      });
    }
  });
  await checkInvariants(s.database.url);
  const left = await withClient(
    s.database.url,
    async (client) =>
      (
        await client.query(
          "select from task_state where status in (3, 4) union all select from blocked union all select from ready union all select from rule_usage where in_use <> 0",
        )
      ).rows.length,
  );
  expect(left).toBe(0);
}, 120_000);

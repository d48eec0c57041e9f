import { type Assignment, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { createRandom, type Random } from "./random.ts";
import { range, startTwoServers } from "./two-servers.ts";

const kind = "at.create";
const bounds = { all: 7, tenant: 3 } as const;
const [creators, claimers, callsOfCreator] = [4, 6, 80];
/** Fewer than the rules let in, or more: both come about. */
const openMax = 8;

type NewTask = NonNullable<Parameters<MillpondClient["tasks"]["createTasks"]>[0]["tasks"]>[number];

/** Its name says which keys it has. */
function newTask(random: Random): NewTask {
  const tenant = random.below(3);
  const [hasAll, hasTenant] = [random.chance(0.6), random.chance(0.6)];
  const rule = (fields: string[], value: number) => ({
    ...{ matcher: { kind, fields }, limit: { case: "maxConcurrency" as const, value } },
  });
  return {
    name: ["task", ...(hasAll ? ["all"] : []), ...(hasTenant ? [`tenant-${tenant}`] : [])].join(),
    ...{ kind, metadata: { tenant }, priority: random.below(3) },
    rules: [...(hasAll ? [rule([], bounds.all)] : []), ...(hasTenant ? [rule(["tenant"], bounds.tenant)] : [])],
    retry: { maxAttempts: 2, initialBackoff: { nanos: 5_000_000 }, jitter: 0 },
  };
}

/** Ends an attempt in some way, or lets its lease run out. */
async function exit(client: MillpondClient, { task, attempt }: Assignment, random: Random): Promise<void> {
  const taskId = task?.taskId ?? "";
  const how = random.below(40);
  if (how === 0) return;
  if (how === 1) await client.tasks.cancelTasks({ taskIds: [taskId] });
  else if (how < 6)
    await client.tasks.reportTasks({
      reports: [{ taskId, attempt, report: { case: "failure", value: { message: "no" } } }],
    });
  else await client.tasks.reportTasks({ reports: [{ taskId, attempt, report: { case: "success", value: {} } }] });
}

/** At which commits a key had more holders than its rule lets in. */
function broken(moves: readonly { seq: string; task_id: string; name: string; to_status: number }[]): string[] {
  const holders = new Map<string, Set<string>>();
  const found: string[] = [];
  for (const [n, { seq, task_id, name, to_status }] of moves.entries()) {
    for (const key of name.split(",").slice(1)) {
      const own = holders.get(key) ?? new Set();
      if (to_status === TaskStatus.RUNNING) own.add(task_id);
      else own.delete(task_id);
      holders.set(key, own);
    }
    if (moves[n + 1]?.seq === seq) continue;
    for (const [key, own] of holders)
      if (own.size > (key === "all" ? bounds.all : bounds.tenant)) found.push(`${seq}: ${key} has ${own.size}`);
  }
  return found;
}

test("small graphs whose tasks take places of two servers at once never have more holders than rules let in, and all end", async () => {
  await using s = await startTwoServers();
  const seed = Number(process.env.RULES_SEED ?? Date.now() % 1_000_000);
  const clients = [s.a, s.b];
  const query = <Row extends object>(text: string): Promise<Row[]> =>
    withClient(s.databaseUrl, async (client) => (await client.query<Row>(text)).rows);
  const countOpen = async (): Promise<number> =>
    Number((await query<{ n: string }>("select count(*) n from task_state where status < 6"))[0]?.n);
  let isOver = false;
  const claiming = range(claimers).map(async (n) => {
    const [client, random] = [clients[n % 2] as MillpondClient, createRandom(seed * 100 + n)];
    while (!isOver) {
      const { assignments } = await client.workers.claimTasks({
        ...{ workerId: `w${n}`, kinds: [kind], maxTasks: 1 + random.below(3) },
        ...{ waitTimeout: { nanos: 500_000_000 }, lease: { seconds: 1n } },
      });
      await Promise.all(assignments.map((assignment) => exit(client, assignment, random)));
    }
  });
  await Promise.all(
    range(creators).map(async (n) => {
      const [client, random] = [clients[n % 2] as MillpondClient, createRandom(seed * 100 + 50 + n)];
      for (const _ of range(callsOfCreator)) {
        await until("others to have ended", async () => (await countOpen()) < openMax);
        const tasks = range(1 + random.below(4)).map(() => newTask(random));
        const batchId = (await client.tasks.createTasks({ tasks })).batch?.batchId ?? "";
        if (!random.chance(0.1)) continue;
        await client.batches.pauseBatch({ batchId }).catch(() => {});
        await client.batches.resumeBatch({ batchId }).catch(() => {});
      }
    }),
  );
  await until("everything has ended", async () => (await countOpen()) === 0);
  isOver = true;
  await Promise.all(claiming);
  const [counted] = await query<{ started: string; all: string; left: string }>(
    `select count(*) filter (where e.n > 0) started, count(*) "all", (select count(*) from rule_usage where in_use <> 0) left from task_state h
       cross join lateral (select count(*) n from event_change c join event_change r on r.seq = c.seq and r.task_id = c.task_id
         where c.task_id = h.id and c.type = 1 and r.type = 2 and r.to_status = 4) e where h.lane is not null`,
  );
  expect(Number(counted?.started), `seed ${seed}`).toBeGreaterThan(0);
  expect(Number(counted?.started), `seed ${seed}`).toBeLessThan(Number(counted?.all));
  expect(counted?.left).toBe("0");
  const moves = await query<{ seq: string; task_id: string; name: string; to_status: number }>(
    `select c.seq, c.task_id, t.name, c.to_status from event_change c join task t on t.id = c.task_id
       where c.type in (2, 3, 7) order by c.seq, c.index`,
  );
  expect(broken(moves), `seed ${seed}`).toEqual([]);
  await s.finish();
}, 180_000);

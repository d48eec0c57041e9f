import pg from "pg";
import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";

const kind = "crowded";
const held = 100_000;
const perCall = 5_000;

test("a worker that waits behind 100,000 tasks that a rule holds back is handed the one that may start, for the price of that one", async () => {
  await using s = await setup();
  const rules = [{ matcher: { kind }, limit: { case: "maxConcurrency", value: 1 } } as const];
  for (let n = 0; n < held; n += perCall) {
    const tasks = Array.from({ length: perCall }, (_, k) => ({ name: `held ${n + k}`, kind, priority: 100, rules }));
    await s.client.tasks.createTasks({ tasks });
  }
  const claim = { workerId: "w", kinds: [kind], maxTasks: 10 };
  expect((await s.client.workers.claimTasks(claim)).assignments.length).toBe(1);
  const admin = new pg.Client({ connectionString: s.database.url });
  await admin.connect();
  const read = async (): Promise<number> => {
    const { rows } = await admin.query<{ n: string }>(
      `select (select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes) n`,
    );
    return Number(rows[0]?.n);
  };
  const settled = async (): Promise<number> => {
    // Connections tell what they have read within ten seconds of being idle.
    let last = await read();
    await until("nothing much is read any more", async () => {
      await new Promise((resolve) => setTimeout(resolve, 12_000));
      const now = await read();
      const isQuiet = now - last < 1_000;
      last = now;
      return isQuiet;
    });
    return last;
  };
  const before = await settled();
  const waiting = s.client.workers.claimTasks({ ...claim, waitTimeout: { seconds: 60n } });
  const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "free", kind }] });
  const { assignments } = await waiting;
  expect(assignments.map(({ task }) => task?.taskId)).toEqual([tasks[0]?.taskId]);
  expect((await settled()) - before).toBeLessThan(10_000);
  const { rows } = await admin.query<{ ready: string; blocked: string }>(
    "select (select count(*) from ready) ready, (select count(*) from blocked) blocked",
  );
  expect(rows[0]).toEqual({ ready: "0", blocked: `${held - 1}` });
  await admin.end();
});

import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";

const kind = "crowded";
const held = 100_000;
const perCall = 5_000;

// What a claim, a start and an end read then is bounded in test/store/plans-rules.test.ts.
test("a worker that waits behind 100,000 tasks that a rule holds back is handed the one that may start, and nothing of these is moved", async () => {
  await using s = await setup();
  const rules = [{ matcher: { kind }, limit: { case: "maxConcurrency", value: 1 } } as const];
  for (let n = 0; n < held; n += perCall) {
    const tasks = Array.from({ length: perCall }, (_, k) => ({ name: `held ${n + k}`, kind, priority: 100, rules }));
    await s.client.tasks.createTasks({ tasks });
  }
  const claim = { workerId: "w", kinds: [kind], maxTasks: 10 };
  expect((await s.client.workers.claimTasks(claim)).assignments.length).toBe(1);
  const rowsOf = () =>
    withClient(s.database.url, async (client) => {
      const text = `select (select count(*) from ready) ready, (select array_agg(xmin::text order by lane, rank, id) from blocked) versions`;
      return (await client.query<{ ready: string; versions: string[] }>(text)).rows[0];
    });
  const before = await rowsOf();
  expect([before?.ready, before?.versions.length]).toEqual(["0", held - 1]);
  const waiting = s.client.workers.claimTasks({ ...claim, waitTimeout: { seconds: 60n } });
  const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "free", kind }] });
  const { assignments } = await waiting;
  expect(assignments.map(({ task }) => task?.taskId)).toEqual([tasks[0]?.taskId]);
  // Not one row has been written again.
  expect((await rowsOf()) as unknown).toEqual(before);
});

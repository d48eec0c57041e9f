import { BatchStatus, createClient } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase } from "../support/database.ts";
import { startServeProcess } from "../support/serve-process.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";

const kind = "limited";
const tasksOfRun = 24;
const limit = 3;

test("what the workers of a killed server held is free when their leases have run out, and everything ends", async () => {
  const database = await createTestDatabase();
  const killed = await startServeProcess({ PORT: "0", DATABASE_URL: database.url });
  const other = await startServeProcess({ PORT: "0", DATABASE_URL: database.url });
  const [first, second] = [killed, other].map(({ url }) => createClient({ address: url, retry: false }));
  onTestFinished(async () => {
    if (killed.child.exitCode === null && killed.child.signalCode === null) await killed.end("SIGKILL");
    await other.end("SIGTERM");
    await Promise.all([first?.close(), second?.close()]);
    await database.drop(60_000);
  });
  if (first === undefined || second === undefined) throw new Error("there are two clients");
  const rules = [
    { matcher: { kind }, limit: { case: "maxConcurrency", value: limit } },
    { matcher: { kind }, limit: { case: "maxCapacity", value: 100n } },
  ] as const;
  const { batch } = await first.tasks.createTasks({
    tasks: Array.from({ length: tasksOfRun }, (_, n) => ({
      ...{ name: `t${n}`, kind, expectedCount: 10n, rules: [...rules], retry: { maxAttempts: 3 } },
    })),
  });
  const claim = { workerId: "w", kinds: [kind], maxTasks: 10, lease: { seconds: 2n } };
  expect((await first.workers.claimTasks(claim)).assignments.length).toBe(limit);
  // A claim that waits, creates and reports are under way when it is killed.
  const underWay = [
    first.workers.claimTasks({ ...claim, waitTimeout: { seconds: 30n } }),
    ...Array.from({ length: 5 }, (_, n) =>
      first.tasks.createTasks({ tasks: [{ name: `late ${n}`, kind, expectedCount: 1n, rules: [...rules] }] }),
    ),
  ].map((call) => call.catch(() => {}));
  expect((await killed.end("SIGKILL")).signal).toBe("SIGKILL");
  await Promise.all(underWay);

  const finishSome = async (seconds: bigint): Promise<number> => {
    const { assignments } = await second.workers.claimTasks({ ...claim, waitTimeout: { seconds } });
    const reports = assignments.map(({ task, attempt }) => ({
      ...{ taskId: task?.taskId ?? "", attempt, report: { case: "success", value: {} } as const },
    }));
    if (reports.length > 0) await second.tasks.reportTasks({ reports });
    return reports.length;
  };
  const taken: number[] = [];
  await until("the batch has ended", async () => {
    taken.push(await finishSome(5n));
    return (await second.batches.getBatch({ batchId: batch?.batchId ?? "" })).batch?.status === BatchStatus.SUCCESS;
  });
  expect(Math.max(...taken)).toBe(limit);
  await until("the late ones have ended", async () => (await finishSome(0n)) === 0);
  await checkInvariants(database.url);
  const left = await withClient(database.url, (client) =>
    client.query(
      "select from task_state where status in (3, 4) union all select from blocked union all select from rule_usage where in_use <> 0",
    ),
  );
  expect(left.rows.length).toBe(0);
});

import { expect, onTestFinished, test } from "vitest";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";

test("metrics tell how many watchers keep up, how many do not, and how far the slowest is behind", async () => {
  await using s = await setup();
  const look = async () => {
    const text = await (await fetch(`${s.url}/metrics`)).text();
    const of = (name: string): number => Number(new RegExp(`^millpond_${name} (\\d+)$`, "m").exec(text)?.[1]);
    return {
      together: of('watchers\\{pace="together"\\}'),
      alone: of('watchers\\{pace="alone"\\}'),
      behind: of("watch_lag_commits"),
    };
  };
  expect(await look()).toEqual({ together: 0, alone: 0, behind: 0 });
  const end = new AbortController();
  onTestFinished(() => end.abort());
  const open = () => s.client.events.watchEvents({}, { signal: end.signal })[Symbol.asyncIterator]();
  const [reads, waits] = [open(), open()];
  await Promise.all([reads.next(), waits.next()]);
  const isKeptUp = async () => {
    const { together, alone, behind } = await look();
    return together === 2 && alone === 0 && behind === 0;
  };
  await until("both keep up", isKeptUp);

  // More than connection and server hold for who does not read.
  let seen = 0;
  const reading = (async () => {
    for (let next = await reads.next(); next.done !== true; next = await reads.next()) seen += 1;
  })().catch(() => {});
  const output = { kind: { case: "stringValue" as const, value: "x".repeat(100_000) } };
  const { tasks } = await s.client.tasks.createTasks({
    tasks: Array.from({ length: 60 }, () => ({ name: "t", kind: "k" })),
  });
  await s.client.workers.claimTasks({ workerId: "w", kinds: ["k"], maxTasks: 100 });
  const report = (taskId: string) =>
    s.client.tasks.reportTasks({ reports: [{ taskId, report: { case: "success", value: { output } } }] });
  for (const { taskId } of tasks) await report(taskId);
  await until("one is behind", async () => {
    const { alone, behind } = await look();
    return alone === 1 && behind > 0;
  });
  expect((await look()).together).toBe(1);
  expect(seen).toBeGreaterThan(0);

  const rest = (async () => {
    for (let next = await waits.next(); next.done !== true; next = await waits.next());
  })().catch(() => {});
  await until("it has caught up", isKeptUp);
  end.abort();
  await Promise.all([reading, rest]);
  await until("they have gone", async () => (await look()).together === 0);
  expect(await look()).toEqual({ together: 0, alone: 0, behind: 0 });
});

import { TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { setup } from "../support/setup.ts";
import { openTransaction } from "./open-transaction.ts";
import { after, claim, createGraph, report, startTwoServers } from "./two-servers.ts";

test("stopping a batch brings down what depends on it in another batch, and all that depends on that", async () => {
  await using s = await setup();
  const { tasks, batches } = s.client;
  const upstream = await tasks.createTasks({ tasks: [{ key: "a", name: "a", kind: "work" }] });
  const parent = { case: "taskId" as const, value: upstream.tasks[0]?.taskId as string };
  const downstream = await tasks.createTasks({
    tasks: [
      { key: "b", name: "b", kind: "work", dependencies: [{ parent }] },
      { key: "c", name: "c", kind: "work", dependencies: [{ parent: { case: "key", value: "b" } }] },
      { key: "d", name: "d", kind: "work", dependencies: [{ parent: { case: "key", value: "c" } }] },
    ],
  });

  await batches.stopBatch({ batchId: upstream.batch?.batchId as string });

  const { tasks: ended } = await tasks.listTasks({ batchId: downstream.batch?.batchId as string });
  expect(ended.map((task) => `${task.key} ${TaskStatus[task.status]}`).sort()).toEqual([
    "b FAILURE",
    "c FAILURE",
    "d FAILURE",
  ]);
  await checkInvariants(s.database.url);
});

test("a cascade through a join and a report that meets it below take their locks in one order", async () => {
  await using s = await startTwoServers();
  const graph = await createGraph(s.a, [
    { key: "p" },
    { key: "q" },
    { key: "join", execution: { case: "join", value: {} }, dependencies: after("p") },
    { key: "held", kind: "next", dependencies: after("join") },
    { key: "low", kind: "next", dependencies: after("join", "q") },
    { key: "high", kind: "next", dependencies: after("p", "q", "held") },
  ]);
  await claim(s.a, "work");
  // Stops the cascade of p below its join: by then it has "high", and it goes on to "low".
  await using holder = await openTransaction(s.databaseUrl);
  await holder.query("select from task_state join task using (id) where key = 'held' for update");
  const first = report(s.a, [graph.id("p")]);
  await holder.waitForBlocked(1);
  let isOver = false;
  const second = report(s.b, [graph.id("q")]).finally(() => {
    isOver = true;
  });
  await holder.waitForBlocked(2, () => isOver);
  await holder.query("commit");
  await Promise.all([first, second]);
  await s.finish();
});

import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Assignment, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { type Setup, setup } from "../support/setup.ts";
import { dependsOn, type TaskInit } from "./shared-server.ts";

const kind = "k";

async function claim({ client }: Setup): Promise<Assignment[]> {
  return (await client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 100 })).assignments;
}

/** Has a worker take a task: now the server knows that workers do, and keeps what it creates. */
async function letWork(server: Setup): Promise<void> {
  await server.client.tasks.createTasks({ tasks: [{ name: "first", kind }] });
  expect(await claim(server)).toHaveLength(1);
}

/** What a worker is handed is the task as GetTask tells it, but for what has been executed of it. */
async function expectAsRead({ client }: Setup, assignments: readonly Assignment[]): Promise<string[]> {
  for (const { task, attempt } of assignments) {
    const read = await client.tasks.getTask({ taskId: task?.taskId ?? "" });
    expect(task).toEqual(read.task);
    expect(attempt).toBe(task?.attempt);
  }
  return assignments.map(({ task }) => task?.key ?? "");
}

const rules: TaskInit["rules"] = [
  { matcher: { kind, fields: ["tenant"] }, limit: { case: "maxConcurrency", value: 9 } },
];
const tasks: TaskInit[] = [
  { key: "plain", name: "plain", kind, metadata: { b: [1.5, null], a: { c: "ä" } }, priority: 3, expectedCount: 7n },
  { key: "ruled", name: "ruled", kind, metadata: { tenant: "x" }, rules, fairnessKey: "f" },
  { key: "updated", name: "updated", kind, metadata: { old: true } },
  { key: "urgent", name: "urgent", kind },
  { key: "paused", name: "paused", kind },
  { key: "retried", name: "retried", kind },
  { key: "child", name: "child", kind, dependencies: dependsOn("plain", "ruled") },
];

test("what a worker is handed is what a read tells, whatever has been done to a task since its creation", async () => {
  await using server = await setup();
  const { client } = server;
  await letWork(server);
  const created = await client.tasks.createTasks({ tasks });
  const idOf = new Map(created.tasks.map(({ key, taskId }) => [key, taskId]));
  const id = (key: string): string => idOf.get(key) ?? "";
  await client.tasks.updateTask({
    ...{ task: { taskId: id("updated"), metadata: { new: [1] } }, updateMask: { paths: ["metadata"] } },
  });
  await client.tasks.updateTask({
    ...{ task: { taskId: id("urgent"), priority: 9 }, updateMask: { paths: ["priority"] } },
  });
  await client.tasks.pauseTasks({ taskIds: [id("paused")] });
  await client.tasks.resumeTasks({ taskIds: [id("paused")] });
  await client.tasks.cancelTasks({ taskIds: [id("retried")] });
  await client.tasks.retryTasks({ taskIds: [id("retried")] });
  const first = await claim(server);
  expect((await expectAsRead(server, first)).toSorted()).toEqual(
    ["plain", "ruled", "updated", "urgent", "paused", "retried"].toSorted(),
  );
  const output = fromJson(ValueSchema, "done");
  const reports = first.map(({ task }) => ({
    ...{ taskId: task?.taskId ?? "", report: { case: "success", value: { output } } as const },
  }));
  await client.tasks.reportTasks({ reports });
  const children = await claim(server);
  expect(await expectAsRead(server, children)).toEqual(["child"]);
  expect(Object.entries(children[0]?.parents ?? {}).map(([key, { status }]) => [key, status])).toEqual([
    ["plain", TaskStatus.SUCCESS],
    ["ruled", TaskStatus.SUCCESS],
  ]);
});

test("a task that runs again is handed out as it is then", async () => {
  await using server = await setup();
  const { client } = server;
  await letWork(server);
  await client.tasks.createTasks({ tasks: [{ key: "one", name: "one", kind }] });
  const [failed] = await claim(server);
  const end = { taskId: failed?.task?.taskId ?? "", report: { case: "failure", value: { message: "no" } } as const };
  await client.tasks.reportTasks({ reports: [end] });
  await client.tasks.retryTasks({ taskIds: [end.taskId] });
  const again = await claim(server);
  expect(again.map(({ attempt }) => attempt)).toEqual([2]);
  await expectAsRead(server, again);
});

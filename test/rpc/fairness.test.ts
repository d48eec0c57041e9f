import type { Assignment } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

const create = async (tasks: readonly TaskInit[]) => await server.client.tasks.createTasks({ tasks: [...tasks] });
const many = (count: number, task: TaskInit): TaskInit[] => Array.from({ length: count }, () => task);
const names = (claimed: readonly Assignment[]) => claimed.map(({ task }) => task?.name ?? "");
const shares = (claimed: readonly Assignment[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names(claimed)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

test("one tenant's thousands do not hold up another one's ten, nor those of nobody: they take turns", async () => {
  const kind = newKind();
  await create(many(2_000, { name: "many", kind, fairnessKey: "many" }));
  await create(many(300, { name: "none", kind }));
  await create(many(10, { name: "few", kind, fairnessKey: "few" }));
  const first = await server.claim(kind, { max: 30 });
  expect(shares(first)).toEqual({ many: 10, none: 10, few: 10 });
  // No two in a row of one, but the last, where the others have ended their turns.
  expect(names(first).every((name, n) => n === 0 || name !== names(first)[n - 1])).toBe(true);
  expect(shares(await server.claim(kind, { max: 40 }))).toEqual({ many: 20, none: 20 });
  await checkInvariants(server.setup.database.url);
});

test("turns go on from claim to claim, also where each takes one task, and go by weight", async () => {
  const kind = newKind();
  await create([
    ...many(60, { name: "heavy", kind, fairnessKey: "heavy", fairnessWeight: 3 }),
    ...many(60, { name: "light", kind, fairnessKey: "light" }),
  ]);
  const claimed: Assignment[] = [];
  for (let n = 0; n < 24; n += 1) claimed.push(...(await server.claim(kind, { max: 1 })));
  expect(shares(claimed)).toEqual({ heavy: 18, light: 6 });
  for (let n = 0; n < 4; n += 1) claimed.push(...(await server.claim(kind, { max: 7 })));
  expect(shares(claimed)).toEqual({ heavy: 39, light: 13 });
});

test("the weight that was given last counts for all tasks of a key", async () => {
  const kind = newKind();
  const task = (name: string, fairnessWeight: number): TaskInit => ({
    ...{ name, kind, fairnessKey: `${kind}-${name}`, fairnessWeight },
  });
  await create([...many(50, task("a", 1)), ...many(50, task("b", 1))]);
  await create([task("a", 4)]);
  expect(shares(await server.claim(kind, { max: 10 }))).toEqual({ a: 8, b: 2 });
});

test("priority stands above turns, and within a key tasks are first come first served", async () => {
  const kind = newKind();
  await create([
    ...["a1", "a2", "a3"].map((name): TaskInit => ({ name, kind, fairnessKey: "a" })),
    ...["b1", "b2"].map((name): TaskInit => ({ name, kind, fairnessKey: "b" })),
    { name: "urgent", kind, fairnessKey: "a", priority: 1 },
    { name: "later", kind, fairnessKey: "c", priority: -1 },
  ]);
  const claimed = names(await server.claim(kind, { max: 20 }));
  expect([claimed[0], claimed.at(-1), claimed.length]).toEqual(["urgent", "later", 7]);
  expect(claimed.filter((name) => name.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
  expect(claimed.slice(1, 5).map((name) => name[0])).toSatisfy(
    (turns: string[]) => turns.join("") === "abab" || turns.join("") === "baba",
  );
});

test("a key is one for all kinds of a worker", async () => {
  const [one, other] = [newKind(), newKind()];
  await create([
    ...many(40, { name: "a", kind: one, fairnessKey: "a" }),
    ...many(20, { name: "a", kind: other, fairnessKey: "a" }),
    ...many(20, { name: "b", kind: other, fairnessKey: "b" }),
  ]);
  const { assignments } = await server.client.workers.claimTasks({
    ...{ workerId: "both", kinds: [one, other], maxTasks: 20 },
  });
  expect(shares(assignments)).toEqual({ a: 10, b: 10 });
});

test("under a limit over all tenants, those who wait for it take turns, too", async () => {
  const kind = newKind();
  const rules: TaskInit["rules"] = [{ matcher: { kind }, limit: { case: "maxConcurrency", value: 2 } }];
  await create(many(50, { name: "many", kind, fairnessKey: "many", rules }));
  await create(many(5, { name: "few", kind, fairnessKey: "few", rules }));
  const started: string[] = [];
  let running = await server.claim(kind, { max: 10 });
  for (let n = 0; n < 10 && running.length > 0; n += 1) {
    started.push(...names(running));
    for (const each of running) await server.succeed(each);
    running = await server.claim(kind, { max: 10 });
  }
  expect(started.slice(0, 10).filter((name) => name === "few").length).toBe(5);
  await checkInvariants(server.setup.database.url);
});

test("a task says with whom it takes turns; paused, changed and run again, it still does", async () => {
  const kind = newKind();
  const { tasks } = await create([
    { key: "a", name: "a", kind, fairnessKey: "ä ✓", fairnessWeight: 2, retry: { maxAttempts: 1 } },
    { name: "b", kind },
  ]);
  const taskId = tasks[0]?.taskId ?? "";
  await server.client.tasks.pauseTasks({ taskIds: [taskId] });
  await server.client.tasks.resumeTasks({ taskIds: [taskId] });
  await server.client.tasks.updateTask({
    ...{ task: { taskId, priority: 3, rules: [{ matcher: { kind }, limit: { case: "maxConcurrency", value: 5 } }] } },
    updateMask: { paths: ["priority", "rules"] },
  });
  const [claimed] = await server.claim(kind, { max: 1 });
  expect(claimed?.task).toMatchObject({ name: "a", fairnessKey: "ä ✓", fairnessWeight: 2 });
  const { task } = await server.client.tasks.getTask({ taskId });
  expect(task).toMatchObject({ fairnessKey: "ä ✓", fairnessWeight: 2 });
  await checkInvariants(server.setup.database.url);
});

test("ExplainTask counts those who have their turns before", async () => {
  const kind = newKind();
  await create(many(100, { name: "many", kind, fairnessKey: `${kind}-many` }));
  const { tasks } = await create(many(3, { name: "few", kind, fairnessKey: `${kind}-few` }));
  const { blockers } = await server.client.tasks.explainTask({ taskId: tasks[2]?.taskId ?? "" });
  const queue = blockers.find(({ blocker }) => blocker.case === "queue")?.blocker;
  // Two of its own, and of the others one for each of these and one for itself.
  expect(queue).toMatchObject({ case: "queue", value: { aheadCount: 5n } });
});

test.each<[string, TaskInit, string]>([
  ["a key of more than 255 characters", { fairnessKey: "x".repeat(256) }, "fairness_key"],
  ["a weight above 1000", { fairnessKey: "a", fairnessWeight: 1001 }, "fairness_weight"],
  ["a weight below 0", { fairnessKey: "a", fairnessWeight: -1 }, "fairness_weight"],
  ["a weight without a key", { fairnessWeight: 2 }, "fairness_weight"],
])("%s is refused", async (_, what, field) => {
  const fields = [`tasks[0].${field}`];
  const call = create([{ name: "t", kind: newKind(), ...what }]);
  await expectRefusal(call, { code: "InvalidArgument", reason: "INVALID_FIELD", fields });
});

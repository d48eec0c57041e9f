import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { createRuleLoops } from "../../src/maintenance/loops.ts";
import type { Statement } from "../../src/store/database.ts";
import { noRuleFigures, type RuleFigures, readRuleFigures, ruleNamesMax } from "../../src/store/rule-figures.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import type { TaskInit } from "./shared-server.ts";

const kind = "build";
type Rule = NonNullable<TaskInit["rules"]>[number];

const concurrency = (name: string, value: number, fields: string[] = [], of = kind): Rule => ({
  ...{ name, matcher: { kind: of, fields }, limit: { case: "maxConcurrency", value } },
});
const rate = (name: string, count: number, seconds = 3_600): Rule => ({
  ...{
    name,
    matcher: { kind: "rate" },
    limit: { case: "rate", value: { count, window: durationFromMs(seconds * 1_000) } },
  },
});
const capacity = (name: string, value: bigint): Rule => ({
  ...{ name, matcher: { kind: "work" }, limit: { case: "maxCapacity", value } },
});

/** What a server says of rules; it is a new one, which looks at once. */
async function ruleMetrics(millpond: Setup, shown: RegExp = /^millpond_rule_usage\{/m): Promise<string[]> {
  const { url } = await millpond.another();
  let text = "";
  await until("the metrics of rules are shown", async () => {
    text = await (await fetch(`${url}/metrics`)).text();
    return shown.test(text);
  });
  return text.split("\n").filter((line) => /^millpond_(rule_|tasks_blocked)/.test(line));
}

const without = (lines: readonly string[], name: string): string[] => lines.filter((line) => !line.startsWith(name));

test("the metrics tell what each rule blocks, what is taken, and that both are right", async () => {
  await using millpond = await setup();
  const task = (name: string, tenant: string, rules: Rule[]): TaskInit => ({
    ...{ name, kind, metadata: { tenant }, expectedCount: 7n, rules },
  });
  const tenant = concurrency("per tenant", 1, ["tenant"]);
  await millpond.client.tasks.createTasks({
    tasks: [
      ...["a", "a", "a", "b"].map((name) => task(name, name, [tenant, concurrency("all", 50)])),
      ...[1, 2, 3].map((n) => task(`rate ${n}`, "none", [rate("hourly", 2)])),
      ...[1, 2].map((n) => task(`work ${n}`, "none", [capacity("", 5n)])),
    ],
  });
  const { assignments } = await millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 100 });
  expect(assignments.map(({ task }) => task?.name)).toEqual(["a", "b", "rate 1", "rate 2", "work 1"]);
  const lines = await ruleMetrics(millpond);
  expect(without(lines, "millpond_tasks_blocked_oldest_seconds").toSorted()).toEqual([
    "millpond_rule_slot_drift 0",
    'millpond_rule_usage{rule=""} 7',
    'millpond_rule_usage{rule="all"} 2',
    'millpond_rule_usage{rule="hourly"} 2',
    'millpond_rule_usage{rule="per tenant"} 2',
    'millpond_tasks_blocked{rule="",kind="work"} 1',
    'millpond_tasks_blocked{rule="hourly",kind="rate"} 1',
    'millpond_tasks_blocked{rule="per tenant",kind="build"} 2',
  ]);
  const oldest = lines.find((line) => line.startsWith("millpond_tasks_blocked_oldest_seconds")) ?? "";
  const seconds = Number(oldest.split(" ")[1]);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(600);
  await checkInvariants(millpond.database.url);
});

test("starts that have left their window, and holders that have ended, are not taken any more", async () => {
  await using millpond = await setup();
  const short = rate("short", 9, 0.001);
  const held: TaskInit = { name: "held", kind, rules: [concurrency("held", 9)] };
  await millpond.client.tasks.createTasks({ tasks: [{ name: "ends", kind, rules: [short] }, held] });
  const { assignments } = await millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 1 });
  const taskId = assignments[0]?.task?.taskId ?? "";
  await millpond.client.tasks.reportTasks({ reports: [{ taskId, report: { case: "success", value: {} } }] });
  expect(await ruleMetrics(millpond)).toEqual([
    'millpond_rule_usage{rule="short"} 0',
    "millpond_rule_slot_drift 0",
    "millpond_tasks_blocked_oldest_seconds 0",
  ]);
});

test("slots that are lost, or given twice, are told: each key's without its sign", async () => {
  await using millpond = await setup();
  const rules = (name: string): Rule[] => [concurrency("a", 9, ["name"]), { ...capacity("b", 90n), name }];
  const tasks = ["x", "y", "z"].map(
    (name): TaskInit => ({
      ...{ name, kind, metadata: { name }, expectedCount: 10n, rules: rules(name) },
    }),
  );
  await millpond.client.tasks.createTasks({ tasks });
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 3 });
  await withClient(millpond.database.url, async (client) => {
    const change = "update rule_usage u set in_use = in_use + $1 from rule_key k where k.id = u.key_id and k.key = $2";
    await client.query(change, [2, '["build",{"name":"x"}]']);
    await client.query(change, [-1, '["build",{"name":"y"}]']);
    await client.query(
      "update hold h set task_ids = array_remove(h.task_ids, t.id) from task t where t.id = any (h.task_ids) and t.name = 'z'",
    );
  });
  // Of the last one, the slot and its work of 10.
  expect(await ruleMetrics(millpond)).toContain("millpond_rule_slot_drift 14");
});

test("what is under way is no drift: in the midst of starts and ends, there never is any", async () => {
  await using millpond = await setup();
  const rules = [concurrency("few", 5), rate("often", 100, 0.05), capacity("work", 20n)];
  const tasks = Array.from({ length: 200 }, (_, n): TaskInit => ({ name: `t${n}`, kind, expectedCount: 4n, rules }));
  await millpond.client.tasks.createTasks({ tasks });
  let ended = 0;
  const work = async (workerId: string): Promise<void> => {
    while (ended < tasks.length) {
      const waitTimeout = durationFromMs(100);
      const { assignments } = await millpond.client.workers.claimTasks({
        ...{ workerId, kinds: [kind], maxTasks: 3, waitTimeout },
      });
      const reports = assignments.map(({ task }) => ({
        ...{ taskId: task?.taskId ?? "", report: { case: "success" as const, value: {} } },
      }));
      if (reports.length > 0) await millpond.client.tasks.reportTasks({ reports });
      ended += reports.length;
    }
  };
  const seen: RuleFigures[] = [];
  await withClient(millpond.database.url, async (client) => {
    const read = async ({ text }: Statement, values: readonly unknown[]) =>
      (await client.query(text, [...values])).rows;
    const looks = async (): Promise<void> => {
      while (ended < tasks.length) seen.push(await readRuleFigures({ read: read as never }));
    };
    await Promise.all([looks(), ...["a", "b", "c", "d"].map(work)]);
  });
  expect(seen.filter(({ drift }) => drift !== 0)).toEqual([]);
  expect(seen.some(({ blocked, usage }) => blocked.length > 0 && usage.some(({ taken }) => taken > 0))).toBe(true);
  await checkInvariants(millpond.database.url);
});

test("at most 100 names are told, those with most blocked tasks", async () => {
  await using millpond = await setup();
  const rules = Array.from({ length: ruleNamesMax + 20 }, (_, n) => concurrency(`n${n}`, 1, [], `kind ${n}`));
  const first = rules.map((rule, n): TaskInit => ({ name: `first ${n}`, kind, rules: [rule] }));
  const many = rules
    .slice(20)
    .flatMap((rule): TaskInit[] => [1, 2].map((n) => ({ name: `${n}`, kind, rules: [rule] })));
  const few = rules.slice(0, 20).map((rule): TaskInit => ({ name: "one", kind, rules: [rule] }));
  await millpond.client.tasks.createTasks({ tasks: [...first, ...few, ...many] });
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 1_000 });
  const lines = await ruleMetrics(millpond);
  const expected = rules
    .slice(20)
    .map(({ name }, n) => `millpond_tasks_blocked{rule="${name}",kind="kind ${n + 20}"} 2`);
  expect(lines.filter((line) => line.startsWith("millpond_tasks_blocked{")).toSorted()).toEqual(expected.toSorted());
  expect(lines.filter((line) => line.startsWith("millpond_rule_usage{"))).toHaveLength(ruleNamesMax);
});

test("a server without rules asks for nothing but whether there are some, and looks at once when there are", async () => {
  const asked: string[] = [];
  const waits: number[] = [];
  // More than one step takes.
  const takenWaits = Array.from({ length: 50 }, (_, n) => ({ waits_ms: [n] }));
  let hasRules = false;
  const figures = { ...noRuleFigures, drift: 3 };
  const db = {
    write: async ({ name }: Statement, [max]: readonly unknown[]) => {
      asked.push(name);
      return name === "take_blocked_waits" ? takenWaits.splice(0, max as number) : [{ last: null, hasRules }];
    },
    read: async () => {
      asked.push("figures");
      return [figures];
    },
  };
  const failed: unknown[] = [];
  const rules = createRuleLoops({
    ...{ engine: { db: db as never }, onUnblocked: (waitsMs) => waits.push(...waitsMs) },
    onError: () => (error) => failed.push(error),
  });
  const [sweeping, reading, counting] = rules.loops;
  for (const loop of rules.loops) loop.start();
  await sweeping?.pass();
  await reading?.pass();
  expect(new Set(asked)).toEqual(new Set(["sweep_rules"]));
  expect(rules.figures()).toEqual(noRuleFigures);
  hasRules = true;
  await sweeping?.pass();
  await until("the figures are read", () => rules.figures() === figures);
  await counting?.pass();
  await Promise.all(rules.loops.map((loop) => loop.stop()));
  expect(failed).toEqual([]);
  expect(waits).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test("how long tasks were blocked is counted, each time once over all servers", async () => {
  await using millpond = await setup();
  const rules = [concurrency("one", 1)];
  const tasks = ["a", "b", "c"].map((name): TaskInit => ({ name, kind, rules }));
  await millpond.client.tasks.createTasks({ tasks });
  for (const name of ["a", "b", "c"]) {
    const { assignments } = await millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 3 });
    expect(assignments.map(({ task }) => task?.name)).toEqual([name]);
    const reports = [{ taskId: assignments[0]?.task?.taskId ?? "", report: { case: "success", value: {} } as const }];
    await millpond.client.tasks.reportTasks({ reports });
  }
  const servers = [millpond.url, (await millpond.another()).url];
  let counted: number[] = [];
  await until("both waits are counted", async () => {
    const texts = await Promise.all(servers.map(async (url) => (await fetch(`${url}/metrics`)).text()));
    const sum = (name: RegExp): number =>
      texts.reduce((total, text) => total + Number(name.exec(text)?.[1] ?? Number.NaN), 0);
    counted = [sum(/^millpond_task_blocked_seconds_count (\S+)/m), sum(/^millpond_task_blocked_seconds_sum (\S+)/m)];
    return counted[0] === 2;
  });
  expect(counted[1]).toBeGreaterThan(0);
  await withClient(millpond.database.url, async (client) => {
    expect((await client.query("select from blocked_wait")).rows).toEqual([]);
  });
});

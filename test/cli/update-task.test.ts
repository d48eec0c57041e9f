import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";

let cli: CommandLineSetup;
const nobody = "01990000-0000-7000-8000-000000000000";

beforeAll(async () => {
  cli = await commandLineSetup();
});
afterAll(() => cli[Symbol.asyncDispose]());

async function create(kind: string, more: object = {}): Promise<string> {
  const { tasks } = await cli.client.tasks.createTasks({ tasks: [{ key: "key", name: kind, kind, ...more }] });
  return tasks[0]?.taskId ?? "";
}

const update = (id: string, ...options: string[]) => cli.run(["task", "update", id, ...options]);
const get = async (id: string) => (await cli.json("task", "get", id)).task;

test("every field that can change does, and the task as it stands is shown", async () => {
  const id = await create("changed", { metadata: { old: 1 } });
  const rules = await cli.file("rules.yaml", "[{name: one, matcher: {kind: changed, fields: [t]}, max_capacity: 5}]");
  const { code, stdout } = await update(
    id,
    ...["--priority", "-5", "--metadata", '{"t":"x"}', "--expected-count", "100", "--rules", rules],
    ...["--start-timeout", "5s", "--inactivity-timeout", "2m", "--execution-timeout", "1.5h", "--total-timeout", "2d"],
  );
  expect(stdout).toMatch(new RegExp(`^PENDING {2}changed {2}${id}\n`));
  expect(stdout).toContain("  priority      -5\n");
  expect(stdout).toContain("  rules         one: 5 of work in flight, of changed by t\n");
  expect(stdout).toContain("  must end in   48 h\n");
  expect(code).toBe(0);
  expect(await get(id)).toMatchObject({
    ...{ priority: -5, metadata: { t: "x" }, expectedCount: "100", startTimeout: "5s", inactivityTimeout: "120s" },
    ...{ executionTimeout: "5400s", totalTimeout: "172800s", rules: [{ name: "one", maxCapacity: "5" }] },
  });
});

test("metadata is merged, with null to take a field away", async () => {
  const id = await create("merged", { metadata: { a: 1, b: { c: 2 }, d: 3 } });
  const answer = await cli.json("task", "update", id, "--merge-metadata", '{"b": {"e": 4}, "d": null}');
  expect(answer.task.metadata).toEqual({ a: 1, b: { c: 2, e: 4 } });
});

test("what is reset returns to its default, also rules", async () => {
  const rules = [{ matcher: { kind: "reset" }, limit: { case: "maxConcurrency", value: 1 } }];
  const id = await create("reset", { priority: 7, executionTimeout: { seconds: 9n }, expectedCount: 3n, rules });
  const { code } = await update(
    id,
    "--reset",
    "execution-timeout,expected-count",
    "--reset",
    "rules",
    "--priority",
    "8",
  );
  expect(code).toBe(0);
  const task = await get(id);
  expect(task.priority).toBe(8);
  expect(Object.keys(task)).not.toEqual(expect.arrayContaining(["executionTimeout", "expectedCount", "rules"]));
  for (const name of ["executionTimeout", "expectedCount", "rules"]) expect(task).not.toHaveProperty(name);
});

test("an etag of before is refused; the current one is taken; a request id is carried out once", async () => {
  const id = await create("tagged");
  const stale = await update(id, "--priority", "1", "--etag", "stale");
  expect(stale).toMatchObject({ code: 1, stderr: expect.stringContaining("(ETAG_MISMATCH)") });
  const { etag } = await get(id);
  const once = ["--priority", "1", "--etag", etag, "--request-id", "update-1"];
  expect((await update(id, ...once)).code).toBe(0);
  expect((await update(id, ...once)).code).toBe(0);
  expect((await get(id)).priority).toBe(1);
});

test("a task that has ended, or does not exist, is told", async () => {
  const id = await create("over");
  await cli.client.tasks.cancelTasks({ taskIds: [id] });
  expect(await update(id, "--priority", "1")).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining("(TASK_ENDED)") },
  });
  expect(await update(nobody, "--priority", "1")).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining("(TASK_NOT_FOUND); `millpond task list` shows") },
  });
});

test("rules that are wrong are told by line and column, also what only the server finds", async () => {
  const id = await create("wrong");
  const misspelt = await cli.file("misspelt.yaml", "- matcher: {kid: k}\n  max_concurrency: 1\n");
  const first = await update(id, "--rules", misspelt);
  expect(first.stderr).toContain("misspelt.yaml:1:13: task.rules[0].matcher has no field kid; is it kind?");
  expect(first.code).toBe(2);
  const lacking = await cli.file("lacking.yaml", "- matcher: {kind: k, fields: [tenant]}\n  max_concurrency: 1\n");
  const second = await update(id, "--rules", lacking);
  expect(second.stderr).toContain("tenant");
  expect(second.code).not.toBe(0);
});

describe("misuse", () => {
  test.each([
    [[], "there is nothing to change: --priority and its like say what becomes of what"],
    [["--etag", "x"], "there is nothing to change"],
    [["--reset", "name"], "It must be of priority, metadata, expected-count,"],
    [["--priority", "1", "--reset", "priority"], "priority is given a value and reset: leave one of them out"],
    [["--metadata", "{}", "--merge-metadata", "{}"], "--metadata and --merge-metadata exclude each other"],
    [["--priority", "5000"], "It must be a whole number from -1000 to 1000."],
    [["--total-timeout", "5"], "It must be a number and a unit"],
  ])("%j is told", async (options, message) => {
    const { code, stderr } = await update(nobody, ...options);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

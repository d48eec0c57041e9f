import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { CommandFailure } from "../../src/cli/command-failure.ts";
import { criticalPath } from "../../src/cli/run/critical-path.ts";
import { parseWorkflow, readWorkflowFile, type Workflow } from "../../src/cli/run/workflow-file.ts";

function failureOf(text: string): string {
  try {
    parseWorkflow(text, "file.json");
  } catch (error) {
    expect(error).toBeInstanceOf(CommandFailure);
    expect(error).toMatchObject({ exitCode: 2 });
    return (error as Error).message;
  }
  throw new Error("the file was accepted");
}

const task = (id: string, runtimeSeconds: number, ...parents: string[]) => ({
  id,
  name: id,
  kind: "k",
  parents,
  runtimeSeconds,
});
const workflow = (...tasks: Workflow["tasks"]): Workflow => ({ name: "w", source: "", tasks });

test("the example is a workflow of 520 tasks and names its source", async () => {
  const path = fileURLToPath(new URL("../../examples/workflows/1000genome.json", import.meta.url));
  const { tasks, source } = await readWorkflowFile(path);
  expect(tasks).toHaveLength(520);
  expect(source).toContain("WfCommons");
  expect(criticalPath({ name: "", source, tasks }).seconds).toBeCloseTo(323.809, 3);
});

test("name, source and parents may be left out", () => {
  const parsed = parseWorkflow('{"name":"w","tasks":[{"id":"a","kind":"k","runtime_seconds":0}]}', "file.json");
  expect(parsed).toEqual(workflow(task("a", 0)));
});

test("every problem is named with its place", () => {
  const file = {
    name: "",
    tasks: [{ id: "a", kind: 1, parents: "b", runtime_seconds: -1 }, { id: "a", kind: "k", parents: [null] }, "task"],
  };
  expect(failureOf(JSON.stringify(file)).split("\n")).toEqual([
    "file.json is no workflow:",
    "  name is empty",
    "  tasks[0].kind is a number, not a text",
    "  tasks[0].parents is a string, not a list of ids",
    "  tasks[0].runtime_seconds is -1, not a number of 0 or more",
    "  tasks[1].parents[0] is null, not a text",
    "  tasks[1].runtime_seconds is missing, not a number of 0 or more",
    "  tasks[2] is a string, not an object",
    '  tasks[1].id "a" is the id of tasks[0] too',
  ]);
});

test("many problems are not all listed", () => {
  const file = { name: "w", tasks: Array.from({ length: 30 }, () => 1) };
  expect(failureOf(JSON.stringify(file))).toMatch(/\n {2}and 20 more$/);
});

test("what is no JSON, or no object, is refused with its place", () => {
  expect(failureOf('{"name": "w",\n "tasks": ]')).toMatch(/file\.json is no JSON, at line 2, column 11: Unexpected/);
  expect(failureOf("[]")).toContain('it is a list, not an object with "name" and "tasks"');
  expect(failureOf('{"name":"w"}')).toContain("tasks is missing, not a list");
});

test("a file that does not exist is said so", async () => {
  await expect(readWorkflowFile("/nowhere/file.json")).rejects.toThrow("there is no file /nowhere/file.json");
});

test("the critical path is the longest chain by recorded time, whatever the order of listing", () => {
  const path = criticalPath(
    workflow(task("d", 1, "b", "c"), task("b", 5, "a"), task("c", 2, "a", "e"), task("a", 1), task("e", 3)),
  );
  expect(path.tasks.map(({ id }) => id)).toEqual(["a", "b", "d"]);
  expect(path.seconds).toBe(7);
});

test("the critical path of a broken graph leaves out what is broken", () => {
  const path = criticalPath(workflow(task("a", 1, "b"), task("b", 1, "a"), task("c", 2, "nobody")));
  expect(path.tasks.map(({ id }) => id)).toEqual(["c"]);
  expect(criticalPath(workflow())).toEqual({ tasks: [], seconds: 0 });
});

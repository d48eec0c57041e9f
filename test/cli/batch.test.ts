import { DependencyCondition } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";

let cli: CommandLineSetup;
const nobody = "01990000-0000-7000-8000-000000000000";

beforeAll(async () => {
  cli = await commandLineSetup();
});
afterAll(() => cli[Symbol.asyncDispose]());

const after = (key: string, condition = DependencyCondition.SUCCESS) => ({
  parent: { case: "key" as const, value: key },
  condition,
});

async function diamond(name: string, more: object = {}): Promise<{ batchId: string; ids: string[] }> {
  const { batch, tasks } = await cli.client.tasks.createTasks({
    target: { case: "newBatch", value: { name, ...more } },
    tasks: [
      { key: "a", name: "A", kind: "k" },
      { key: "b", name: "B", kind: "k", dependencies: [after("a")] },
      { key: "c", name: 'C "q"', kind: "k", dependencies: [after("a", DependencyCondition.COMPLETED)] },
      { key: "d", name: "D", kind: "k", dependencies: [after("b"), after("c")] },
    ],
  });
  return { batchId: batch?.batchId ?? "", ids: tasks.map(({ taskId }) => taskId) };
}

describe("batch get and list", () => {
  test("they show a batch and how its tasks stand", async () => {
    const { batchId } = await diamond("seen", { metadata: { team: "x" } });
    const { stdout } = await cli.run(["batch", "get", batchId]);
    expect(stdout).toMatch(
      new RegExp(`^ACTIVE  seen  ${batchId}\n  tasks +3 WAITING, 1 PENDING\n  created +(now|\\d+ s ago)\n`),
    );
    expect(await cli.json("batch", "get", batchId)).toMatchObject({ batch: { batchId, stats: { total: "4" } } });

    const { batches } = await cli.json(
      "batch",
      "list",
      "--metadata",
      '{"team":"x"}',
      "--status",
      "active",
      "--kind",
      "k",
    );
    expect(batches).toMatchObject([{ batchId }]);
    const table = await cli.run(["batch", "list", "--name", "SEEN"]);
    expect(table.stdout).toMatch(
      new RegExp(`^BATCH +STATUS +NAME +TASKS +CREATED\n${batchId} +ACTIVE +seen +3 WAITING, 1 PENDING +`),
    );
    const created = (...options: string[]) => cli.json("batch", "list", "--name", "seen", ...options);
    expect((await created("--created-after", "1h")).batches).toMatchObject([{ batchId }]);
    expect(await created("--created-before", "2026-01-31T12:00:00+01:00")).toEqual({});
    expect((await cli.run(["batch", "list", "--name", "no such"])).stdout).toBe("There are no such batches.\n");
  });

  test("an id that does not exist, or is none, is told", async () => {
    for (const command of ["get", "watch", "graph", "stop", "pause"]) {
      const unknown = await cli.run(["batch", command, nobody]);
      expect(unknown.stderr).toContain(
        `there is no batch "${nobody}" (BATCH_NOT_FOUND); \`millpond batch list\` shows`,
      );
      expect(unknown.code).toBe(1);
    }
    const malformed = await cli.run(["batch", "get", "42"]);
    expect(malformed.stderr).toContain("It must be the id of a batch, a UUID; `millpond batch list` shows them.");
    expect(malformed.code).toBe(2);
  });
});

describe("batch graph", () => {
  test("as text: levels, what comes after what, and the critical path", async () => {
    const { batchId, ids } = await diamond("drawn");
    const { stdout, code } = await cli.run(["batch", "graph", batchId]);
    expect(stdout).toMatch(/^4 tasks, 4 dependencies, 3 levels\n\nlevel 0\n \* +PENDING +a +k/);
    expect(stdout).toMatch(/level 1 {2}2 tasks side by side\n/);
    expect(stdout).toMatch(/WAITING +d +k .*after b, c\n/);
    expect(stdout).toMatch(/critical path \(\*\) {2}3 tasks, .*\n {2}a → [bc] → d\n$/);
    expect(code).toBe(0);
    const part = await cli.json("batch", "graph", batchId, "--task", ids[1] ?? "");
    expect(part.nodes.map(({ key }: { key: string }) => key)).toEqual(["a", "b", "d"]);
    for (const [direction, keys] of [
      ["upstream", ["a", "b"]],
      ["downstream", ["b", "d"]],
    ] as const) {
      const half = await cli.json("batch", "graph", batchId, "--task", ids[1] ?? "", "--direction", direction);
      expect(half.nodes.map(({ key }: { key: string }) => key)).toEqual(keys);
    }
  });

  test("as dot for Graphviz, and as JSON of all pages", async () => {
    const { batchId, ids } = await diamond("dotted");
    const [a, b, c] = ids;
    const { stdout } = await cli.run(["batch", "graph", batchId, "--format", "dot"]);
    expect(stdout).toMatch(/^digraph batch \{\n[\s\S]*\n\}\n$/);
    expect(stdout).toContain(`"${a}" [label="a\\nk\\nPENDING", fillcolor=white, penwidth=3];`);
    expect(stdout).toContain(`"${a}" -> "${c}" [label="ended", style=dashed`);
    expect(stdout).toContain(`"${a}" -> "${b}"`);
    const many = Array.from({ length: 1_200 }, (_, n) => ({ key: `t${n}`, name: "n", kind: n % 2 ? "odd" : "even" }));
    const { batch } = await cli.client.tasks.createTasks({ tasks: many });
    const json = await cli.json("batch", "graph", batch?.batchId ?? "");
    expect(json.nodes).toHaveLength(1_200);
    const text = await cli.run(["batch", "graph", batch?.batchId ?? ""]);
    expect(text.stdout).toMatch(/600 of kind even: 600 PENDING\n/);
  });

  test("an unknown format is misuse", async () => {
    const { code, stderr } = await cli.run(["batch", "graph", nobody, "--format", "svg"]);
    expect(stderr).toContain("Allowed choices are text, dot, json.");
    expect(code).toBe(2);
  });
});

describe("steering", () => {
  test("stop cancels what has not ended, and says what that was", async () => {
    const { batchId } = await diamond("stopped");
    const { code, stdout } = await cli.run(["batch", "stop", batchId, "--reason", "wrong input"]);
    expect(stdout).toMatch(/^Canceled (1 PENDING, 3 WAITING|3 WAITING, 1 PENDING); 0 had ended\.\nCANCELED {2}stopped/);
    expect(stdout).toMatch(/stopped +wrong input\n/);
    expect(code).toBe(0);
    const again = await cli.json("batch", "stop", batchId);
    expect(again).toMatchObject({ batch: { status: "BATCH_STATUS_CANCELED" }, alreadyEnded: "4" });

    const retried = await cli.run(["batch", "retry", batchId]);
    expect(retried.stdout).toMatch(/^Tasks that run again: 4\.\nACTIVE {2}stopped/);
  });

  test("pause, resume and seal change the batch and show it", async () => {
    const { batchId } = await diamond("steered", { open: true });
    expect((await cli.run(["batch", "pause", batchId])).stdout).toMatch(/^PAUSED {2}steered/);
    expect((await cli.run(["batch", "resume", batchId])).stdout).toMatch(/^ACTIVE {2}steered[\s\S]*takes more {4}yes/);
    expect((await cli.json("batch", "seal", batchId)).batch).not.toHaveProperty("open");
  });
});

describe("batch watch", () => {
  test("it follows the batch and ends as it ends: 0 or 1", async () => {
    const { batchId } = await diamond("watched");
    const watch = cli.start(["batch", "watch", batchId]);
    await watch.waitFor(/0 of 4 ended/);
    for (let n = 0; n < 4; n++) {
      const { assignments } = await cli.client.workers.claimTasks({
        ...{ workerId: "w", kinds: ["k"], maxTasks: 100, waitTimeout: { seconds: 5n } },
      });
      const mine = assignments.filter(({ task }) => task?.batchId === batchId);
      const reports = mine.map(({ task }) => ({
        taskId: task?.taskId ?? "",
        report: { case: "success" as const, value: {} },
      }));
      if (reports.length > 0) await cli.client.tasks.reportTasks({ reports });
    }
    await watch.waitFor(/SUCCESS {2}watched/);
    expect(await watch.exit).toBe(0);

    const failing = await diamond("failing");
    await cli.client.batches.stopBatch({ batchId: failing.batchId });
    const { code, stdout, stderr } = await cli.run(["batch", "watch", failing.batchId, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ batch: { status: "BATCH_STATUS_CANCELED" } });
    expect(stderr).toContain("ended as CANCELED");
    expect(code).toBe(1);
  });
});

import { BatchStatus } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCutProxy } from "../support/cut-proxy.ts";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";
import type { MillpondProcess } from "./support/millpond-process.ts";

let cli: CommandLineSetup;
let worker: MillpondProcess;

beforeAll(async () => {
  cli = await commandLineSetup();
  worker = cli.start(["worker", "--kind", "sh", "--slots", "4", "--", "sh", "-c", 'eval "$(cat | tr -d \\")"']);
  await worker.waitFor(/takes tasks/);
});
afterAll(async () => {
  worker.kill("SIGTERM");
  expect(await worker.exit).toBe(0);
  await cli[Symbol.asyncDispose]();
});

const graph = (last: string) => `
x-sh: &sh { kind: sh }
new_batch: { name: diamond }
tasks:
  - { <<: *sh, key: a, name: A, input: echo a }
  - { <<: *sh, key: b, name: B, input: echo b, dependencies: [{ key: a }] }
  - { <<: *sh, key: c, name: C, input: "${last}", dependencies: [{ key: a }] }
  - { <<: *sh, key: d, name: D, input: echo d, dependencies: [{ key: b }, { key: c, condition: COMPLETED }] }
`;

describe("millpond run GRAPH", () => {
  test("it creates the batch, shows how it goes, and ends with 0 when all succeeded", async () => {
    const { code, stdout, stderr } = await cli.run(["run", await cli.file("good.yaml", graph("echo c"))]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^Running diamond: 4 tasks as batch \S{36}\n/);
    expect(stdout).toMatch(/\nSUCCESS {2}diamond {2}\S{36}\n {2}tasks {9}4 SUCCESS\n/);
    expect(code).toBe(0);
  });

  test("a task that failed is listed with its reason, and the exit code is 1", async () => {
    const { code, stdout, stderr } = await cli.run([
      "run",
      await cli.file("bad.yaml", graph("echo oh no >&2; exit 3")),
    ]);
    expect(stdout).toMatch(/\n {2}FAILURE {2}c {2}\S{36} {2}EXIT_3: oh no\n/);
    expect(stdout).toContain("3 SUCCESS, 1 FAILURE");
    expect(stderr).toMatch(/^millpond: batch \S{36} ended as FAILURE\n$/);
    expect(code).toBe(1);
  });

  test("--json prints the batch and nothing else, also for standard input and a bare list", async () => {
    const { code, stdout } = await cli.run(["run", "-", "--json"], '[{"name": "one", "kind": "sh", "input": "true"}]');
    expect(JSON.parse(stdout)).toMatchObject({ batch: { status: "BATCH_STATUS_SUCCESS", stats: { total: "1" } } });
    expect(code).toBe(0);
  });

  test("when nothing begins, it says why", async () => {
    const file = await cli.file("idle.yaml", "tasks: [{ key: k, name: K, kind: nobody }]");
    const run = cli.start(["run", file]);
    await run.waitFor(/k: No worker of kind "nobody" is connected; start one, such as: millpond worker --kind nobody/);
    run.kill("SIGTERM");
    expect(await run.exit).toBe(143);
  });

  test("Ctrl-C stops the batch and ends with 130", async () => {
    const run = cli.start(["run", await cli.file("long.yaml", "[{ name: long, kind: sh, input: sleep 600 }]")]);
    const [, batchId = ""] = await run.waitFor(/as batch (\S+)/);
    await run.waitFor(/1 running/);
    run.kill("SIGINT");
    expect(await run.exit).toBe(130);
    expect(run.output.stderr).toBe("millpond: stopped, and the batch with it\n");
    expect((await cli.client.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.CANCELED);
  });

  test("more tasks than one call takes are uploaded, with progress, and --json prints the outcome alone", async () => {
    const tasks = Array.from({ length: 10_001 }, (_, n) => ({ key: `t${n}`, name: "n", kind: "join", join: {} }));
    const file = await cli.file("large.json", JSON.stringify({ new_batch: { name: "large" }, tasks }));
    const { code, stdout } = await cli.run(["run", file]);
    expect(stdout).toMatch(
      /^(uploaded .* tasks.*\n)*uploaded 10,001 of 10,001 tasks\nRunning large: 10001 tasks as batch /,
    );
    expect(stdout).toMatch(/\nSUCCESS {2}large {2}\S{36}\n {2}tasks {9}10001 SUCCESS\n/);
    expect(code).toBe(0);
    expect(await cli.json("run", file)).toMatchObject({ batch: { status: "BATCH_STATUS_SUCCESS" } });
  });

  test("an upload that the server refuses is told by line and column, as far as it came", async () => {
    const tasks = Array.from({ length: 10_001 }, (_, n) => `  - {key: t${n}, name: n, kind: join, join: {}}`);
    const file = await cli.file(
      "refused.yaml",
      ["tasks:", ...tasks, "  - {key: z, name: n, kind: k, dependencies: [{key: no}]}"].join("\n"),
    );
    const { code, stdout, stderr } = await cli.run(["run", file]);
    expect(stdout).toMatch(/uploaded [\d,]+ of 10,002 tasks\n$/);
    expect(stderr).toContain(`${file}:10003:53: tasks[10001].dependencies[0].key: no task`);
    expect(code).toBe(2);
  });

  test("it survives a broken connection", async () => {
    await using proxy = await startCutProxy(Number(new URL(cli.url).port));
    const file = await cli.file("cut.yaml", "[{ name: cut, kind: cut }]");
    const run = cli.start(["run", file, "--address", `http://127.0.0.1:${proxy.port}`]);
    await run.waitFor(/0 of 1 ended/);
    proxy.cut();
    await run.waitFor(/going on/, "stderr");
    proxy.mend();
    const { assignments } = await cli.client.workers.claimTasks({ workerId: "w", kinds: ["cut"] });
    const taskId = assignments[0]?.task?.taskId ?? "";
    await cli.client.tasks.reportTasks({ reports: [{ taskId, report: { case: "success", value: {} } }] });
    expect(await run.exit).toBe(0);
  });

  test.each([
    [
      "cycle.yaml",
      "tasks: [{key: a, name: A, kind: k, dependencies: [{key: a}]}]",
      'cycle.yaml:1:57: tasks[0].dependencies[0].key: "a" depends on itself',
    ],
    ["field.yaml", "tasks:\n  - {key: a, name: A, kin: k}", "field.yaml:2:23: tasks[0] has no field kin; is it kind?"],
    ["open.yaml", "new_batch: {open: true}\ntasks: []", "its batch is open, and would not end"],
    ["paused.yaml", "new_batch: {paused: true}\ntasks: []", "its batch is paused, and nothing in it would start"],
    ["dry.yaml", "validate_only: true\ntasks: []", "`millpond task create --dry-run` checks a file"],
    ["into.yaml", "batch_id: 01990000-0000-7000-8000-000000000000\ntasks: []", "it goes into a batch that exists"],
  ])("%s is misuse: exit code 2", async (name, text, message) => {
    const { code, stderr } = await cli.run(["run", await cli.file(name, text)]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test("options of recorded workflows are refused", async () => {
    const { code, stderr } = await cli.run(["run", await cli.file("g.yaml", graph("true")), "--speedup", "2"]);
    expect(stderr).toContain("--speedup is for recorded workflows, and ");
    expect(code).toBe(2);
  });

  test("a recorded workflow may be YAML, too", async () => {
    const text =
      "name: two\ntasks:\n  - {id: a, kind: rec}\n  - {id: b, kind: rec, parents: [a], runtime_seconds: 0.01}\n";
    const wrong = await cli.run(["run", await cli.file("recorded.yaml", text)]);
    expect(wrong.stderr).toContain("tasks[0].runtime_seconds is missing, not a number of 0 or more");
    expect(wrong.code).toBe(2);
    const file = await cli.file("recorded.yaml", text.replace("kind: rec}", "kind: rec, runtime_seconds: 0.01}"));
    const { code, stdout } = await cli.run(["run", file, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ workflow: "two", status: "SUCCESS", tasks_by_status: { SUCCESS: 2 } });
    expect(code).toBe(0);
  });
});

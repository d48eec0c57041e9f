import { TaskStatus } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";

let cli: CommandLineSetup;
const nobody = "01990000-0000-7000-8000-000000000000";

beforeAll(async () => {
  cli = await commandLineSetup();
});
afterAll(() => cli[Symbol.asyncDispose]());

/** Takes a task of a kind as a worker would, and answers its id. */
async function claim(kind: string): Promise<string> {
  const { assignments } = await cli.client.workers.claimTasks({ workerId: "w", kinds: [kind] });
  return assignments[0]?.task?.taskId ?? "";
}

const graph = `
x-align: &align
  kind: align
  retry: { max_attempts: 3, initial_backoff: 0.5s }
  metadata: { tenant: a }
new_batch: { name: sample 7 }
tasks:
  - { key: fetch, name: Fetch, kind: fetch, input: { url: "https://x", n: [1, 2.5, null, true] } }
  - <<: *align
    key: a1
    name: Align 1
    dependencies: &after [{ key: fetch }]
  - <<: *align
    key: a2
    name: Align 2
    metadata: { tenant: b }
    dependencies: *after
  - key: tidy
    name: Tidy
    kind: tidy
    expected_count: 9007199254740993
    dependencies:
      - { key: a1, condition: COMPLETED }
      - { key: a2, condition: DEPENDENCY_CONDITION_COMPLETED }
`;

describe("task create", () => {
  test("one task by options carries what they say, and its id is printed", async () => {
    const options = [
      ...["--kind", "one", "--name", "First", "--key", "first", "--input", '{"a":[1,null]}', "--metadata", '{"t":"x"}'],
      ...["--priority", "-7", "--expected-count", "12", "--max-attempts", "3", "--label", "gpu=a100", "--open"],
      ...["--execution-timeout", "1.5h", "--fairness-key", "acme", "--batch-name", "mine"],
    ];
    const { code, stdout } = await cli.run(["task", "create", ...options]);
    expect(code).toBe(0);
    const [, batchId] = /^batch (\S+), open\n/.exec(stdout) ?? [];
    const [, taskId] = /\n(\S{36}) +first +PENDING\n/.exec(stdout) ?? [];
    const { task } = await cli.json("task", "get", taskId ?? "");
    expect(task).toMatchObject({
      ...{ kind: "one", name: "First", key: "first", input: { a: [1, null] }, metadata: { t: "x" }, priority: -7 },
      ...{ expectedCount: "12", retry: { maxAttempts: 3 }, worker: { requiredLabels: { gpu: "a100" } } },
      ...{ executionTimeout: "5400s", fairnessKey: "acme", batchId },
    });

    const second = await cli.run([
      "task",
      "create",
      "-q",
      "--kind",
      "two",
      "--batch",
      batchId ?? "",
      "--after",
      "first",
    ]);
    expect(second.stdout).toMatch(/^\S{36}\n$/);
    const { tasks } = await cli.json("task", "list", "--batch", batchId ?? "", "--status", "waiting");
    expect(tasks).toMatchObject([{ taskId: second.stdout.trim(), dependencies: [{ taskId }] }]);
  });

  test("a file of YAML with anchors, merges and short names becomes its tasks", async () => {
    const file = await cli.file("graph.yaml", graph);
    const { batch, tasks } = await cli.json("task", "create", file);
    expect(batch).toMatchObject({ name: "sample 7", stats: { total: "4" } });
    expect(tasks.map(({ key }: { key: string }) => key)).toEqual(["fetch", "a1", "a2", "tidy"]);
    const whole = await Promise.all(
      tasks.map(({ taskId }: { taskId: string }) => cli.client.tasks.getTask({ taskId })),
    );
    expect(whole[1]?.task).toMatchObject({ kind: "align", metadata: { tenant: "a" }, retry: { maxAttempts: 3 } });
    expect(whole[2]?.task).toMatchObject({ kind: "align", metadata: { tenant: "b" }, retry: { maxAttempts: 3 } });
    expect(whole[3]?.task).toMatchObject({ expectedCount: 9007199254740993n });
  });

  test("JSON and a list of tasks are taken, also from standard input", async () => {
    const tasks = [{ key: "a", name: "\u{1f600}", kind: "json" }];
    const file = await cli.file("tabs.json", JSON.stringify({ tasks }, undefined, "\t"));
    expect((await cli.json("task", "create", file)).tasks).toMatchObject([{ key: "a" }]);
    const { code, stdout } = await cli.run(["task", "create", "-", "-q"], JSON.stringify(tasks));
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\S{36}\n$/) });
  });

  test("--dry-run checks and creates nothing", async () => {
    const file = await cli.file("graph.yaml", graph.replaceAll("kind: align", "kind: dry"));
    const { code, stdout } = await cli.run(["task", "create", file, "--dry-run"]);
    expect(stdout).toContain("nothing was created");
    expect(code).toBe(0);
    expect((await cli.json("task", "list", "--kind", "dry")).tasks).toBeUndefined();
  });

  test("a file is refused with the line and column of all that is wrong", async () => {
    const file = await cli.file(
      "bad.yaml",
      [
        "name: oops",
        "tasks:",
        "  - key: a",
        "    nmae: A",
        "    kind: 7",
        "    priority: high",
        "    dependencies: [{ key: b, conditon: SUCCESS }, { key: b, condition: MAYBE }]",
        "    start_timeout: 5 minutes",
        "    on_start: { url: http://x }",
        "    worker: {}",
        "    metadata: [1]",
      ].join("\n"),
    );
    const { code, stdout, stderr } = await cli.run(["task", "create", file]);
    expect(
      stderr
        .replaceAll(file, "bad.yaml")
        .split("\n")
        .slice(1, -1)
        .map((line) => line.trim()),
    ).toEqual([
      "bad.yaml:1:1: there is no field name; that of the batch is new_batch.name",
      "bad.yaml:4:5: tasks[0] has no field nmae; is it name?",
      "bad.yaml:5:11: tasks[0].kind is the number 7, not a text: put it in quotes",
      'bad.yaml:6:15: tasks[0].priority is the text "high", not a whole number',
      "bad.yaml:7:30: tasks[0].dependencies[0] has no field conditon; is it condition?",
      'bad.yaml:7:72: tasks[0].dependencies[1].condition is the text "MAYBE", none of SUCCESS, COMPLETED, FAILURE',
      'bad.yaml:8:20: tasks[0].start_timeout is the text "5 minutes", no length of time in seconds, such as "90s" or "0.5s"',
      "bad.yaml:10:5: on_start and worker exclude each other",
      "bad.yaml:11:15: tasks[0].metadata is a list, not a mapping",
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test.each([
    [
      "tab.yaml",
      "tasks:\n  - key: a\n\tname: A\n",
      "tab.yaml:3:1: Tabs are not allowed as indentation: indent with spaces",
    ],
    ["open.yaml", "tasks: [\n  {key: a}\n", "open.yaml:3:1: Flow sequence in block collection must be"],
    ["alias.yaml", "tasks: *nowhere\n", "alias.yaml:1:8: there is no anchor &nowhere above it"],
    ["twice.yaml", "tasks: []\ntasks: []\n", "twice.yaml:2:1: Map keys must be unique"],
    ["self.yaml", "tasks: &a\n  - {name: a, kind: k, input: &b [*b]}\n", "does an alias contain itself?"],
    ["bad.json", '{"tasks": [\n\t{"name": a}\n]}', "bad.json:2:11: it is no JSON: Unexpected token 'a'"],
    ["text.yaml", "hello\n", "text.yaml:1:1: it holds neither tasks nor a list of them"],
    [
      "cycle.yaml",
      "tasks:\n  - {key: a, name: A, kind: k, dependencies: [{key: b}]}\n  - {key: b, name: B, kind: k, dependencies: [{key: a}]}\n",
      "cycle.yaml:2:46: tasks[0].dependencies: part of the cycle a -> b -> a",
    ],
    [
      "unknown.yaml",
      "tasks:\n  - {key: a, name: A, kind: k, dependencies: [{key: zz}]}\n",
      'unknown.yaml:2:53: tasks[0].dependencies[0].key: no task of the request or the batch has the key "zz"',
    ],
    [
      "empty-name.yaml",
      "tasks:\n  - name: ''\n    kind: k\n",
      "empty-name.yaml:2:11: tasks[0].name: must be at least 1",
    ],
  ])("%s is misuse, and says where", async (name, text, message) => {
    const { code, stderr } = await cli.run(["task", "create", await cli.file(name, text)]);
    expect(stderr.replaceAll(`${cli.folder}/`, "")).toContain(message);
    expect(code).toBe(2);
  });

  test.each([
    [[], "describe a task with --kind"],
    [["--kind", "k", "--input", '{"a": b}'], "It is no JSON, at line 1, column 7: Unexpected token 'b'."],
    [["--kind", "k", "--metadata", "[]"], "It must be a JSON object"],
    [["--kind", "k", "--priority", "2000"], "It must be a whole number from -1000 to 1000."],
    [["--kind", "k", "--after", "a"], '--after "a" is a key'],
    [["--kind", "k", "--label", "gpu"], "It must be of the form key=value."],
    [["--kind", "k", "--start-in", "5"], "It must be a number and a unit"],
    [["--kind", "k", "--url", "http://x", "--label", "a=b"], "--url and --label exclude each other"],
    [["-", "--kind", "k"], "--kind describes a task and - holds tasks"],
    [["--kind", "k", "--batch", nobody, "--open"], "--batch names a batch that exists"],
  ])("%j is misuse", async (options, message) => {
    const { code, stderr } = await cli.run(["task", "create", ...options]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test("a graph beyond one call is uploaded", async () => {
    const tasks = Array.from({ length: 10_001 }, (_, n) => ({ key: `t${n}`, name: "n", kind: "many" }));
    const file = await cli.file("many.json", JSON.stringify(tasks));
    expect(await cli.json("task", "create", file)).toMatchObject({ createdCount: "10001" });
    const quiet = await cli.run(["task", "create", file, "-q"]);
    expect(quiet).toMatchObject({ code: 2, stderr: expect.stringContaining("--quiet prints ids, and the answer to") });
  });
});

describe("task list and get", () => {
  test("filters, limits and pages", async () => {
    const create = (n: number) => ({ name: `n${n}`, kind: "listed", metadata: { n: n % 2 } });
    await cli.client.tasks.createTasks({ tasks: [0, 1, 2, 3].map(create) });
    const names = ({ tasks }: { tasks: { name: string }[] }) => tasks.map(({ name }) => name);
    const list = ["task", "list", "--kind", "listed"];
    expect(names(await cli.json(...list))).toEqual(["n3", "n2", "n1", "n0"]);
    expect(names(await cli.json(...list, "--metadata", '{"n":1}'))).toEqual(["n3", "n1"]);
    expect(names(await cli.json(...list, "--name", "N2", "--status", "PENDING,RUNNING"))).toEqual(["n2"]);
    const first = await cli.json(...list, "--limit", "3");
    expect(names(first)).toEqual(["n3", "n2", "n1"]);
    expect(names(await cli.json(...list, "--page-token", first.nextPageToken))).toEqual(["n0"]);

    expect(names(await cli.json(...list, "--created-after", "1h"))).toHaveLength(4);
    expect(await cli.json(...list, "--created-before", "2020-01-31")).toEqual({});
    const timeless = await cli.run([...list, "--created-after", "yesterday"]);
    expect(timeless).toMatchObject({ code: 2, stderr: expect.stringContaining("It must be a time such as 2026-") });

    const { stdout } = await cli.run([...list, "--limit", "1"]);
    expect(stdout).toMatch(
      /^TASK +STATUS +KIND +NAME +CREATED\n\S{36} +PENDING +listed +n3 +(now|\d+ s ago)\n.*--limit 10 shows more\.\n$/,
    );
    expect((await cli.run(["task", "list", "--kind", "no-such-kind"])).stdout).toBe("There are no such tasks.\n");
  });

  test("a status that does not exist is misuse, and those that do are named", async () => {
    const { code, stderr } = await cli.run(["task", "list", "--status", "DONE"]);
    const names = Object.keys(TaskStatus).filter((name) => /^[A-Z]/.test(name) && name !== "UNSPECIFIED");
    expect(stderr).toContain(`It must be of ${names.join(", ")}.`);
    expect(code).toBe(2);
  });

  test("an id that does not exist, or is none, is told", async () => {
    const unknown = await cli.run(["task", "get", nobody]);
    expect(unknown.stderr).toContain(`there is no task "${nobody}" (TASK_NOT_FOUND); \`millpond task list\` shows`);
    expect(unknown.code).toBe(1);
    const malformed = await cli.run(["task", "get", "42"]);
    expect(malformed.stderr).toContain("It must be the id of a task, a UUID; `millpond task list` shows them.");
    expect(malformed.code).toBe(2);
  });

  test("what comes from outside cannot steer the terminal", async () => {
    const { tasks } = await cli.client.tasks.createTasks({ tasks: [{ name: "\u001b[2Jx\ny", kind: "evil" }] });
    const { stdout } = await cli.run(["task", "get", tasks[0]?.taskId ?? ""]);
    expect(stdout).toMatch(/^PENDING {2}x\?y {2}/);
  });
});

describe("task watch", () => {
  const create = async (kind: string) => (await cli.run(["task", "create", "-q", "--kind", kind])).stdout.trim();
  const report = (taskId: string, result: object) =>
    cli.client.tasks.reportTasks({ reports: [{ taskId, report: result as never }] });

  test("it says what is missing, shows each change, and ends with 0 when the task has succeeded", async () => {
    const id = await create("watched");
    const watch = cli.start(["task", "watch", id]);
    await watch.waitFor(/No worker of kind "watched" is connected; start one, such as: millpond worker --kind watched/);
    await claim("watched");
    await watch.waitFor(/RUNNING {2}attempt 1 {2}by w\n/);
    await report(id, { case: "success", value: {} });
    await watch.waitFor(/\nSUCCESS {2}watched/);
    expect(await watch.exit).toBe(0);
  });

  test("a task that failed makes it end with 1, and --json prints the task alone", async () => {
    const id = await create("failing");
    await claim("failing");
    await report(id, { case: "failure", value: { message: "boom", code: "E7" } });
    const { code, stdout, stderr } = await cli.run(["task", "watch", id, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ task: { taskId: id, failure: { message: "boom", code: "E7" } } });
    expect(stderr).toContain("ended as FAILURE");
    expect(code).toBe(1);
  });

  test("Ctrl-C ends it with 130 and without words", async () => {
    const watch = cli.start(["task", "watch", await create("idle")]);
    await watch.waitFor(/PENDING/);
    watch.kill("SIGINT");
    expect(await watch.exit).toBe(130);
    expect(watch.output.stderr).toBe("");
  });
});

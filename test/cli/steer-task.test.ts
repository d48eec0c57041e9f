import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
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

const claim = (kind: string, maxTasks = 1) => cli.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks });

describe("task report", () => {
  test("success with an output, with counts of nothing else", async () => {
    const id = await create("reported");
    await claim("reported");
    const beat = await cli.run(["task", "report", id, "--heartbeat", '{"percent": 40}', "--attempt", "1"]);
    expect(beat).toMatchObject({ code: 0, stdout: `${id}  RUNNING\n` });
    expect((await cli.json("task", "get", id)).task.progress).toEqual({ percent: 40 });
    const done = await cli.run(["task", "report", id, "--success", "true"]);
    expect(done).toMatchObject({ code: 0, stdout: `${id}  SUCCESS\n` });
    expect((await cli.json("task", "get", id)).task.output).toBe(true);

    const again = await cli.run(["task", "report", id, "--success"]);
    expect(again.stderr).toContain("(TASK_ENDED)");
    expect(again.code).toBe(1);
  });

  test("without a value there is no output", async () => {
    const id = await create("silent");
    await claim("silent");
    const answer = await cli.json("task", "report", id, "--success");
    expect(answer.results).toMatchObject([{ task: { status: "TASK_STATUS_SUCCESS" } }]);
    expect((await cli.json("task", "get", id)).task).not.toHaveProperty("output");
  });

  test("a failure with its code and details", async () => {
    const id = await create("failed", { retry: { maxAttempts: 5 } });
    await claim("failed");
    const stale = await cli.run(["task", "report", id, "--failure", "x", "--attempt", "7"]);
    expect(stale).toMatchObject({ code: 1, stderr: expect.stringContaining("(STALE_ATTEMPT)") });
    const options = ["--failure", "no such file", "--code", "INPUT", "--details", "[1]", "--non-retryable"];
    expect((await cli.run(["task", "report", id, ...options])).stdout).toBe(`${id}  FAILURE\n`);
    expect((await cli.json("task", "get", id)).task.failure).toMatchObject({
      ...{ message: "no such file", code: "INPUT", details: [1] },
    });
  });

  test.each([
    [[], "say what the report is, once"],
    [["--success", "--failure", "x"], "say what the report is, once"],
    [["--success", "--code", "X"], "--code belongs to --failure"],
    [["--success", "{"], "It is no JSON, at line 1, column 2"],
  ])("%j is misuse", async (options, message) => {
    const { code, stderr } = await cli.run(["task", "report", nobody, ...options]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe("task cancel, pause, resume and retry", () => {
  test("each task is told, and one that is refused makes it a failure", async () => {
    const [first, second] = [await create("steered"), await create("steered")];
    expect(await cli.run(["task", "pause", first, second])).toMatchObject({
      ...{ code: 0, stdout: `${first}  PAUSED\n${second}  PAUSED\n` },
    });
    expect((await cli.run(["task", "resume", first])).stdout).toBe(`${first}  PENDING\n`);
    const canceled = await cli.run(["task", "cancel", first, nobody, "--reason", "wrong input"]);
    expect(canceled.stdout).toContain(
      `${first}  CANCELED\n${nobody}  refused  there is no task "${nobody}" (TASK_NOT_FOUND)\n`,
    );
    expect(canceled.stderr).toBe("millpond: 1 of 2 tasks: nothing was changed\n");
    expect(canceled.code).toBe(1);
    expect((await cli.json("task", "get", first)).task.cancelReason).toBe("wrong input");
    expect(await cli.json("task", "retry", first, "--with-dependents")).toMatchObject({
      results: [{ task: { taskId: first, status: "TASK_STATUS_PENDING" } }],
    });
  });

  test("without a task, or with what is no id, it is misuse", async () => {
    expect(await cli.run(["task", "cancel"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing required argument 'id'"),
    });
    expect(await cli.run(["task", "cancel", "x"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("It must be the id of a task"),
    });
  });
});

describe("task explain", () => {
  const explain = async (id: string) => (await cli.run(["task", "explain", id])).stdout;

  test("what waits, is delayed or paused says for what", async () => {
    const { tasks } = await cli.client.tasks.createTasks({
      tasks: [
        { key: "a", name: "a", kind: "explained", startTime: { seconds: 4_000_000_000n } },
        { key: "b", name: "b", kind: "explained", dependencies: [{ parent: { case: "key", value: "a" } }] },
      ],
    });
    const [a = "", b = ""] = tasks.map(({ taskId }) => taskId);
    expect(await explain(a)).toContain("It does not start before 2096-10-02T07:06:40.000Z (2096-10-02)");
    expect(await explain(b)).toContain(`It waits for 1 of 1 dependency: a (${a}), which is PENDING and must succeed.`);
    await cli.client.tasks.pauseTasks({ taskIds: [a] });
    expect(await explain(a)).toContain("It is paused: `millpond task resume` lets it go.");
    expect((await cli.json("task", "explain", a)).blockers[0]).toEqual({ paused: { task: true } });
  });

  test("a rule says who holds it; a worker that is missing, how to start one", async () => {
    const rules = [
      {
        name: "one each",
        matcher: { kind: "ruled", fields: ["t"] },
        limit: { case: "maxConcurrency" as const, value: 1 },
      },
    ];
    const holder = await create("ruled", { rules, metadata: { t: "x" } });
    const held = await create("ruled", { rules, metadata: { t: "x" } });
    await claim("ruled", 2);
    expect(await explain(held)).toMatch(
      new RegExp(`The rule "one each" has no room for the key .*: 1 of 1 is running, held by ${holder} `),
    );
    expect(await explain(holder)).toMatch(/It is running, since [\d:.]+ \(.*\): attempt 1, by w\./);
    const labeled = await create("labeled", {
      execution: { case: "worker", value: { requiredLabels: { gpu: "a100" } } },
    });
    expect(await explain(labeled)).toContain("millpond worker --kind labeled --label gpu=a100 -- PROGRAM");
  });

  test("the host of a start webhook that is not reached is named", async () => {
    const url = "http://127.0.0.1:9/start";
    const webhook = { execution: { case: "onStart" as const, value: { url } }, retry: { maxAttempts: 1 } };
    await Promise.all(Array.from({ length: 30 }, () => create("unreached", webhook)));
    // A task waits for its host until the next call tries that, and is gone with it: asked by the client first, which is quick.
    const waiting = async () => {
      const { tasks } = await cli.client.tasks.listTasks({ kinds: ["unreached"], pageSize: 100 });
      for (const { taskId } of tasks) {
        const { blockers } = await cli.client.tasks.explainTask({ taskId });
        if (blockers.some(({ blocker }) => blocker.case === "unreachedHost")) return taskId;
      }
      return create("unreached", webhook);
    };
    let text = "";
    const isTold = async () => {
      text = await explain(await waiting());
      return text.includes("The host of its start webhook");
    };
    await until("a task says that its host is not reached", isTold, 240_000);
    expect(text).toMatch(
      /The host of its start webhook, 127\.0\.0\.1:9, is not reached; (the next call tries it (in|now)|a call is trying it)/,
    );
  });

  test("what has ended says how, and an unknown one is told", async () => {
    const id = await create("over");
    await cli.client.tasks.cancelTasks({ taskIds: [id], reason: "enough" });
    expect(await explain(id)).toMatch(/It ended (now|\d+ s ago): enough\. `millpond task retry` runs it again\./);
    expect(await cli.run(["task", "explain", nobody])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("TASK_NOT_FOUND"),
    });
  });
});

describe("task logs", () => {
  test("lines are printed with time and level, those of several lines indented, and followed to the end", async () => {
    const id = await create("logged");
    await claim("logged");
    const append = (message: string, level: number) =>
      cli.client.workers.appendLogs({ taskId: id, entries: [{ message, level }] });
    await append("one\ntwo\u001b[2J", 3);
    expect((await cli.run(["task", "logs", id])).stdout).toMatch(/^[\d:.]{12} {2}WARN {3}one\n {21}two\n$/);
    const follow = cli.start(["task", "logs", id, "--follow"]);
    await follow.waitFor(/one/);
    await append("three", 0);
    await follow.waitFor(/INFO {3}three\n/);
    await cli.client.tasks.reportTasks({ reports: [{ taskId: id, report: { case: "success", value: {} } }] });
    expect(await follow.exit).toBe(0);
    const { stdout } = await cli.run(["task", "logs", id, "--json", "--attempt", "1"]);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ level: "LOG_LEVEL_WARN", message: "one\ntwo\u001b[2J" }, { message: "three" }]);
  });

  test("an unknown task is told, also when it would be followed", async () => {
    for (const options of [[], ["--follow"]]) {
      const { code, stderr } = await cli.run(["task", "logs", nobody, ...options]);
      expect(stderr).toContain("TASK_NOT_FOUND");
      expect(code).toBe(1);
    }
  });
});

import { LogLevel } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";
import { startMillpond } from "./support/millpond-process.ts";

let cli: CommandLineSetup;
const nobody = "01990000-0000-7000-8000-000000000000";

beforeAll(async () => {
  cli = await commandLineSetup({ MILLPOND_LOG_LINES_MAX: "5000" });
});
afterAll(() => cli[Symbol.asyncDispose]());

/** A task that a worker has. */
async function running(kind: string, more: object = {}): Promise<string> {
  const { tasks } = await cli.client.tasks.createTasks({ tasks: [{ name: kind, kind, ...more }] });
  await cli.client.workers.claimTasks({ workerId: "w", kinds: [kind] });
  return tasks[0]?.taskId ?? "";
}

const cancel = (id: string) => cli.client.tasks.cancelTasks({ taskIds: [id] });
const get = async (id: string) => (await cli.json("task", "get", id)).task;

describe("task count", () => {
  test("counts are added, and a request id is counted once", async () => {
    const id = await running("counted", { expectedCount: 100n });
    const first = await cli.run(["task", "count", id, "--success", "10"]);
    expect(first).toMatchObject({ code: 0, stdout: `${id}  counted 10 done, 0 failed\n` });
    const once = ["task", "count", id, "--success", "5", "--failure", "3", "--request-id", "count-1"];
    expect((await cli.run(once)).code).toBe(0);
    expect(await cli.json(...once)).toEqual({});
    expect(await get(id)).toMatchObject({ successCount: "15", failureCount: "3" });
  });

  test("a task that has ended, or does not exist, is told", async () => {
    const { tasks } = await cli.client.tasks.createTasks({ tasks: [{ name: "over", kind: "over" }] });
    const id = tasks[0]?.taskId ?? "";
    await cancel(id);
    const over = await cli.run(["task", "count", id, "--success", "1", "--json"]);
    expect(JSON.parse(over.stdout)).toMatchObject({ rejections: [{ error: { reason: "ERROR_REASON_TASK_ENDED" } }] });
    expect(over).toMatchObject({ code: 1, stderr: expect.stringContaining("(TASK_ENDED)") });
    const unknown = await cli.run(["task", "count", nobody, "--failure", "1"]);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("(TASK_NOT_FOUND)") });
  });

  test.each([
    [[], "say what is counted: --success, --failure, or both"],
    [["--success", "-1"], "It must be a whole number of at least 0."],
  ])("%j is misuse", async (options, message) => {
    const { code, stderr } = await cli.run(["task", "count", nobody, ...options]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe("task report", () => {
  test("--started makes a task that a webhook started RUNNING, and counts come with a report", async () => {
    // A receiver that takes its time to answer: the task is CLAIMED.
    await using receiver = await startReceiver(() => undefined);
    const { tasks } = await cli.client.tasks.createTasks({
      tasks: [{ name: "pushed", kind: "pushed", execution: { case: "onStart", value: { url: receiver.url } } }],
    });
    const id = tasks[0]?.taskId ?? "";
    await until("the webhook is called", () => receiver.calls.length > 0);
    const started = await cli.run(["task", "report", id, "--started"]);
    expect(started).toMatchObject({ code: 0, stdout: `${id}  RUNNING\n` });
    const counts = ["--add-success-count", "7", "--add-failure-count", "2"];
    expect((await cli.run(["task", "report", id, "--success", ...counts])).stdout).toBe(`${id}  SUCCESS\n`);
    expect(await get(id)).toMatchObject({ successCount: "7", failureCount: "2" });
  });
});

describe("task append-logs", () => {
  const logOf = async (taskId: string) =>
    (await cli.client.workers.listLogs({ taskId, pageSize: 1_000 })).entries.map(({ level, message }) => [
      level,
      message,
    ]);

  test("lines are appended in their order, with their level", async () => {
    const id = await running("told");
    const { code, stdout, stderr } = await cli.run(["task", "append-logs", id, "one", "two", "--level", "warn"]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await cli.json("task", "append-logs", id, "three", "--attempt", "1")).toEqual({});
    expect(await logOf(id)).toEqual([
      [LogLevel.WARN, "one"],
      [LogLevel.WARN, "two"],
      [LogLevel.INFO, "three"],
    ]);
  });

  test("a line of standard input is in before the next one comes; a long one is cut into several", async () => {
    const id = await running("piped");
    const command = startMillpond(["task", "append-logs", id], { MILLPOND_ADDRESS: cli.url }, { isOpen: true });
    command.write("first\n");
    await until("the first line is in", async () => (await logOf(id)).length === 1);
    command.write(`\n${"\u{1f600}".repeat(16_385)}\nlast\0`);
    command.end();
    expect(await command.exit).toBe(0);
    expect((await logOf(id)).map(([, message]) => message)).toEqual([
      ...["first", "", "\u{1f600}".repeat(16_384), "\u{1f600}", "last\u2400"],
    ]);
  });

  test("many lines cost few calls, and what is dropped at the server's bound is said once", async () => {
    const id = await running("many");
    const lines = Array.from({ length: 12_000 }, (_, n) => `line ${n}`).join("\n");
    const { code, stderr } = await cli.run(["task", "append-logs", id], lines);
    expect(stderr).toBe("millpond: the log is at the server's bound: lines were dropped\n");
    expect(code).toBe(0);
    expect((await logOf(id))[999]).toEqual([LogLevel.INFO, "line 999"]);
  });

  test("a task that is to stop is told", async () => {
    const id = await running("stopped");
    await cancel(id);
    const { stderr } = await cli.run(["task", "append-logs", id, "bye"]);
    expect(stderr).toBe("millpond: the task is to stop: it was canceled, or its attempt has timed out\n");
  });

  test("an unknown task ends it at once, also while standard input goes on", async () => {
    const command = startMillpond(["task", "append-logs", nobody], { MILLPOND_ADDRESS: cli.url }, { isOpen: true });
    command.write("one\n");
    expect(await command.exit).toBe(1);
    expect(command.output.stderr).toContain("(TASK_NOT_FOUND)");
  });

  test("a level that does not exist is misuse", async () => {
    const { code, stderr } = await cli.run(["task", "append-logs", nobody, "x", "--level", "loud"]);
    expect(stderr).toContain("It must be of DEBUG, INFO, WARN, ERROR.");
    expect(code).toBe(2);
  });
});

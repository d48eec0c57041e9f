import { chmod } from "node:fs/promises";
import path from "node:path";
import { TaskStatus } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCutProxy } from "../support/cut-proxy.ts";
import { until } from "../support/until.ts";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";
import type { MillpondProcess } from "./support/millpond-process.ts";

let cli: CommandLineSetup;

beforeAll(async () => {
  cli = await commandLineSetup();
});
afterAll(() => cli[Symbol.asyncDispose]());

const worker = (kind: string, script: string, ...options: string[]) =>
  cli.start(["worker", "--kind", kind, ...options, "--", "sh", "-c", script]);

async function create(kind: string, more: object = {}): Promise<string> {
  const { tasks } = await cli.client.tasks.createTasks({ tasks: [{ key: "key", name: kind, kind, ...more }] });
  return tasks[0]?.taskId ?? "";
}

/** The task, once it has ended. */
async function end(taskId: string) {
  let task = (await cli.client.tasks.getTask({ taskId })).task;
  await until("the task has ended", async () => {
    task = (await cli.client.tasks.getTask({ taskId })).task;
    return task?.endTime !== undefined;
  });
  return (await cli.json("task", "get", taskId)).task;
}

async function stop(process: MillpondProcess): Promise<void> {
  process.kill("SIGTERM");
  expect(await process.exit).toBe(0);
}

/** Whether a process lives. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const logOf = async (taskId: string) =>
  (await cli.client.workers.listLogs({ taskId })).entries.map(({ message }) => message);

test("the program reads the input and its environment; what it prints is the output, what it says the log", async () => {
  const running = worker(
    "echo",
    `read input; echo "one $MILLPOND_KIND" >&2; echo two >&2; echo "{\\"in\\": $input, \\"key\\": \\"$MILLPOND_TASK_KEY\\", \\"id\\": \\"$MILLPOND_TASK_ID\\", \\"try\\": $MILLPOND_ATTEMPT, \\"at\\": \\"$MILLPOND_ADDRESS\\"}"`,
  );
  const input = { kind: { case: "structValue" as const, value: { fields: {} } } };
  const id = await create("echo", { input });
  expect((await end(id)).output).toEqual({ in: {}, key: "key", id, try: 1, at: cli.url });
  expect(await logOf(id)).toEqual(["one echo", "two"]);
  await running.waitFor(new RegExp(`success {2}key {2}${id} {2}\\d+\\.\\d s\n`));
  await stop(running);
});

test("text is the output as text, nothing is none, and a program need not read its input", async () => {
  const running = worker("plain", `[ "$MILLPOND_ATTEMPT" = 1 ] && printf 'two\\nlines\\n'`);
  expect((await end(await create("plain"))).output).toBe("two\nlines");
  await stop(running);
  const silent = worker("silent", "true");
  const task = await end(
    await create("silent", { input: { kind: { case: "stringValue", value: "x".repeat(500_000) } } }),
  );
  expect(task).toMatchObject({ status: "TASK_STATUS_SUCCESS" });
  expect(task.output).toBeUndefined();
  await stop(silent);
});

test("the exit code and the last lines of standard error are the failure, and a retry is another attempt", async () => {
  const running = worker(
    "fails",
    'echo first >&2; echo "at last" >&2; [ "$MILLPOND_ATTEMPT" = 2 ] && kill -9 $$; exit 3',
  );
  const retry = { maxAttempts: 2, initialBackoff: { nanos: 1_000_000 } };
  const id = await create("fails", { retry });
  expect((await end(id)).failure).toMatchObject({ code: "SIGKILL", message: "first\nat last" });
  const { attempts } = await cli.json("task", "get", id);
  expect(attempts[0].failure).toMatchObject({ code: "EXIT_3", message: "first\nat last" });
  await stop(running);
  const silent = worker("fails-silently", "exit 7");
  const { failure } = await end(await create("fails-silently"));
  expect(failure).toMatchObject({
    code: "EXIT_7",
    message: "sh ended with exit code 7, without a word on standard error",
  });
  await stop(silent);
});

test("a canceled task's program, and what it has started, get SIGTERM and then SIGKILL", async () => {
  const script = `trap 'echo told >&2' TERM; sh -c 'trap "" TERM; echo $$ >&2; while :; do sleep 0.1; done' & while :; do sleep 0.1; done`;
  const running = worker("stubborn", script, "--kill-after", "300ms");
  const id = await create("stubborn");
  await until("it says who it is", async () => (await logOf(id)).length > 0);
  const pid = Number((await logOf(id))[0]);
  expect(lives(pid)).toBe(true);
  await cli.client.tasks.cancelTasks({ taskIds: [id], reason: "enough" });
  await running.waitFor(/canceled {2}key/);
  expect(lives(pid)).toBe(false);
  expect(await end(id)).toMatchObject({ status: "TASK_STATUS_CANCELED" });
  await stop(running);
});

test("a program whose lease is lost is ended", async () => {
  await using proxy = await startCutProxy(Number(new URL(cli.url).port));
  const address = ["--address", `http://127.0.0.1:${proxy.port}`];
  const running = worker("lost", 'echo "$$" >&2; exec sleep 600', ...address);
  const id = await create("lost");
  await until("it says who it is", async () => (await logOf(id)).length > 0);
  const pid = Number((await logOf(id))[0]);
  proxy.cut();
  await running.waitFor(/lost {2}key/);
  expect(lives(pid)).toBe(false);
  expect(running.output.stderr).toContain("; going on\n");
  await stop(running);
});

test("what a program leaves behind with its output open does not hold up the task, and is ended", async () => {
  const running = worker("leaves", "sleep 600 & echo $!");
  const { output, status } = await end(await create("leaves"));
  expect(status).toBe("TASK_STATUS_SUCCESS");
  expect(lives(output)).toBe(false);
  await stop(running);
});

test("SIGTERM lets programs finish and takes no more", async () => {
  const go = path.join(cli.folder, "go");
  const running = worker("drains", `while [ ! -e ${go} ]; do sleep 0.05; done; echo done`);
  const [first, second] = [await create("drains"), await create("drains")];
  await running.waitFor(/started/);
  running.kill("SIGTERM");
  await running.waitFor(/takes no more tasks; 1 to finish/);
  await cli.file("go", "");
  expect(await running.exit).toBe(0);
  expect((await end(first)).output).toBe("done");
  const { task } = await cli.client.tasks.getTask({ taskId: second });
  expect(task?.status).toBe(TaskStatus.PENDING);
});

test("a second Ctrl-C kills what runs, and nothing is left", async () => {
  const running = worker("killed", 'echo "$$" >&2; trap "" TERM; while :; do sleep 0.1; done');
  const id = await create("killed");
  await until("it says who it is", async () => (await logOf(id)).length > 0);
  const pid = Number((await logOf(id))[0]);
  running.kill("SIGINT");
  await running.waitFor(/1 to finish, and Ctrl-C kills them/);
  await until("the second one counts", () => {
    running.kill("SIGINT");
    return !lives(pid);
  });
  expect(await running.exit).toBe(130);
});

test("--json prints a line for each begin and end, and --stdin assignment brings what parents produced", async () => {
  const running = worker("whole", "cat", "--stdin", "assignment", "--json");
  const { tasks } = await cli.client.tasks.createTasks({
    tasks: [
      { key: "a", name: "a", kind: "whole" },
      { key: "b", name: "b", kind: "whole", dependencies: [{ parent: { case: "key", value: "a" } }] },
    ],
  });
  const [a, b] = tasks.map(({ taskId }) => taskId);
  expect((await end(b ?? "")).output).toMatchObject({
    attempt: 1,
    parents: { a: { taskId: a, output: { attempt: 1 } } },
  });
  await running.waitFor(new RegExp(`"event":"ended","taskId":"${b}"`));
  await stop(running);
  const lines = running.output.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ event, key }) => [event, key].filter(Boolean).join(" "))).toEqual([
    ...["ready", "started a", "ended a", "started b", "ended b", "stopping"],
  ]);
  expect(lines[2]).toMatchObject({ taskId: a, kind: "whole", attempt: 1, outcome: "success" });
});

test("too much output fails the task and ends the program", async () => {
  const running = worker("floods", "yes");
  expect((await end(await create("floods"))).failure).toMatchObject({ code: "OUTPUT_TOO_LARGE" });
  await stop(running);
});

test("a program that cannot be started is told at once, as misuse", async () => {
  const plain = await cli.file("plain.sh", "echo hi\n");
  const lost = await cli.file("lost.sh", "#!/no/such/interpreter\n");
  const windows = await cli.file("windows.sh", "#!/bin/sh\r\necho hi\r\n");
  await chmod(lost, 0o755);
  await chmod(windows, 0o755);
  for (const [program, message] of [
    ["no-such-program", 'there is no program "no-such-program" in PATH'],
    ["./no-such-program", "there is no program ./no-such-program, seen from "],
    [plain, `${plain} cannot be started: it is not executable (chmod +x`],
    [lost, 'there is no interpreter "/no/such/interpreter"'],
    [windows, "its lines end with \\r\\n"],
  ] as const) {
    const { code, stderr } = await cli.run(["worker", "--kind", "k", "--", program]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  }
});

test.each([
  [["--", "true"], "required option '--kind <kind>' not specified"],
  [["--kind", "k"], "missing required argument 'program'"],
  [["--kind", "k", "--slots", "0", "--", "true"], "It must be a whole number from 1 to 10000."],
  [["--kind", "k", "--label", "x", "--", "true"], "It must be of the form key=value."],
  [["--kind", "k", "--stdin", "x", "--", "true"], "Allowed choices are input, assignment."],
])("worker %j is misuse", async (args, message) => {
  const { code, stderr } = await cli.run(["worker", ...args]);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});

test("without a server it goes on trying, and says so once", async () => {
  await using proxy = await startCutProxy(Number(new URL(cli.url).port));
  proxy.cut();
  const address = `http://127.0.0.1:${proxy.port}`;
  const running = worker("late", "echo hi", "--address", address);
  await running.waitFor(/answers? at .*; going on\n/, "stderr");
  proxy.mend();
  expect((await end(await create("late"))).output).toBe("hi");
  await stop(running);
});

describe("worker list", () => {
  test("it shows each worker with what it takes and how much it runs, and --json what that is", async () => {
    const running = worker("listed", "sleep 600", "--slots", "3", "--label", "gpu=a100", "--name", "lister");
    await running.waitFor(/takes tasks/);
    const id = await create("listed");
    await running.waitFor(new RegExp(`started {2}key {2}${id}`));
    const list = ["worker", "list", "--kind", "listed"];
    await until("the attempt is among what the worker runs", async () => {
      const { workers = [] } = await cli.json(...list);
      return workers[0]?.running?.length === 1;
    });
    const { code, stdout } = await cli.run(list);
    expect(stdout).toMatch(
      /^WORKER +STATE +RUNS +KINDS +LABELS +CONNECTED +LAST SIGN\nlister +ACTIVE +1 of 3 +listed +gpu=a100 +(now|.* ago) +(now|.* ago)\n$/,
    );
    expect(code).toBe(0);
    expect(await cli.json(...list)).toMatchObject({
      workers: [{ workerId: "lister", slots: 3, labels: { gpu: "a100" }, running: [{ taskId: id, attempt: 1 }] }],
    });
    await cli.client.tasks.cancelTasks({ taskIds: [id] });
    await stop(running);
  });

  test("pages are one list, workers that only claim are in it, and that there is none is told", async () => {
    for (const workerId of ["claimer-a", "claimer-b"]) {
      await create("claimed");
      await cli.client.workers.claimTasks({ workerId, kinds: ["claimed"] });
    }
    const list = ["worker", "list", "--kind", "claimed"];
    const first = await cli.json(...list, "--limit", "1");
    const rest = await cli.json(...list, "--page-token", first.nextPageToken);
    const names = [...first.workers, ...rest.workers].map(({ workerId }: { workerId: string }) => workerId);
    expect(names).toEqual(["claimer-a", "claimer-b"]);
    const text = await cli.run([...list, "--limit", "1"]);
    expect(text.stdout).toMatch(
      /\nclaimer-a +ACTIVE +1 of 1 +claimed .*\nThese are the first 1; --limit 10 shows more\.\n$/,
    );
    expect((await cli.run(["worker", "list", "--kind", "nobody"])).stdout).toBe("There are no such workers.\n");
  });
});

describe("worker run", () => {
  test("`run` may be said, and a program may be called as a command is, with flags that commands have", async () => {
    const program = path.join(cli.folder, "list");
    await cli.file("list", '#!/bin/sh\necho "$*"\n');
    await chmod(program, 0o755);
    const PATH = `${cli.folder}:${process.env.PATH}`;
    for (const [kind, words] of [
      ["said", ["worker", "run"]],
      ["unsaid", ["worker"]],
    ] as const) {
      const running = cli.start([...words, "--kind", kind, "--", "list", "--help", "-h"], { PATH });
      expect((await end(await create(kind))).output).toBe("--help -h");
      await stop(running);
    }
  });

  test("without a kind it is misuse", async () => {
    const { code, stderr } = await cli.run(["worker"]);
    expect(stderr).toContain("required option '--kind <kind>' not specified");
    expect(stderr).toContain("(millpond worker run --help shows what there is)");
    expect(code).toBe(2);
  });
});

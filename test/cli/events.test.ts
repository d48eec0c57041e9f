import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCutProxy } from "../support/cut-proxy.ts";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";

let cli: CommandLineSetup;

beforeAll(async () => {
  cli = await commandLineSetup();
});
afterAll(() => cli[Symbol.asyncDispose]());

async function create(kind: string, count = 1): Promise<{ batchId: string; taskId: string }> {
  const tasks = Array.from({ length: count }, (_, n) => ({ key: `${kind}${n}`, name: kind, kind }));
  const answer = await cli.client.tasks.createTasks({ tasks });
  return { batchId: answer.batch?.batchId ?? "", taskId: answer.tasks[0]?.taskId ?? "" };
}

const lines = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

test("what is kept is printed as a line each, and the cursor leads to what comes later", async () => {
  const { batchId, taskId } = await create("kept");
  const { code, stdout, stderr } = await cli.run(["events", "--batch", batchId]);
  expect(stdout).toMatch(
    new RegExp(
      `^[\\d:.]{12}  batch ${batchId}  ACTIVE    created\n[\\d:.]{12}  task  ${taskId}  PENDING   kept +created: kept0\n$`,
    ),
  );
  const [, cursor = ""] = /^millpond: go on from here with --cursor (\S+)\n$/.exec(stderr) ?? [];
  expect(code).toBe(0);

  await cli.client.tasks.cancelTasks({ taskIds: [taskId], reason: "enough" });
  const later = await cli.run([
    "events",
    "--batch",
    batchId,
    "--cursor",
    cursor,
    "--task",
    taskId,
    "--status",
    "CANCELED",
  ]);
  expect(later.stdout).toMatch(/CANCELED {2}kept +was PENDING: enough\n$/);
});

test("--json prints lines of ProtoJSON, the last of a page with the cursor behind it", async () => {
  const { batchId } = await create("json", 3);
  const { stdout, stderr } = await cli.run(["events", "--batch", batchId, "--json"]);
  const events = lines(stdout);
  expect(events).toHaveLength(4);
  expect(events[1]).toMatchObject({
    batchId,
    kind: "json",
    taskCreated: { key: "json0", status: "TASK_STATUS_PENDING" },
  });
  expect(events.map(({ cursor }) => cursor !== undefined)).toEqual([false, false, false, true]);
  expect(stderr).toBe("");
  const rest = await cli.run(["events", "--batch", batchId, "--json", "--cursor", events[3].cursor]);
  expect(rest).toMatchObject({ code: 0, stdout: "" });
  expect(lines((await cli.run(["events", "--kind", "json", "--json", "--limit", "2"])).stdout)).toHaveLength(2);
});

test("--follow goes on after a broken connection, without a gap or a repeat, until Ctrl-C", async () => {
  await using proxy = await startCutProxy(Number(new URL(cli.url).port));
  const address = `http://127.0.0.1:${proxy.port}`;
  const follow = cli.start(["events", "--follow", "--kind", "followed", "--json", "--address", address]);
  // It begins now: until it has begun, what is created is not its business.
  let first = "";
  while (!follow.output.stdout.includes("\n")) first = (await create("followed")).taskId;
  await follow.waitFor(new RegExp(first));
  const seen = lines(follow.output.stdout).length;
  proxy.cut();
  await follow.waitFor(/going on\n/, "stderr");
  const second = await create("followed");
  proxy.mend();
  const third = await create("followed");
  await follow.waitFor(new RegExp(third.taskId));
  expect(lines(follow.output.stdout).slice(seen)).toMatchObject([{ taskId: second.taskId }, { taskId: third.taskId }]);
  follow.kill("SIGINT");
  expect(await follow.exit).toBe(130);
});

test("--follow with --limit ends by itself, and begins at the cursor", async () => {
  const { batchId, taskId } = await create("limited", 2);
  const { nextCursor } = await cli.client.events.listEvents({ filter: { batchIds: [batchId] }, pageSize: 1 });
  const follow = cli.start(["events", "-f", "--cursor", nextCursor, "--limit", "1"]);
  expect(await follow.exit).toBe(0);
  expect(follow.output.stdout).toContain(taskId);
});

test("a cursor that is none, and a server that is away, are told", async () => {
  for (const options of [[], ["--follow"]]) {
    const bad = await cli.run(["events", "--cursor", "x", ...options]);
    expect(bad.stderr).toContain("cursor");
    expect(bad.code).toBe(1);
    const away = await cli.run(["events", "--address", "127.0.0.1:9", ...options]);
    expect(away.stderr).toContain("no Millpond server answers at http://127.0.0.1:9");
    expect(away.code).toBe(1);
  }
});

test("a reader that has had enough ends it without a word", async () => {
  await create("much", 2_000);
  const cliFile = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
  for (const args of [
    ["events"],
    ["events", "--follow", "--cursor", "c0-0"],
    ["task", "list", "--limit", "2000"],
    ["--help"],
  ]) {
    const child = spawn(process.execPath, [cliFile, ...args], {
      env: { ...process.env, MILLPOND_ADDRESS: cli.url },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const [code] = await once(child, "close");
    expect({ args, code, stderr }).toEqual({ args, code: 141, stderr: "" });
  }
});

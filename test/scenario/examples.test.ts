import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { BatchStatus, type NewTaskSchema, TaskStatus } from "@millpond/sdk";
import { describe, expect, it } from "vitest";
import { secretText } from "../../src/domain/webhook-secret.ts";
import { changeWebhookSecrets, type WebhookSecretTexts } from "../../src/store/change-webhook-secrets.ts";
import { signatureHeaders } from "../../src/webhooks/signature.ts";
import { setup } from "../support/setup.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** What `examples/first-graph.sh` needs of curl, for machines that have none. */
const curlStandIn = `#!${process.execPath}
const args = process.argv.slice(2);
const answer = await fetch(args.find((arg) => arg.startsWith("http")), {
  method: "POST", headers: { "content-type": "application/json" }, body: args[args.indexOf("-d") + 1],
});
process.stdout.write(await answer.text());
process.exitCode = answer.ok ? 0 : 22;
`;

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

it("runs examples/first-graph.sh: three tasks, worked off with curl", async () => {
  await using millpond = await setup();
  const run = start("sh", ["examples/first-graph.sh"], { MILLPOND_ADDRESS: millpond.url, PATH: pathWithCurl() });
  expect(await run.ended, run.output()).toBe(0);
  expect(run.output()).toMatch(
    /^working on fetch\nworking on count\nworking on tidy\nbatch [0-9a-f-]{36}: BATCH_STATUS_SUCCESS\n$/,
  );
  const { tasks } = await millpond.client.tasks.listTasks({});
  expect(tasks.map(({ key, status }) => [key, status]).toSorted()).toEqual([
    ["count", TaskStatus.SUCCESS],
    ["fetch", TaskStatus.SUCCESS],
    ["tidy", TaskStatus.SUCCESS],
  ]);
});

it("runs examples/first-graph.ts: a graph, its worker and its watch with the SDK", async () => {
  await using millpond = await setup();
  const run = start(process.execPath, ["examples/first-graph.ts"], { MILLPOND_ADDRESS: millpond.url });
  expect(await run.ended, run.output()).toBe(0);
  expect(run.output()).toMatch(/fetch: SUCCESS\n[\s\S]*align: RUNNING\nfirst-graph\.align: SUCCESS\nbatch: SUCCESS\n$/);
  const { tasks } = await millpond.client.tasks.listTasks({ nameContains: "align" });
  expect(tasks[0]?.output?.kind.value).toMatchObject({
    fields: { aligned: { kind: { value: { fields: { reads: { kind: { value: 1_000_000 } } } } } } },
  });
});

it("runs examples/command-line.sh: a program per task, a graph from a file, a task on its own", async () => {
  await using millpond = await setup();
  const run = start("sh", ["examples/command-line.sh"], { MILLPOND_ADDRESS: millpond.url });
  expect(await run.ended, run.output()).toBe(0);
  expect(run.output()).toMatch(/Running word counts: 3 tasks as batch [\s\S]*\nSUCCESS {2}word counts/);
  expect(run.output()).toMatch(/\nSUCCESS {2}example\.words {2}[\s\S]*\n {2}output {8}2\n/);
  const { tasks } = await millpond.client.tasks.listTasks({ kinds: ["example.words"] });
  expect(tasks.map(({ name, status }) => [name, status])).toEqual(
    ["example.words", "Both", "Text", "Title"].map((name) => [name, TaskStatus.SUCCESS]),
  );
  const outputs = tasks.map(({ output }) => output?.kind.value);
  expect(outputs).toEqual([2, 2, 9, 5]);
});

/** Receivers of start webhooks, in the languages of the examples, and what each says when its report was taken. */
const receivers = [
  { name: "receiver.ts", command: [process.execPath, "receiver.ts"], says: "reported greet: 200" },
  { name: "receiver.py", command: ["python3", "receiver.py"], says: "" },
  { name: "receiver.go", command: ["go", "run", "receiver.go"], says: "reported: 200" },
  { name: "executor.sh, by receiver.py", command: ["python3", "receiver.py", "./executor.sh"], says: "" },
];

describe("examples/webhooks", () => {
  /** Without its program a receiver cannot be run: in CI that is a failure, elsewhere it is said and left out. */
  const isMissing = (program = ""): boolean =>
    process.env.CI === undefined && spawnSync(program, [program === "go" ? "version" : "--version"]).status !== 0;

  it.for(receivers)("runs $name: takes the start call and reports", async ({ command, says, name }, { skip }) => {
    skip(isMissing(command[0]), `there is no ${command[0]} on this machine`);
    await using millpond = await setup();
    const { current } = (await changeWebhookSecrets(millpond.database.url, {
      ...{ case: "show", namespace: "default" },
    })) as WebhookSecretTexts;
    await using receiver = startReceiver(command, current);
    const url = `${await receiver.url}/start`;
    const { batch, tasks } = await millpond.client.tasks.createTasks({ tasks: [greeting(url)] });
    const batchId = batch?.batchId ?? "";
    await expect
      .poll(async () => (await millpond.client.batches.getBatch({ batchId })).batch?.status, { timeout: 60_000 })
      .toBe(BatchStatus.SUCCESS);
    const { task } = await millpond.client.tasks.getTask({ taskId: tasks[0]?.taskId ?? "" });
    const output = name.startsWith("executor")
      ? { lines: { kind: { value: expect.any(Number) } } }
      : { greeting: { kind: { value: "hello, you" } } };
    expect(task?.output?.kind.value).toMatchObject({ fields: output });
    await expect.poll(receiver.output, { timeout: 60_000 }).toContain(says);
  });

  it.for(["receiver.py", "receiver.go"])("%s answers 401 to a call with another signature", async (name, { skip }) => {
    const command = receivers.find((each) => each.name === name)?.command ?? [];
    skip(isMissing(command[0]), `there is no ${command[0]} on this machine`);
    await using receiver = startReceiver(command, secretText(Buffer.alloc(32)));
    const body = JSON.stringify({ task: { input: { name: "you" } } });
    const call = async (key: number, change: Record<string, string> = {}) => {
      const signing = { id: "1", secrets: [Buffer.alloc(32, key)], nowMs: Date.now() };
      const headers = { ...signatureHeaders(signing, body), ...change };
      return (await fetch(`${await receiver.url}/?handle=http://127.0.0.1:1/`, { method: "POST", body, headers }))
        .status;
    };
    expect(await call(0)).toBeLessThan(300);
    expect(await call(1)).toBe(401);
    expect(await call(0, { "webhook-id": "2" })).toBe(401);
    expect(await call(0, { "webhook-timestamp": "1" })).toBe(401);
    expect(await call(0, { "webhook-signature": "" })).toBe(401);
  });
});

const greeting = (url: string): MessageInitShape<typeof NewTaskSchema> => ({
  ...{ key: "greet", name: "Greet", kind: "greeting", execution: { case: "onStart", value: { url } } },
  input: fromJson(ValueSchema, { name: "you" }),
});

/** Starts a receiver of the examples on a port that the system chooses, in a process group of its own: `go run` has a child. */
function startReceiver(command: readonly string[], secret: string) {
  const [program = "", ...args] = command;
  const env = { PORT: "0", WEBHOOK_SECRET: secret };
  const run = start(program, args, env, { cwd: path.join(root, "examples/webhooks"), detached: true });
  const url = expect
    .poll(run.output, { timeout: 120_000 })
    .toMatch(/listening on \S+/)
    .then(() => /listening on (\S+)/.exec(run.output())?.[1] ?? "");
  return {
    ...{ url, output: run.output },
    async [Symbol.asyncDispose]() {
      process.kill(-(run.child.pid as number), "SIGKILL");
      await run.ended;
    },
  };
}

function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  options: SpawnOptions = {},
): Run {
  const child = spawn(command, args, {
    ...{ cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
    ...options,
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { child, output: () => text, ended };
}

function pathWithCurl(): string {
  const found = process.env.PATH ?? "";
  if (spawnSync("curl", ["--version"]).status === 0) return found;
  const folder = mkdtempSync(path.join(tmpdir(), "millpond-curl-"));
  writeFileSync(path.join(folder, "curl"), curlStandIn, { mode: 0o755 });
  return `${folder}${path.delimiter}${found}`;
}

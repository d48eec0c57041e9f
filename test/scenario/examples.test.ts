import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { BatchStatus, TaskStatus } from "@millpond/sdk";
import { expect, it } from "vitest";
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

it("runs examples/push-receiver.ts: takes the start call and reports to its handle", async () => {
  await using millpond = await setup();
  const receiver = start(process.execPath, ["examples/push-receiver.ts"], { PORT: "0" });
  try {
    await expect.poll(receiver.output, { timeout: 60_000 }).toMatch(/listening on (\S+)/);
    const url = `${/listening on (\S+)/.exec(receiver.output())?.[1]}/start`;
    const { batch, tasks } = await millpond.client.tasks.createTasks({
      tasks: [
        {
          ...{ key: "greet", name: "Greet", kind: "greeting" },
          input: {
            kind: { case: "structValue", value: { fields: { name: { kind: { case: "stringValue", value: "you" } } } } },
          },
          execution: { case: "onStart", value: { url } },
        },
      ],
    });
    const batchId = batch?.batchId ?? "";
    await expect
      .poll(async () => (await millpond.client.batches.getBatch({ batchId })).batch?.status, { timeout: 60_000 })
      .toBe(BatchStatus.SUCCESS);
    const { task } = await millpond.client.tasks.getTask({ taskId: tasks[0]?.taskId ?? "" });
    expect(task?.output?.kind.value).toMatchObject({ fields: { greeting: { kind: { value: "hello, you" } } } });
    await expect.poll(receiver.output, { timeout: 60_000 }).toContain("reported greet: 200");
    expect(receiver.output()).toContain(`started ${task?.taskId}:1:start`);
  } finally {
    receiver.child.kill("SIGKILL");
    await receiver.ended;
  }
});

function start(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Run {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
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

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Event, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { setup } from "../support/setup.ts";

const folder = fileURLToPath(new URL("../../examples/workflows/", import.meta.url));
const cliFile = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
/** Recorded run times are shortened until the longest program takes this long. */
const longestProgramMs = 400;

interface WorkflowFile {
  readonly tasks: readonly {
    readonly id: string;
    readonly parents: readonly string[];
    readonly runtime_seconds: number;
  }[];
}

test.each(files)(
  "%s runs to SUCCESS through `millpond run`, and no task starts before its parents have succeeded",
  async (file) => {
    await using server = await setup();
    const workflow = JSON.parse(readFileSync(folder + file, "utf8")) as WorkflowFile;
    const longest = Math.max(...workflow.tasks.map((task) => task.runtime_seconds));

    const summary = await runCommand([
      "run",
      folder + file,
      "--address",
      server.url,
      "--speedup",
      String((longest * 1000) / longestProgramMs),
      "--json",
    ]);

    expect(summary).toMatchObject({ status: "SUCCESS" });
    const [batch] = (await server.client.batches.listBatches({})).batches;
    expect(batch?.stats?.byStatus).toEqual({ SUCCESS: BigInt(workflow.tasks.length) });
    const times = await timesByKey(server.client, batch?.batchId ?? "");
    const early = workflow.tasks.flatMap((task) =>
      task.parents.filter((parent) => (times.get(task.id)?.start ?? 0n) < (times.get(parent)?.success ?? 0n)),
    );
    expect([...times.values()].filter((time) => time.start !== undefined && time.success !== undefined)).toHaveLength(
      workflow.tasks.length,
    );
    expect(early).toEqual([]);
    await checkInvariants(server.database.url);
  },
);

async function runCommand(args: readonly string[]): Promise<unknown> {
  const child = spawn(process.execPath, [cliFile, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  return JSON.parse(output);
}

interface Times {
  start?: bigint;
  success?: bigint;
}

/** When each task started and succeeded, in nanoseconds, from the events. */
async function timesByKey(client: MillpondClient, batchId: string): Promise<Map<string, Times>> {
  const times = new Map<string, Times>();
  const keys = new Map<string, string>();
  for await (const event of history(client, batchId)) {
    const time = (event.eventTime?.seconds ?? 0n) * 1_000_000_000n + BigInt(event.eventTime?.nanos ?? 0);
    if (event.payload.case === "taskCreated") keys.set(event.taskId, event.payload.value.key);
    if (event.payload.case !== "taskStatusChanged") continue;
    const key = keys.get(event.taskId) ?? "";
    const known = times.get(key) ?? {};
    if (event.payload.value.to === TaskStatus.RUNNING) known.start ??= time;
    if (event.payload.value.to === TaskStatus.SUCCESS) known.success ??= time;
    times.set(key, known);
  }
  return times;
}

async function* history(client: MillpondClient, batchId: string): AsyncGenerator<Event> {
  for (let cursor = ""; ; ) {
    const page = await client.events.listEvents({ filter: { batchIds: [batchId] }, cursor, pageSize: 1000 });
    if (page.events.length === 0) return;
    yield* page.events;
    cursor = page.nextCursor;
  }
}

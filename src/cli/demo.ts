import { fileURLToPath } from "node:url";
import { BatchStatus, createClient, type MillpondClient } from "@millpond/sdk";
import { Command } from "commander";
import { loadSettings } from "../config/settings.ts";
import { type ChildServer, startChildServer } from "./child-server.ts";
import { CommandFailure } from "./command-failure.ts";
import { criticalPath } from "./critical-path.ts";
import { integerBetween, positiveNumber } from "./option-values.ts";
import { runWorkflow } from "./run-workflow.ts";
import { openScreen, type Screen } from "./screen.ts";
import { listenForStop, type StopSignals } from "./stop-signals.ts";
import { thingsToTry } from "./things-to-try.ts";
import { readWorkflowFile, type Workflow } from "./workflow-file.ts";

interface Options {
  readonly speedup?: number;
  readonly slots: number;
  readonly port: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const submittedBy = "millpond demo";
const exampleFile = fileURLToPath(new URL("../../examples/workflows/1000genome.json", import.meta.url));
/** How long a workflow's critical path takes by default. */
const criticalPathSeconds = 10;

/** demoCommand is `millpond demo`: a server of its own, a real workflow run on it, and what came of it. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("start a server with its own PostgreSQL and run a real workflow on it")
    .argument("[file]", "a workflow file; default: 1000genome, 520 tasks")
    .option(
      "--speedup <n>",
      "by how much the recorded run times are shortened (default: so that it takes ten seconds)",
      positiveNumber,
    )
    .option("--slots <n>", "how many programs run at the same time", integerBetween(1, 1_000), 1_000)
    .option("--port <n>", "the server's port; 0 lets the system choose", integerBetween(0, 65_535), 0)
    .option("--keep", "leave the server up afterwards, until Ctrl-C")
    .option("--json", "print the summary as JSON, and nothing else")
    .addHelpText(
      "after",
      `
The data is kept in MILLPOND_DATA_DIR, or else in a folder of the demo's own beside the server's; no other server and
no database of yours is touched.

Examples:
  millpond demo
  millpond demo my-workflow.json --speedup 100
  millpond demo --keep --port 8085`,
    )
    .action(demo);
}

async function demo(file: string | undefined, options: Options): Promise<void> {
  const workflow = await readWorkflowFile(file ?? exampleFile);
  using stop = listenForStop();
  const screen = openScreen(process.stdout);
  const say = options.json ? () => undefined : (text: string) => screen.line(text);
  const dataDir = demoDataDir();
  try {
    say(`Starting a server with its own PostgreSQL, data in ${dataDir}`);
    const startMs = performance.now();
    const server = await startChildServer({ port: options.port, dataDir, signal: stop.signal });
    try {
      say(`The server listens on ${server.url} (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
      await useServer({ server, workflow, options, stop, screen });
    } finally {
      await server.stop();
    }
  } catch (error) {
    if (stop.exitCode === undefined) throw error;
    throw new CommandFailure("stopped", stop.exitCode);
  }
}

interface Use {
  readonly server: ChildServer;
  readonly workflow: Workflow;
  readonly options: Options;
  readonly stop: StopSignals;
  readonly screen: Screen;
}

async function useServer({ server, workflow, options, stop, screen }: Use): Promise<void> {
  const client = createClient({ address: server.url });
  const signal = AbortSignal.any([stop.signal, server.ended]);
  try {
    await stopLeftOvers(client, signal);
    const summary = await runWorkflow({
      client,
      workflow,
      speedup: options.speedup ?? defaultSpeedup(workflow),
      slots: options.slots,
      submittedBy,
      signal,
      screen,
      json: options.json === true,
    });
    if (!options.keep) return;
    if (!options.json) screen.line(thingsToTry(server.url, summary.batch_id));
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    server.ended.throwIfAborted();
  } finally {
    client.close();
  }
}

/** A run that was killed leaves a batch whose tasks the worker of this run would take. */
async function stopLeftOvers(client: MillpondClient, signal: AbortSignal): Promise<void> {
  const statuses = [BatchStatus.ACTIVE];
  const { batches } = await client.batches.listBatches(
    { statuses, metadata: { submitted_by: submittedBy }, pageSize: 1_000 },
    { signal },
  );
  for (const { batchId } of batches) {
    await client.batches.stopBatch({ batchId, reason: "left over by a demo that was killed" }, { signal });
  }
}

/** Never slower than recorded. */
function defaultSpeedup(workflow: Workflow): number {
  return Math.max(1, criticalPath(workflow).seconds / criticalPathSeconds);
}

function demoDataDir(): string {
  const { dataDir } = loadSettings({ ...process.env, DATABASE_URL: undefined }).settings;
  return process.env.MILLPOND_DATA_DIR ? dataDir : `${dataDir}-demo`;
}

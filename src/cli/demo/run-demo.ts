import { fileURLToPath } from "node:url";
import { BatchStatus, createClient, type MillpondClient } from "@millpond/sdk";
import { loadSettings } from "../../config/settings.ts";
import { CommandFailure } from "../command-failure.ts";
import { troubleTeller } from "../connection/trouble-teller.ts";
import { criticalPath } from "../run/critical-path.ts";
import { runWorkflow } from "../run/run-workflow.ts";
import { readWorkflowFile, type Workflow } from "../run/workflow-file.ts";
import { listenForStop, type StopSignals } from "../stop-signals.ts";
import { openScreen, type Screen } from "../terminal/screen.ts";
import { type ChildServer, startChildServer } from "./child-server.ts";
import { thingsToTry } from "./things-to-try.ts";

/** DemoOptions are the options of `millpond demo`. */
export interface DemoOptions {
  readonly speedup?: number;
  readonly slots: number;
  readonly port: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const submittedBy = "millpond demo";
const exampleFile = fileURLToPath(new URL("../../../examples/workflows/1000genome.json", import.meta.url));
/** How long a workflow's critical path takes by default. */
const criticalPathSeconds = 10;

/** runDemo is what `millpond demo` does. */
export async function runDemo(file: string | undefined, options: DemoOptions): Promise<void> {
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
    throw new CommandFailure(stop.isBrokenPipe ? "" : "stopped", stop.exitCode);
  }
}

interface Use {
  readonly server: ChildServer;
  readonly workflow: Workflow;
  readonly options: DemoOptions;
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
      onTrouble: troubleTeller(server.url),
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

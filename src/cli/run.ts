import { createClient, isTransient } from "@millpond/sdk";
import { Command } from "commander";
import { CommandFailure, exitCodes } from "./command-failure.ts";
import { describeError } from "./describe-error.ts";
import { integerBetween, positiveNumber } from "./option-values.ts";
import { runWorkflow } from "./run-workflow.ts";
import { openScreen } from "./screen.ts";
import { listenForStop } from "./stop-signals.ts";
import { readWorkflowFile } from "./workflow-file.ts";

interface Options {
  readonly address: string;
  readonly token?: string;
  readonly speedup: number;
  readonly slots: number;
  readonly json?: boolean;
}

/** runCommand is `millpond run`: runs a workflow file on a server, with a worker that stands in for its programs. */
export function runCommand(): Command {
  return new Command("run")
    .description("run a workflow file on a server, with a worker that stands in for its programs by waiting")
    .argument("<file>", "the workflow file")
    .option("--address <url>", "the server", process.env.MILLPOND_ADDRESS || "http://127.0.0.1:8085")
    .option("--token <token>", "sent as a bearer token; or set MILLPOND_TOKEN")
    .option("--speedup <n>", "by how much the recorded run times are shortened", positiveNumber, 1)
    .option("--slots <n>", "how many programs run at the same time", integerBetween(1, 1_000), 1_000)
    .option("--json", "print the summary as JSON, and nothing else")
    .addHelpText(
      "after",
      `
The file is JSON: {"name": …, "tasks": [{"id": …, "kind": …, "parents": [ids], "runtime_seconds": …}, …]}.
The worker takes every task of these kinds that the server has; those of others it fails. So use kinds that no other
worker of that server serves.

Examples:
  millpond run examples/workflows/1000genome.json --speedup 30
  millpond run my-workflow.json --address http://millpond.internal:8085 --slots 16
  millpond run my-workflow.json --json > summary.json`,
    )
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const workflow = await readWorkflowFile(file);
  using stop = listenForStop();
  const client = openClient(options);
  try {
    await runWorkflow({
      client,
      workflow,
      speedup: options.speedup,
      slots: options.slots,
      submittedBy: "millpond run",
      signal: stop.signal,
      screen: openScreen(process.stdout),
      json: options.json === true,
    });
  } catch (error) {
    if (stop.exitCode !== undefined) throw new CommandFailure("stopped, and the batch with it", stop.exitCode);
    if (!isTransient(error)) throw error;
    throw new CommandFailure(
      `no Millpond server answers at ${client.address} (${describeError(error)}); ` +
        "start one with `millpond serve`, or name another with --address",
    );
  } finally {
    client.close();
  }
}

function openClient({ address, token = process.env.MILLPOND_TOKEN }: Options) {
  try {
    return createClient({ address, token });
  } catch (error) {
    throw new CommandFailure((error as Error).message, exitCodes.misuse);
  }
}

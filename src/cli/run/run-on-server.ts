import { createClient, isTransient } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import { describeError } from "../describe-error.ts";
import { listenForStop } from "../stop-signals.ts";
import { openScreen } from "../terminal/screen.ts";
import { runWorkflow } from "./run-workflow.ts";
import { readWorkflowFile } from "./workflow-file.ts";

/** RunOptions are the options of `millpond run`. */
export interface RunOptions {
  readonly address: string;
  readonly token?: string;
  readonly speedup: number;
  readonly slots: number;
  readonly json?: boolean;
}

/** runOnServer is what `millpond run` does. */
export async function runOnServer(file: string, options: RunOptions): Promise<void> {
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

function openClient({ address, token = process.env.MILLPOND_TOKEN }: RunOptions) {
  try {
    return createClient({ address, token });
  } catch (error) {
    throw new CommandFailure((error as Error).message, exitCodes.misuse);
  }
}

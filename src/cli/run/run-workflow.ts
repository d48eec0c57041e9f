import type { MillpondClient } from "@millpond/sdk";
import { CommandFailure } from "../command-failure.ts";
import { ProgressDisplay } from "../terminal/progress-display.ts";
import type { Screen } from "../terminal/screen.ts";
import { executeWorkflow, succeeded } from "./execute-workflow.ts";
import { printSummary } from "./print-summary.ts";
import { type RunSummary, summarize } from "./run-summary.ts";
import type { Workflow } from "./workflow-file.ts";

/** RunOptions is what `run` and `demo` have in common. */
export interface RunOptions {
  readonly client: MillpondClient;
  readonly workflow: Workflow;
  readonly speedup: number;
  readonly slots: number;
  readonly submittedBy: string;
  readonly signal: AbortSignal;
  readonly screen: Screen;
  /** Prints the summary as JSON, and nothing else. */
  readonly json: boolean;
  /** What went wrong and is being dealt with. */
  readonly onTrouble: (error: unknown) => void;
}

/**
 * runWorkflow executes a workflow, shows how it goes and prints the summary. Fails with a CommandFailure when a task did
 * not succeed or a dependency was not respected.
 */
export async function runWorkflow(options: RunOptions): Promise<RunSummary> {
  const { screen, json, workflow, speedup } = options;
  let display: ProgressDisplay | undefined;
  const execution = await executeWorkflow({
    ...options,
    onStart: (batchId, record) => {
      if (json) return;
      screen.line(`Running ${workflow.name}: ${workflow.tasks.length} tasks as batch ${batchId}`);
      display = new ProgressDisplay(screen, record);
    },
    onChange: () => display?.changed(),
  }).finally(() => display?.stop());

  const summary = summarize(workflow, speedup, execution);
  if (json) console.log(JSON.stringify(summary, undefined, 2));
  else printSummary(screen, summary);
  const { violations } = summary.dependencies;
  if (violations.length > 0) {
    throw new CommandFailure(`${violations.length} dependencies were not respected, the first: ${violations[0]}`);
  }
  if (!succeeded(execution)) throw new CommandFailure(`batch ${execution.batchId} ended as ${summary.status}`);
  return summary;
}

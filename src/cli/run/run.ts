import { Command } from "commander";
import { integerBetween, positiveNumber } from "../option-values.ts";
import type { RunOptions } from "./run-on-server.ts";

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
    .action(async (file: string, options: RunOptions) =>
      (await import("./run-on-server.ts")).runOnServer(file, options),
    );
}

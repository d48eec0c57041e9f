import { Command } from "commander";
import { integerBetween, positiveNumber } from "../option-values.ts";
import type { DemoOptions } from "./run-demo.ts";

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
    .option("--slots <n>", "how many programs run at the same time", integerBetween(1, 10_000), 1_000)
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
    .action(async (file: string | undefined, options: DemoOptions) =>
      (await import("./run-demo.ts")).runDemo(file, options),
    );
}

import type { Command } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import { batchIds, oneOf, taskIds, taskStatusNames, texts } from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";

/** eventsCommand is `millpond events`: prints what has changed, and what changes. */
export function eventsCommand(): Command {
  return clientCommand(
    "events",
    "print each event as a line of ProtoJSON; the last one of a commit has a cursor to go on from",
  )
    .description("print the changes that are kept, or with --follow those that come, a line each")
    .option(
      "-f, --follow",
      "wait for changes, from now on or from the cursor; goes on by itself after a broken connection",
    )
    .option("--batch <id>", "of this batch and its tasks; repeatable", batchIds)
    .option("--task <id>", "of this task; repeatable", taskIds)
    .option("--kind <kind>", "of tasks of this kind; repeatable", texts)
    .option(
      "--status <status>",
      `of tasks that come into this status; repeatable (${taskStatusNames.join(", ")})`,
      oneOf(taskStatusNames),
    )
    .option(
      "--cursor <cursor>",
      "begin behind this place, which an earlier run printed (default: the oldest change, or now with --follow)",
    )
    .option("--limit <n>", "end after so many", integerBetween(1, Number.MAX_SAFE_INTEGER))
    .addHelpText(
      "after",
      `
Without --follow, the cursor from which a later run can go on is printed on standard error at the end.

Examples:
  millpond events --follow
  millpond events --batch 01990000-0000-7000-8000-000000000000 --json
  millpond events --follow --status FAILURE --json | while read -r event; do notify "$event"; done`,
    )
    .action(async (options) => (await import("./print-events.ts")).printEvents(options));
}

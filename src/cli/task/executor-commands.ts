import { type Command, Option } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import { choice, durationMs, jsonIfGiven, jsonValue, logLevelNames, taskId } from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";

const example = "01990000-0000-7000-8000-000000000000";
const attemptMax = 2_147_483_647;
const countMax = Number.MAX_SAFE_INTEGER;

/** reportCommand is `millpond task report`. */
export function reportCommand(): Command {
  return clientCommand("report")
    .description("report on a task as its executor: success, failure, or that the work has begun or goes on")
    .argument("<id>", "the task", taskId)
    .addOption(
      new Option("--success [json]", "the work is done, and this is its output").argParser(jsonIfGiven).preset(""),
    )
    .option("--failure <message>", "the work has failed")
    .option("--started", "the work has begun: that of a start webhook, whose receiver did not say so by its answer")
    .addOption(new Option("--heartbeat [json]", "the work goes on, and is so far").argParser(jsonIfGiven).preset(""))
    .option(
      "--attempt <n>",
      "the attempt that is meant; another one is refused (default: the current one)",
      integerBetween(1, attemptMax),
    )
    .option("--add-success-count <n>", "items done since the last report", integerBetween(0, countMax))
    .option("--add-failure-count <n>", "items failed since the last report", integerBetween(0, countMax))
    .option("--code <code>", "of a failure: its code, for the retry policy")
    .option("--details <json>", "of a failure: anything more", jsonValue)
    .option("--non-retryable", "of a failure: do not try again, whatever the retry policy says")
    .option("--retry-delay <duration>", "of a failure: how long to wait before the next attempt", durationMs)
    .addHelpText(
      "after",
      `
Examples:
  millpond task report "$MILLPOND_TASK_ID" --attempt "$MILLPOND_ATTEMPT" --heartbeat '{"percent": 40}'
  millpond task report ${example} --success '{"lines": 3}'
  millpond task report ${example} --failure "no such file" --code INPUT --non-retryable`,
    )
    .action(async (id: string, options) => (await import("./report-task.ts")).reportTask(id, options));
}

/** countCommand is `millpond task count`. */
export function countCommand(): Command {
  return clientCommand("count")
    .description("add to the counters of a task, as its executor: items that are done, or have failed")
    .argument("<id>", "the task", taskId)
    .option("--success <n>", "how many more are done", integerBetween(0, countMax))
    .option("--failure <n>", "how many more have failed", integerBetween(0, countMax))
    .option("--request-id <id>", "makes the command safe to repeat for 24 hours (default: a new one)")
    .addHelpText(
      "after",
      `
It is a sign of life, as every report is. Counting as many as were expected does not end the task.

Examples:
  millpond task count "$MILLPOND_TASK_ID" --success 10
  millpond task count ${example} --success 90 --failure 3`,
    )
    .action(async (id: string, options) => (await import("./count-task.ts")).countTask(id, options));
}

/** logsCommand is `millpond task logs`. */
export function logsCommand(): Command {
  return clientCommand("logs", "print each line of the log as a line of ProtoJSON")
    .description("print the log of a task's attempt")
    .argument("<id>", "the task", taskId)
    .option("-f, --follow", "wait for more lines until the attempt is over")
    .option("--attempt <n>", "which attempt (default: the current or last one)", integerBetween(1, attemptMax))
    .addHelpText(
      "after",
      `
Examples:
  millpond task logs ${example}
  millpond task logs ${example} --follow`,
    )
    .action(async (id: string, options) => (await import("./print-logs.ts")).printLogs(id, options));
}

/** appendLogsCommand is `millpond task append-logs`. */
export function appendLogsCommand(): Command {
  return clientCommand("append-logs", "print the answer of each call as ProtoJSON")
    .description("append lines to the log of a task's attempt, as its executor")
    .argument("<id>", "the task", taskId)
    .argument("[line...]", "the lines (default: those of standard input, as they come)")
    .option("--level <level>", `how important they are (${logLevelNames.join(", ")})`, choice(logLevelNames), "INFO")
    .option("--attempt <n>", "which attempt (default: the current or last one)", integerBetween(1, attemptMax))
    .addHelpText(
      "after",
      `
Examples:
  millpond task append-logs ${example} "the file is empty" --level warn
  ./align.sh 2>&1 | millpond task append-logs "$MILLPOND_TASK_ID" --attempt "$MILLPOND_ATTEMPT"`,
    )
    .action(async (id: string, lines: string[], options) =>
      (await import("./append-logs.ts")).appendLogs(id, lines, options),
    );
}

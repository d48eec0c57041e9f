import { Command, Option } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import {
  batchId,
  durationMs,
  jsonIfGiven,
  jsonObject,
  jsonValue,
  keyValue,
  oneOf,
  taskId,
  taskIds,
  taskStatusNames,
  texts,
} from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";
import type { TaskChange } from "./change-tasks.ts";

const example = "01990000-0000-7000-8000-000000000000";

/** taskCommand is `millpond task`: creates tasks, shows them, follows them and steers them. */
export function taskCommand(): Command {
  return new Command("task")
    .description("create, see and steer tasks")
    .addHelpText(
      "after",
      `
Examples:
  millpond task create --kind hello --input '{"name": "you"}'
  millpond task list --status RUNNING,FAILURE
  millpond task watch ${example}`,
    )
    .addCommand(createCommand())
    .addCommand(getCommand())
    .addCommand(listCommand())
    .addCommand(watchCommand())
    .addCommand(reportCommand())
    .addCommand(explainCommand())
    .addCommand(logsCommand())
    .addCommand(changeCommand("cancel", "cancel tasks that have not ended; their executors are told to stop"))
    .addCommand(changeCommand("pause", "hold tasks that have not started"))
    .addCommand(changeCommand("resume", "let paused tasks go on"))
    .addCommand(changeCommand("retry", "run ended tasks again"));
}

function createCommand(): Command {
  return clientCommand("create")
    .description("create the tasks of a file, or one task by options; prints their ids")
    .argument("[file]", "YAML or JSON: a CreateTasks request, or a list of its tasks; - for standard input")
    .option("--kind <kind>", "what sort of work it is; required without a file")
    .option("--name <name>", "a name for people (default: the key, or else the kind)")
    .option("--key <key>", "a name of your own, unique in the batch")
    .option("--input <json>", "what the executor gets to work on", jsonValue)
    .option("--metadata <json>", "searchable facts, a JSON object", jsonObject)
    .option("--priority <n>", "-1000 to 1000, higher first (default: 0)", integerBetween(-1_000, 1_000))
    .option("--after <key-or-id>", "a task that must succeed first: its id, or with --batch its key; repeatable", texts)
    .option("--url <url>", "a webhook that starts it, instead of a worker of its kind")
    .option("--label <key=value>", "a label that its worker must have; repeatable", keyValue)
    .option("--expected-count <n>", "how many items it will count", integerBetween(0, Number.MAX_SAFE_INTEGER))
    .option("--max-attempts <n>", "how often it is tried in all (default: 1)", integerBetween(1, 1_000))
    .option("--start-in <duration>", "it does not start before so long from now (default: at once)", durationMs)
    .option("--inactivity-timeout <duration>", "how long it may give no sign of life (default: 60s)", durationMs)
    .option("--execution-timeout <duration>", "how long an attempt may run (default: no limit)", durationMs)
    .option("--total-timeout <duration>", "how long it may take in all (default: no limit)", durationMs)
    .option("--fairness-key <key>", "with whom it takes turns, say a tenant")
    .option("--batch <id>", "the open batch that it goes into (default: a new batch)", batchId)
    .option("--batch-name <name>", "a name for people of the new batch")
    .option("--open", "the new batch takes more tasks later, until it is sealed")
    .option("--request-id <id>", "makes the command safe to repeat for 24 hours (default: a new one)")
    .option("--dry-run", "check everything and create nothing")
    .option("-q, --quiet", "print nothing but the ids of the tasks, one a line")
    .addHelpText(
      "after",
      `
In a file, fields are those of the contract (proto/millpond/v1/task_service.proto), in snake_case or camelCase; the names
of states and conditions may be short (COMPLETED); keys that begin with x- are for anchors of your own.

Examples:
  millpond task create --kind hello --input '{"name": "you"}'
  millpond task create graph.yaml
  generate-tasks | millpond task create - --batch-name nightly
  id=$(millpond task create -q --kind align --max-attempts 3 --label gpu=a100)
  millpond task create --kind notify --after "$id" --url https://example.com/start`,
    )
    .action(async (file: string | undefined, options) =>
      (await import("./create-tasks.ts")).createTasks(file, options),
    );
}

function getCommand(): Command {
  return clientCommand("get")
    .description("show a task and the history of its attempts")
    .argument("<id>", "the task", taskId)
    .addHelpText(
      "after",
      `
Examples:
  millpond task get ${example}
  millpond task get ${example} --json | jq .task.output`,
    )
    .action(async (id: string, options) => (await import("./get-task.ts")).getTask(id, options));
}

function listCommand(): Command {
  return clientCommand("list")
    .description("list tasks, newest first")
    .option("--batch <id>", "of this batch", batchId)
    .option("--kind <kind>", "of this kind; repeatable", texts)
    .option("--status <status>", `in this status; repeatable (${taskStatusNames.join(", ")})`, oneOf(taskStatusNames))
    .option("--name <text>", "whose name contains this, without regard to case")
    .option("--metadata <json>", "whose metadata contains this JSON object", jsonObject)
    .option("--limit <n>", "how many at most", integerBetween(1, 1_000_000), 50)
    .option("--page-token <token>", "go on behind an earlier list: the nextPageToken of its --json")
    .addHelpText(
      "after",
      `
Examples:
  millpond task list
  millpond task list --batch ${example} --status FAILURE
  millpond task list --kind align --metadata '{"tenant": "a"}' --limit 1000 --json`,
    )
    .action(async (options) => (await import("./list-tasks.ts")).listTasks(options));
}

function watchCommand(): Command {
  return clientCommand("watch", "print nothing until it has ended, then what `task get --json` prints")
    .description("follow a task until it ends; the exit code is 0 if it succeeded, 1 if not")
    .argument("<id>", "the task", taskId)
    .addHelpText(
      "after",
      `
Examples:
  millpond task watch ${example}
  millpond task watch "$(millpond task create -q --kind hello)" && echo done`,
    )
    .action(async (id: string, options) => (await import("./watch-task.ts")).watchTask(id, options));
}

function reportCommand(): Command {
  return clientCommand("report")
    .description("report on a task as its executor: success, failure, or that the work goes on")
    .argument("<id>", "the task", taskId)
    .addOption(
      new Option("--success [json]", "the work is done, and this is its output").argParser(jsonIfGiven).preset(""),
    )
    .option("--failure <message>", "the work has failed")
    .addOption(new Option("--heartbeat [json]", "the work goes on, and is so far").argParser(jsonIfGiven).preset(""))
    .option(
      "--attempt <n>",
      "the attempt that is meant; another one is refused (default: the current one)",
      integerBetween(1, 2_147_483_647),
    )
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

function explainCommand(): Command {
  return clientCommand("explain")
    .description("say why a task is not running, and what would let it go")
    .argument("<id>", "the task", taskId)
    .addHelpText("after", `\nExample:\n  millpond task explain ${example}`)
    .action(async (id: string, options) => (await import("./explain-task.ts")).explainTask(id, options));
}

function logsCommand(): Command {
  return clientCommand("logs", "print each line of the log as a line of ProtoJSON")
    .description("print the log of a task's attempt")
    .argument("<id>", "the task", taskId)
    .option("-f, --follow", "wait for more lines until the attempt is over")
    .option("--attempt <n>", "which attempt (default: the current or last one)", integerBetween(1, 2_147_483_647))
    .addHelpText(
      "after",
      `
Examples:
  millpond task logs ${example}
  millpond task logs ${example} --follow`,
    )
    .action(async (id: string, options) => (await import("./print-logs.ts")).printLogs(id, options));
}

function changeCommand(change: TaskChange, description: string): Command {
  const command = clientCommand(change)
    .description(description)
    .argument("<id...>", "the tasks", taskIds)
    .addHelpText(
      "after",
      `
Example:
  millpond task ${change} ${example}${change === "cancel" ? ' --reason "wrong input"' : ""}`,
    );
  if (change === "cancel") command.option("--reason <text>", "why (default: none)");
  if (change === "retry") command.option("--with-dependents", "also run again what their end brought down");
  return command.action(async (ids: string[], options) =>
    (await import("./change-tasks.ts")).changeTasks(change, ids, options),
  );
}

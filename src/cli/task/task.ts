import { Command, InvalidArgumentError, Option } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import {
  batchId,
  durationMs,
  jsonObject,
  jsonValue,
  keyValue,
  oneOf,
  taskId,
  taskIds,
  taskStatusNames,
  texts,
  timeMs,
} from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";
import type { TaskChange } from "./change-tasks.ts";
import { appendLogsCommand, countCommand, logsCommand, reportCommand } from "./executor-commands.ts";

/** What UpdateTask can change, as options are called. */
const resettable = [
  ...["priority", "metadata", "expected-count", "start-timeout", "inactivity-timeout", "execution-timeout"],
  ...["total-timeout", "rules"],
] as const;

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
    .addCommand(explainCommand())
    .addCommand(updateCommand())
    .addCommand(changeCommand("cancel", "cancel tasks that have not ended; their executors are told to stop"))
    .addCommand(changeCommand("pause", "hold tasks that have not started"))
    .addCommand(changeCommand("resume", "let paused tasks go on"))
    .addCommand(changeCommand("retry", "run ended tasks again"))
    .addCommand(reportCommand())
    .addCommand(countCommand())
    .addCommand(logsCommand())
    .addCommand(appendLogsCommand());
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
    .option(
      "--created-after <time>",
      "created at this time or later: 2026-01-31T12:00:00Z, or 2h for two hours ago",
      timeMs,
    )
    .option("--created-before <time>", "created before this time", timeMs)
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

function explainCommand(): Command {
  return clientCommand("explain")
    .description("say why a task is not running, and what would let it go")
    .argument("<id>", "the task", taskId)
    .addHelpText("after", `\nExample:\n  millpond task explain ${example}`)
    .action(async (id: string, options) => (await import("./explain-task.ts")).explainTask(id, options));
}

function updateCommand(): Command {
  return clientCommand("update")
    .description("change a task that has not ended")
    .argument("<id>", "the task", taskId)
    .option("--priority <n>", "-1000 to 1000, higher first; not once it was claimed", integerBetween(-1_000, 1_000))
    .option("--metadata <json>", "searchable facts, a JSON object, instead of those that there are", jsonObject)
    .option("--merge-metadata <json>", "facts to add to those that there are; null takes one away", jsonObject)
    .option("--expected-count <n>", "how many items it will count", integerBetween(0, Number.MAX_SAFE_INTEGER))
    .option("--start-timeout <duration>", "how long its start webhook may take", durationMs)
    .option("--inactivity-timeout <duration>", "how long it may give no sign of life", durationMs)
    .option("--execution-timeout <duration>", "how long an attempt may run", durationMs)
    .option("--total-timeout <duration>", "how long it may take in all", durationMs)
    .option("--rules <file>", "YAML or JSON: a list of rules, instead of those that there are; - for standard input")
    .addOption(
      new Option(
        "--reset <field>",
        `a field that returns to its default; repeatable (${resettable.join(", ")})`,
      ).argParser(resetNames),
    )
    .option("--etag <etag>", "refuse it if the task has changed since it was read: the etag of `task get --json`")
    .option("--request-id <id>", "makes the command safe to repeat for 24 hours (default: a new one)")
    .addHelpText(
      "after",
      `
New timeouts count from where the old ones did, and are in force at once. Rules are as \`millpond rule set\` takes them.

Examples:
  millpond task update ${example} --priority 100
  millpond task update ${example} --merge-metadata '{"ticket": 7, "draft": null}' --execution-timeout 2h
  millpond task update ${example} --reset execution-timeout --etag "$etag"`,
    )
    .action(async (id: string, options) => (await import("./update-task.ts")).updateTask(id, options));
}

function resetNames(text: string, previous: readonly string[] = []): string[] {
  const names = text.split(",").map((name) => name.trim());
  const strange = names.find((name) => !(resettable as readonly string[]).includes(name));
  if (strange !== undefined) throw new InvalidArgumentError(`It must be of ${resettable.join(", ")}.`);
  return [...previous, ...names];
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

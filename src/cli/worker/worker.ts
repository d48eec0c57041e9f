import { type Command, Option } from "commander";
import { CommandWithDefault } from "../command-with-default.ts";
import { clientCommand } from "../connection/client-command.ts";
import { durationMs, keyValue, texts } from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";

/** workerCommand is `millpond worker`: runs a program for each task of a kind, or lists the workers that there are. */
export function workerCommand(): Command {
  return new CommandWithDefault("worker", runCommand())
    .description("run a program for each task of a kind, or list workers")
    .addHelpText(
      "after",
      `
Examples:
  millpond worker --kind hello -- ./hello.sh
  millpond worker list`,
    )
    .addCommand(listCommand());
}

function runCommand(): Command {
  return clientCommand("run", "print a line of JSON when a task begins and when it ends")
    .description("run a program for each task of a kind, until a signal ends it")
    .argument("<program>", "the program, behind --")
    .argument("[args...]", "its arguments, the same for each task")
    .requiredOption("--kind <kind>", "a kind of tasks that it takes; repeatable", texts)
    .option("--slots <n>", "how many run at the same time", integerBetween(1, 10_000), 1)
    .option("--label <key=value>", "a label, for tasks that require it; repeatable", keyValue)
    .option("--name <name>", "its own name, unique among those connected (default: host, process and a random part)")
    .addOption(
      new Option("--stdin <what>", "what the program reads: the task's input, or all that is known of the task")
        .choices(["input", "assignment"])
        .default("input"),
    )
    .addOption(durationOption("--kill-after <duration>", "how long a program may take to stop before it is killed", 10))
    .addOption(durationOption("--grace <duration>", "how long programs may go on when the worker is to stop", 30))
    .addHelpText(
      "after",
      `
\`run\` may be left out. \`millpond worker list\` shows the workers that are connected.

The program finds the task's input as JSON on standard input, and in its environment MILLPOND_TASK_ID, MILLPOND_TASK_KEY,
MILLPOND_BATCH_ID, MILLPOND_KIND, MILLPOND_ATTEMPT and MILLPOND_ADDRESS. Its standard output becomes the task's output: as
JSON if it is some, else as text. Lines of standard error go to the task's log. Exit code 0 is success; any other fails the
attempt with the code EXIT_<n>, a signal with its name, and the last lines of standard error are the message. When the task
is canceled, or the worker loses it, the program and what it has started get SIGTERM, and then SIGKILL.

With --stdin assignment the program reads ProtoJSON of millpond.v1.Assignment: the task, and what its parents produced.

SIGTERM or Ctrl-C: the worker takes no more tasks and ends when its programs have; a second Ctrl-C kills them.

Examples:
  millpond worker --kind hello -- sh -c 'read input; echo "{\\"got\\": $input}"'
  millpond worker --kind align --slots 4 --label gpu=a100 -- ./align.py --fast
  millpond worker --kind fetch --kind check --json -- ./step.sh >> worker.jsonl`,
    )
    .action(async (program: string, args: string[], options) =>
      (await import("./run-worker.ts")).runWorker([program, ...args], options),
    );
}

function listCommand(): Command {
  return clientCommand("list")
    .description("list the workers that are connected, or have claimed tasks lately, by name")
    .option("--kind <kind>", "that take tasks of this kind; repeatable", texts)
    .option("--limit <n>", "how many at most", integerBetween(1, 1_000_000), 50)
    .option("--page-token <token>", "go on behind an earlier list: the nextPageToken of its --json")
    .addHelpText(
      "after",
      `
With --json it also says which attempts each has, and until when.

Examples:
  millpond worker list
  millpond worker list --kind align --json | jq '.workers[].running'`,
    )
    .action(async (options) => (await import("./list-workers.ts")).listWorkers(options));
}

function durationOption(flags: string, description: string, defaultSeconds: number): Option {
  return new Option(flags, description).argParser(durationMs).default(defaultSeconds * 1_000, `${defaultSeconds}s`);
}

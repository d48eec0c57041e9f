import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { batchCommand } from "./batch/batch.ts";
import { CommandFailure, exitCodes } from "./command-failure.ts";
import { CommandWithDefault } from "./command-with-default.ts";
import { completionCommand } from "./completion/completion.ts";
import { deliveryCommand } from "./delivery/delivery.ts";
import { demoCommand } from "./demo/demo.ts";
import { eventsCommand } from "./events/events.ts";
import { migrateCommand } from "./migrate.ts";
import { ruleCommand } from "./rule/rule.ts";
import { runCommand } from "./run/run.ts";
import { serveCommand } from "./serve.ts";
import { brokenPipeExitCode } from "./stop-signals.ts";
import { taskCommand } from "./task/task.ts";
import { webhookSecretCommand } from "./webhook-secret.ts";
import { workerCommand } from "./worker/worker.ts";

/**
 * runCommandLine runs the command that the arguments name and answers the exit code: 0 when it did what was asked, 1
 * when it failed, 2 when it was not understood, 128 + n when signal n ended it. What went wrong goes to stderr.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  endOnBrokenPipe();
  try {
    await millpondCommand().parseAsync(argv);
    return Number(process.exitCode ?? exitCodes.success);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.misuse;
    // Each command loads what it needs when it runs: a server starts without the client library.
    const { describeError } = await import("./describe-error.ts");
    const text = describeError(error);
    if (text !== "") process.stderr.write(`millpond: ${text}\n`);
    return error instanceof CommandFailure ? error.exitCode : exitCodes.failure;
  }
}

/**
 * Output that nobody reads any more, as after `| head`, ends a command without words. One that listens for signals is told as
 * by one of them, and ends in good order.
 */
function endOnBrokenPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (process.stdout.listenerCount("error") === 1) process.exit(brokenPipeExitCode);
  });
  // Who could be told?
  process.stderr.on("error", () => undefined);
}

/** millpondCommand is the tree of all commands. */
export function millpondCommand(): Command {
  const program = new Command("millpond")
    .description("Runs graphs of tasks: a gRPC server on PostgreSQL, and the commands to work with it.")
    .version(version(), "-V, --version", "show the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help on a command")
    .showHelpAfterError("(millpond --help shows what there is)")
    .addHelpText(
      "after",
      `
Examples:
  millpond demo                                          see a real workflow run, with nothing set up
  millpond serve                                         start a server on http://127.0.0.1:8085
  millpond worker --kind hello -- sh -c 'cat >&2'        run a program for each task of a kind
  millpond task create --kind hello --input '"you"'      create a task
  millpond run graph.yaml                                create a graph and follow it to its end
  millpond task explain ID                               say why a task is not running
  millpond events --follow                               see every change

Exit codes: 0 done, 1 failed, 2 not understood.`,
    );
  const subcommands = [
    ...[serveCommand(), migrateCommand(), webhookSecretCommand(), demoCommand()],
    ...[
      taskCommand(),
      batchCommand(),
      ruleCommand(),
      workerCommand(),
      deliveryCommand(),
      runCommand(),
      eventsCommand(),
    ],
    completionCommand(),
  ];
  for (const command of subcommands) program.addCommand(command);
  return settle(program);
}

/** Errors of a command's arguments are thrown, not ended by `process.exit`, and each command says where its help is. */
function settle(command: Command): Command {
  command.exitOverride();
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    child.showHelpAfterError(`(millpond ${pathOf(child)} --help shows what there is)`);
    settle(child);
  }
  // It would take a flag for help from among the arguments of a program behind `--`; the command that is meant takes its own.
  if (command instanceof CommandWithDefault) command.helpOption(false);
  return command;
}

function pathOf(command: Command): string {
  const parent = command.parent?.parent ? `${pathOf(command.parent)} ` : "";
  return `${parent}${command.name()}`;
}

function version(): string {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
}

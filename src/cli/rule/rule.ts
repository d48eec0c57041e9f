import { Command } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import { batchId } from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";

const example = "01990000-0000-7000-8000-000000000000";

/** ruleCommand is `millpond rule`: shows how the limits on starts are used, and changes them in a batch under way. */
export function ruleCommand(): Command {
  return new Command("rule")
    .description("see and change the rules that limit how many tasks start")
    .addHelpText(
      "after",
      `
Examples:
  millpond rule usage
  millpond rule set ${example} rules.yaml --kind align`,
    )
    .addCommand(usageCommand())
    .addCommand(setCommand());
}

function usageCommand(): Command {
  return clientCommand("usage")
    .description("list the keys of rules that are in use or waited for, the longest queue first")
    .option("--batch <id>", "that tasks of this batch hold or wait for", batchId)
    .option("--kind <kind>", "whose rules name this kind")
    .option("--limit <n>", "how many at most", integerBetween(1, 1_000_000), 50)
    .option("--page-token <token>", "go on behind an earlier list: the nextPageToken of its --json")
    .addHelpText(
      "after",
      `
Examples:
  millpond rule usage
  millpond rule usage --batch ${example} --kind align --json`,
    )
    .action(async (options) => (await import("./list-rule-usage.ts")).listRuleUsage(options));
}

function setCommand(): Command {
  return clientCommand("set")
    .description("replace the rules of all tasks of a kind in a batch that is under way")
    .argument("<batch>", "the id of the batch", batchId)
    .argument("[file]", "YAML or JSON: a list of rules; - for standard input")
    .requiredOption("--kind <kind>", "the kind of the tasks whose rules are replaced")
    .option("--none", "the tasks have no rules from now on; instead of a file")
    .option("--reason <text>", "why, for the history (default: none)")
    .option("--etag <etag>", "refuse it if the batch has changed since it was read: the etag of `batch get --json`")
    .option("--request-id <id>", "makes the command safe to repeat for 24 hours (default: a new one)")
    .option(
      "--dry-run",
      "change nothing, and say what would be: how many tasks the rules let in, and how many they hold",
    )
    .addHelpText(
      "after",
      `
The rules are in force from the next start on; what runs keeps its place. Fields are those of the contract
(proto/millpond/v1/rule.proto), in snake_case or camelCase, of at most 20 rules:

  - {name: gpus, matcher: {kind: align}, max_concurrency: 4}
  - {matcher: {kind: align, fields: [tenant_id]}, rate: {count: 10, window: 60s}}

Examples:
  millpond rule set ${example} rules.yaml --kind align --dry-run
  millpond rule set ${example} rules.yaml --kind align --reason "two more machines"
  echo '[{matcher: {kind: align}, max_concurrency: 8}]' | millpond rule set ${example} - --kind align
  millpond rule set ${example} --kind align --none`,
    )
    .action(async (id: string, file: string | undefined, options) =>
      (await import("./set-rules.ts")).setRules(id, file, options),
    );
}

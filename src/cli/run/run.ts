import { type Command, Option } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import { integerBetween, positiveNumber } from "../option-values.ts";

/** runCommand is `millpond run`: creates the graph of a file as a batch and follows it to its end. */
export function runCommand(): Command {
  return clientCommand("run", "print the outcome as JSON, and nothing else")
    .description("create the graph of a file as a batch, and follow it to its end")
    .argument(
      "<file>",
      "YAML or JSON: a CreateTasks request, a list of its tasks, or a recorded workflow; - for standard input",
    )
    .addOption(
      new Option(
        "--speedup <n>",
        "of a recorded workflow: by how much its run times are shortened (default: 1)",
      ).argParser(positiveNumber),
    )
    .addOption(
      new Option(
        "--slots <n>",
        "of a recorded workflow: how many programs run at the same time (default: 1000)",
      ).argParser(integerBetween(1, 10_000)),
    )
    .addHelpText(
      "after",
      `
A CreateTasks request is executed by the workers and webhooks that its tasks name: \`millpond worker\` is one. Fields are those
of the contract, in snake_case or camelCase; keys that begin with x- are for anchors of your own:

  x-align: &align {kind: align, retry: {max_attempts: 3}}
  new_batch: {name: sample 7}
  tasks:
    - {key: fetch, name: Fetch, kind: fetch, input: {url: https://example.com/7}}
    - {<<: *align, key: a1, name: Align, dependencies: [{key: fetch}]}
    - {key: tidy, name: Tidy, kind: tidy, dependencies: [{key: a1, condition: COMPLETED}]}

A recorded workflow is {"name": …, "tasks": [{"id": …, "kind": …, "parents": [ids], "runtime_seconds": …}, …]}. A worker of
this command stands in for its programs by waiting their run times. It takes every task of these kinds that the server has;
those of others it fails. So use kinds that no other worker of that server serves.

Ctrl-C stops the batch. Exit codes: 0 it succeeded, 1 it did not, 2 the file or the command was not understood.

Examples:
  millpond run graph.yaml
  millpond run examples/workflows/1000genome.json --speedup 30
  millpond run graph.yaml --json > outcome.json`,
    )
    .action(async (file: string, options) => (await import("./run-on-server.ts")).runOnServer(file, options));
}

import { Command, Option } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import { batchId, batchStatusNames, jsonObject, oneOf, taskId, texts, timeMs } from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";

const example = "01990000-0000-7000-8000-000000000000";

/** batchCommand is `millpond batch`: shows batches, follows them and steers them. */
export function batchCommand(): Command {
  const command = new Command("batch")
    .description("see and steer batches: the tasks of one graph, together")
    .addHelpText(
      "after",
      `
Examples:
  millpond batch list --status ACTIVE
  millpond batch watch ${example}
  millpond batch graph ${example}`,
    )
    .addCommand(getCommand())
    .addCommand(listCommand())
    .addCommand(watchCommand())
    .addCommand(graphCommand())
    .addCommand(stopCommand());
  for (const [name, description] of [
    ["pause", "hold every future start in a batch; what runs goes on"],
    ["resume", "let a paused batch go on"],
    ["seal", "close an open batch: it takes no more tasks, and ends with its last one"],
    ["retry", "run what failed or was canceled in a batch again, and what that brought down"],
  ] as const) {
    command.addCommand(
      clientCommand(name)
        .description(description)
        .argument("<id>", "the batch", batchId)
        .addHelpText("after", `\nExample:\n  millpond batch ${name} ${example}`)
        .action(async (id: string, options) => (await import("./change-batch.ts")).changeBatch(name, id, options)),
    );
  }
  return command;
}

function getCommand(): Command {
  return clientCommand("get")
    .description("show a batch and how its tasks stand")
    .argument("<id>", "the batch", batchId)
    .addHelpText("after", `\nExample:\n  millpond batch get ${example}`)
    .action(async (id: string, options) => (await import("./get-batch.ts")).getBatch(id, options));
}

function listCommand(): Command {
  return clientCommand("list")
    .description("list batches, newest first")
    .option("--status <status>", `in this status; repeatable (${batchStatusNames.join(", ")})`, oneOf(batchStatusNames))
    .option("--kind <kind>", "with a task of this kind; repeatable", texts)
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
  millpond batch list
  millpond batch list --status FAILURE --name nightly --json`,
    )
    .action(async (options) => (await import("./list-batches.ts")).listBatches(options));
}

function watchCommand(): Command {
  return clientCommand("watch", "print nothing until it has ended, then what `batch get --json` prints")
    .description("follow a batch until it ends; the exit code is 0 if it succeeded, 1 if not")
    .argument("<id>", "the batch", batchId)
    .addHelpText("after", `\nExample:\n  millpond batch watch ${example}`)
    .action(async (id: string, options) => (await import("./watch-batch.ts")).watchBatch(id, options));
}

function graphCommand(): Command {
  return clientCommand("graph", "the same as --format json")
    .description("show the graph of a batch: its levels and the critical path by time")
    .argument("<id>", "the batch", batchId)
    .addOption(
      new Option("--format <format>", "text for people, dot for Graphviz, json for programs")
        .choices(["text", "dot", "json"])
        .default("text"),
    )
    .option("--task <id>", "only this task, and what it depends on and what depends on it", taskId)
    .addOption(
      new Option("--direction <direction>", "with --task: only what it depends on, or only what depends on it")
        .choices(["upstream", "downstream", "both"])
        .default("both"),
    )
    .addHelpText(
      "after",
      `
Examples:
  millpond batch graph ${example}
  millpond batch graph ${example} --task ${example} --direction upstream
  millpond batch graph ${example} --format dot | dot -Tsvg > graph.svg`,
    )
    .action(async (id: string, options) => (await import("./show-graph.ts")).showGraph(id, options));
}

function stopCommand(): Command {
  return clientCommand("stop")
    .description("cancel everything in a batch that has not ended")
    .argument("<id>", "the batch", batchId)
    .option("--reason <text>", 'why (default: "Batch stopped")')
    .addHelpText("after", `\nExample:\n  millpond batch stop ${example} --reason "wrong input"`)
    .action(async (id: string, options) => (await import("./change-batch.ts")).changeBatch("stop", id, options));
}

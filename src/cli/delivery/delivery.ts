import { Command } from "commander";
import { clientCommand } from "../connection/client-command.ts";
import {
  batchId,
  deliveryIds,
  deliveryStateNames,
  deliveryTriggerNames,
  oneOf,
  taskId,
} from "../input/task-options.ts";
import { integerBetween } from "../option-values.ts";

const example = "01990000-0000-7000-8000-000000000000";

/** deliveryCommand is `millpond delivery`: shows the webhook calls that tell of ends, and makes them again. */
export function deliveryCommand(): Command {
  return new Command("delivery")
    .description("see and repeat deliveries: the webhook calls that tell of ends")
    .addHelpText(
      "after",
      `
Examples:
  millpond delivery list --state EXHAUSTED
  millpond delivery replay --host hooks.example.com`,
    )
    .addCommand(listCommand())
    .addCommand(replayCommand());
}

function listCommand(): Command {
  return clientCommand("list")
    .description("list deliveries, newest first")
    .option("--task <id>", "of this task", taskId)
    .option("--batch <id>", "of this batch and of its tasks", batchId)
    .option(
      "--state <state>",
      `in this state; repeatable (${deliveryStateNames.join(", ")})`,
      oneOf(deliveryStateNames),
    )
    .option("--host <host>", "to this host, with its port where that is not the scheme's own")
    .option(
      "--trigger <trigger>",
      `that tell of this; repeatable (${deliveryTriggerNames.join(", ")})`,
      oneOf(deliveryTriggerNames),
    )
    .option("--limit <n>", "how many at most", integerBetween(1, 1_000_000), 50)
    .option("--page-token <token>", "go on behind an earlier list: the nextPageToken of its --json")
    .addHelpText(
      "after",
      `
Examples:
  millpond delivery list --state EXHAUSTED,PENDING
  millpond delivery list --batch ${example} --trigger FAILURE
  millpond delivery list --host hooks.example.com --limit 1000 --json`,
    )
    .action(async (options) => (await import("./list-deliveries.ts")).listDeliveries(options));
}

function replayCommand(): Command {
  return clientCommand("replay")
    .description("make deliveries again: those named, or the EXHAUSTED ones of a task, of a batch or to a host")
    .argument("[id...]", "these deliveries, all or none, in whatever state; `delivery list` shows them", deliveryIds)
    .option("--task <id>", "the EXHAUSTED deliveries of this task", taskId)
    .option("--batch <id>", "the EXHAUSTED deliveries of this batch and of its tasks", batchId)
    .option("--host <host>", "the EXHAUSTED deliveries to this host, as `delivery list` takes it")
    .addHelpText(
      "after",
      `
Receivers tell a call that they have had by its webhook-id, which is the delivery's id.

Examples:
  millpond delivery replay ${example}
  millpond delivery replay --batch ${example}
  millpond delivery replay --host 10.1.2.3:8080`,
    )
    .action(async (ids: string[] | undefined, options) =>
      (await import("./replay-deliveries.ts")).replayDeliveries(ids ?? [], options),
    );
}

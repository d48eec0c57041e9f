import { type UpdateBatchRulesResponse, UpdateBatchRulesResponseSchema } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { printable } from "../terminal/text-width.ts";
import { readRulesFile } from "./rules-file.ts";

interface Options extends ConnectionOptions {
  readonly kind: string;
  readonly none?: boolean;
  readonly reason?: string;
  readonly etag?: string;
  readonly requestId?: string;
  readonly dryRun?: boolean;
}

/** setRules is what `millpond rule set` does. */
export async function setRules(batchId: string, path: string | undefined, options: Options): Promise<void> {
  const { kind, none = false, reason = "", etag = "", requestId = "", dryRun = false } = options;
  if ((path !== undefined) === none) {
    throw new CommandFailure(
      "say what the rules are: a FILE (- for standard input), or --none to take them away",
      exitCodes.misuse,
    );
  }
  const file = path === undefined ? undefined : await readRulesFile(path, "rules");
  await withServer(options, async ({ client, signal, screen, json }) => {
    const rules = [...(file?.rules ?? [])];
    const answer = await client.batches
      .updateBatchRules({ batchId, kind, rules, reason, etag, requestId, validateOnly: dryRun }, { signal })
      .catch((error: unknown) => {
        throw file?.explain(error) ?? error;
      });
    if (json) printJson(UpdateBatchRulesResponseSchema, answer);
    else screen.line(outcome(answer, printable(kind), dryRun));
  });
}

function outcome({ updated, wouldStart, wouldWait }: UpdateBatchRulesResponse, kind: string, dryRun: boolean): string {
  const tasks = `${updated} ${updated === 1n ? "task" : "tasks"} of kind ${kind}`;
  const effect = `of those that may start, they let ${wouldStart} in and hold ${wouldWait}`;
  return dryRun
    ? `Nothing was changed. The rules would be those of ${tasks}; ${effect}.`
    : `The rules are those of ${tasks}; ${effect}.`;
}

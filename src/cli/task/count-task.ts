import { AddCountsResponseSchema, ErrorReason } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";

interface Options extends ConnectionOptions {
  readonly success?: number;
  readonly failure?: number;
  readonly requestId?: string;
}

/** countTask is what `millpond task count` does. Fails with a CommandFailure when nothing was counted. */
export async function countTask(taskId: string, { success, failure, requestId = "", ...options }: Options) {
  if (success === undefined && failure === undefined) {
    throw new CommandFailure("say what is counted: --success, --failure, or both", exitCodes.misuse);
  }
  const count = { taskId, success: BigInt(success ?? 0), failure: BigInt(failure ?? 0) };
  await withServer(options, async ({ client, signal, screen, json }) => {
    const answer = await client.tasks.addCounts({ counts: [count], requestId }, { signal });
    if (json) printJson(AddCountsResponseSchema, answer);
    const error = answer.rejections[0]?.error;
    if (error) throw new CommandFailure(`${error.message} (${ErrorReason[error.reason]})`);
    if (!json) screen.line(`${taskId}  counted ${count.success} done, ${count.failure} failed`);
  });
}

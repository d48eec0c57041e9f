import { GetTaskResponseSchema } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { printAttempts, printTask } from "./task-details.ts";

/** getTask is what `millpond task get` does. */
export async function getTask(taskId: string, options: ConnectionOptions): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const answer = await client.tasks.getTask({ taskId }, { signal });
    if (json) return printJson(GetTaskResponseSchema, answer);
    const nowMs = Date.now();
    if (answer.task) printTask(screen, answer.task, nowMs);
    printAttempts(screen, answer.attempts, nowMs);
  });
}

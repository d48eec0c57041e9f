import { ExplainTaskResponseSchema, type Task, TaskStatus } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { styled } from "../terminal/screen.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { printable } from "../terminal/text-width.ts";
import { clockTime, relativeTime } from "../terminal/time-text.ts";
import { printBlockers } from "./blocker-text.ts";
import { failureText } from "./task-details.ts";

/** explainTask is what `millpond task explain` does. */
export async function explainTask(taskId: string, options: ConnectionOptions): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const answer = await client.tasks.explainTask({ taskId }, { signal });
    if (json) return printJson(ExplainTaskResponseSchema, answer);
    const { task, blockers } = answer;
    if (!task) return;
    const nowMs = Date.now();
    const status = styled(screen, statusStyle(task.status) ?? "bold", TaskStatus[task.status] ?? "");
    screen.line(`${status}  ${styled(screen, "bold", printable(task.name))}  ${task.taskId}`);
    if (blockers.length === 0) screen.line(`  ${printable(unblockedText(task, nowMs))}`);
    printBlockers(screen, blockers, nowMs);
  });
}

/** Why there is nothing that keeps it from running. */
function unblockedText(
  { status, attempt, workerId, runTime, claimTime, endTime, ...task }: Task,
  nowMs: number,
): string {
  switch (status) {
    case TaskStatus.RUNNING:
      return `It is running, since ${clockTime(runTime)} (${relativeTime(runTime, nowMs)}): attempt ${attempt}${workerId === "" ? "" : `, by ${workerId}`}.`;
    case TaskStatus.CLAIMED:
      return `Its start webhook is being called, since ${clockTime(claimTime)} (${relativeTime(claimTime, nowMs)}): attempt ${attempt}.`;
    case TaskStatus.SUCCESS:
    case TaskStatus.FAILURE:
    case TaskStatus.CANCELED:
    case TaskStatus.SKIPPED: {
      const why = failureText(task.failure) || task.cancelReason;
      const again = status === TaskStatus.SUCCESS ? "" : " `millpond task retry` runs it again.";
      return `It ended ${relativeTime(endTime, nowMs)}${why === "" ? "" : `: ${why}`}.${again}`;
    }
    case TaskStatus.UNSPECIFIED:
    case TaskStatus.WAITING:
    case TaskStatus.PENDING:
    case TaskStatus.PAUSED:
      return "Nothing keeps it: it starts this moment.";
  }
}

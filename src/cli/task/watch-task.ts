import {
  type Event,
  GetTaskResponseSchema,
  type Task,
  TaskStatus,
  type TaskStatusChanged,
  watchEvents,
} from "@millpond/sdk";
import { CommandFailure } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { type Screen, styled } from "../terminal/screen.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { printable } from "../terminal/text-width.ts";
import { clockTime } from "../terminal/time-text.ts";
import { printBlockers } from "./blocker-text.ts";
import { countsText, failureText, printTask } from "./task-details.ts";

const ended: ReadonlySet<TaskStatus> = new Set([
  ...[TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.CANCELED, TaskStatus.SKIPPED],
]);

/** watchTask is what `millpond task watch` does: it ends with the task. Fails with a CommandFailure unless that succeeded. */
export async function watchTask(taskId: string, options: ConnectionOptions): Promise<void> {
  await withServer(options, async (session) => {
    const { client, signal, screen, json } = session;
    // Also to say at once that there is no such task: a watch would wait for it.
    const { task } = await client.tasks.getTask({ taskId }, { signal });
    if (task && !ended.has(task.status)) await follow(task, session);
    signal.throwIfAborted();
    const answer = await client.tasks.getTask({ taskId }, { signal });
    if (json) printJson(GetTaskResponseSchema, answer);
    else if (answer.task) printTask(screen, answer.task, Date.now());
    const status = answer.task?.status ?? TaskStatus.UNSPECIFIED;
    if (status !== TaskStatus.SUCCESS) throw new CommandFailure(`task ${taskId} ended as ${TaskStatus[status]}`);
  });
}

/** Shows each change until the task has ended. */
async function follow(task: Task, { client, signal, screen, json, onTrouble }: Session): Promise<void> {
  const { taskId } = task;
  let hasExplained = json;
  const watch = watchEvents(
    client,
    { filter: { taskIds: [taskId] }, snapshot: true },
    { signal, onInterrupted: onTrouble },
  );
  for await (const { message } of watch) {
    if (message.case === "snapshot") {
      for (const { status } of message.value.tasks) {
        if (ended.has(status)) return;
        if (!hasExplained) screen.line(`${clockTime(undefined)}  ${styledStatus(screen, status)}`);
      }
    } else if (message.case === "snapshotDone" && !hasExplained) {
      hasExplained = true;
      printBlockers(screen, (await client.tasks.explainTask({ taskId }, { signal })).blockers, Date.now());
    } else if (message.case === "events") {
      for (const event of message.value.events) {
        if (!json) show(screen, event);
        if (event.payload.case === "taskStatusChanged" && ended.has(event.payload.value.to)) return;
      }
    }
  }
}

function show(screen: Screen, { eventTime, payload }: Event): void {
  const text =
    payload.case === "taskStatusChanged"
      ? changeText(screen, payload.value)
      : payload.case === "taskCountsChanged"
        ? `counted: ${countsText(payload.value.successCount, payload.value.failureCount, undefined)}`
        : payload.case === "taskUpdated"
          ? `changed: ${payload.value.paths.join(", ")}`
          : undefined;
  if (text !== undefined) screen.line(`${clockTime(eventTime)}  ${text}`);
}

function changeText(screen: Screen, { to, attempt, workerId, failure, cancelReason }: TaskStatusChanged): string {
  const why = failureText(failure) || cancelReason;
  return [
    styledStatus(screen, to),
    ...(attempt > 0 && !ended.has(to) ? [`attempt ${attempt}`] : []),
    ...(workerId !== "" && to === TaskStatus.RUNNING ? [`by ${printable(workerId)}`] : []),
    ...(why === "" ? [] : [printable(why)]),
  ].join("  ");
}

function styledStatus(screen: Screen, status: TaskStatus): string {
  const name = TaskStatus[status] ?? String(status);
  const style = statusStyle(status);
  return style ? styled(screen, style, name) : name;
}

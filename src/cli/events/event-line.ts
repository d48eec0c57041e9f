import { BatchStatus, type Event, TaskStatus, type TaskStatusChanged } from "@millpond/sdk";
import { countsText, failureText } from "../task/task-details.ts";
import { type Screen, styled } from "../terminal/screen.ts";
import { batchStatusStyle, statusStyle } from "../terminal/status-style.ts";
import { cut, printable, textWidth } from "../terminal/text-width.ts";
import { clockTime } from "../terminal/time-text.ts";

const statusWidth = 8;
const kindWidth = 16;

/** eventLine is an event as one line, on a terminal no wider than that: when, of what, and what happened. */
export function eventLine(screen: Pick<Screen, "width" | "hasColours">, event: Event): string {
  const { eventTime, batchId, taskId, kind } = event;
  const { status, style, text } = tell(event);
  const subject = taskId === "" ? `batch ${batchId}` : `task  ${taskId}`;
  const start = `${clockTime(eventTime)}  ${subject}  `;
  const padded = status.padEnd(statusWidth);
  const shown = style ? styled(screen, style, padded) : padded;
  const rest = [...(kind === "" ? [] : [printable(kind).padEnd(kindWidth)]), ...(text === "" ? [] : [text])].join("  ");
  const width = screen.width - textWidth(start) - statusWidth - 2;
  return width < 1 ? `${start}${shown}`.trimEnd() : `${start}${shown}  ${cut(rest, width)}`.trimEnd();
}

function tell({ payload }: Event): { status: string; style?: ReturnType<typeof statusStyle>; text: string } {
  switch (payload.case) {
    case "taskCreated": {
      const { status, key, name, parentCount } = payload.value;
      const after = parentCount > 0 ? `, after ${parentCount}` : "";
      return { status: TaskStatus[status] ?? "", style: statusStyle(status), text: `created: ${key || name}${after}` };
    }
    case "taskStatusChanged":
      return {
        status: TaskStatus[payload.value.to] ?? "",
        style: statusStyle(payload.value.to),
        text: changeText(payload.value),
      };
    case "taskCountsChanged":
      return { status: "counted", text: countsText(payload.value.successCount, payload.value.failureCount, undefined) };
    case "taskUpdated":
      return { status: "changed", text: payload.value.paths.join(", ") };
    case "batchStatusChanged": {
      const { from, to, open, stopReason } = payload.value;
      const what = from === BatchStatus.UNSPECIFIED ? "created" : from === to && !open ? "sealed" : "";
      return {
        status: BatchStatus[to] ?? "",
        style: batchStatusStyle(to),
        text: [what, stopReason].filter(Boolean).join("  "),
      };
    }
    case undefined:
      return { status: "", text: "a change that this version of the command does not know" };
  }
}

function changeText({ from, to, attempt, workerId, failure, cancelReason }: TaskStatusChanged): string {
  const why = failureText(failure) || cancelReason;
  const by = to === TaskStatus.RUNNING && workerId !== "" ? ` by ${workerId}` : "";
  const which = attempt > 0 ? `, attempt ${attempt}${by}` : "";
  return `was ${TaskStatus[from]}${which}${why === "" ? "" : `: ${why}`}`;
}

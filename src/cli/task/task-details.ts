import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { FailureCause, type Task, type TaskAttempt, type TaskFailure, TaskStatus } from "@millpond/sdk";
import { ruleText } from "../rule/rule-text.ts";
import { type Screen, styled } from "../terminal/screen.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { cut, printable } from "../terminal/text-width.ts";
import { between, durationText, lengthOf, relativeTime } from "../terminal/time-text.ts";

const labelWidth = 12;

/** printTask writes what there is to know about a task, for people. */
export function printTask(screen: Screen, task: Task, nowMs: number): void {
  const { status, name, taskId } = task;
  const head = `${styled(screen, statusStyle(status) ?? "bold", TaskStatus[status] ?? "")}  ${styled(screen, "bold", printable(name))}`;
  screen.line(`${head}  ${taskId}`);
  for (const [label, text] of details(task, nowMs)) {
    // An id that is cut is of no use.
    const fits = label === "batch" ? text : cut(text, screen.width - labelWidth - 4);
    if (text !== "") screen.line(`  ${label.padEnd(labelWidth)}  ${fits}`);
  }
}

/** printAttempts writes the history of a task's attempts as a table. */
export function printAttempts(screen: Screen, attempts: readonly TaskAttempt[], nowMs: number): void {
  const columns: Column<TaskAttempt>[] = [
    { title: "  TRY", text: ({ attempt }) => String(attempt), alignRight: true },
    { title: "STATUS", text: ({ status }) => TaskStatus[status] ?? "", style: ({ status }) => statusStyle(status) },
    { title: "STARTED", text: ({ startTime }) => relativeTime(startTime, nowMs), dropRank: 3 },
    { title: "TOOK", text: ({ startTime, endTime }) => took(between(startTime, endTime)), dropRank: 2 },
    { title: "WORKER", text: ({ workerId }) => workerId, cutTo: 10, dropRank: 4 },
    { title: "WHY", text: ({ failure, cancelReason }) => failureText(failure) || cancelReason, cutTo: 20, dropRank: 1 },
  ];
  if (attempts.length > 0) for (const line of drawRows(screen, columns, attempts)) screen.line(line);
}

/** failureText says on one line why something failed: its cause or code, and the message; empty where nothing did. */
export function failureText(failure: TaskFailure | undefined): string {
  if (!failure) return "";
  const { cause, code, message } = failure;
  const name = cause === FailureCause.REPORTED ? code : (FailureCause[cause] ?? "");
  return [name, message.replace(/\s*\n\s*/g, " ⏎ ")].filter((text) => text !== "").join(": ");
}

function details(task: Task, nowMs: number): [string, string][] {
  const { dependencies, successCount, failureCount, expectedCount, execution, attempt, workerId } = task;
  const counted = successCount > 0n || failureCount > 0n || expectedCount !== undefined;
  const runs = between(task.runTime, task.endTime);
  return [
    ["kind", task.kind],
    ["key", task.key],
    ["batch", task.batchId],
    ["starts by", execution.case === "onStart" ? execution.value.url : ""],
    ["labels", execution.case === "worker" ? labelsText(execution.value.requiredLabels) : ""],
    ["priority", task.priority === 0 ? "" : String(task.priority)],
    ["turns with", task.fairnessKey],
    [
      "depends on",
      dependencies.length === 0 ? "" : dependencies.length === 1 ? "1 task" : `${dependencies.length} tasks`,
    ],
    ["attempt", attempt === 0 ? "" : `${attempt}${workerId ? ` by ${workerId}` : ""}`],
    ["created", relativeTime(task.createTime, nowMs)],
    ["not before", task.endTime ? "" : relativeTime(task.startTime, nowMs)],
    ["started", relativeTime(task.runTime, nowMs)],
    ["last sign", task.endTime ? "" : relativeTime(task.activityTime, nowMs)],
    ["ended", `${relativeTime(task.endTime, nowMs)}${runs === undefined ? "" : `, after ${durationText(runs)}`}`],
    ["may run for", lengthOf(task.executionTimeout)],
    ["must end in", lengthOf(task.totalTimeout)],
    ["rules", task.rules.map(ruleText).join("; ")],
    ["counts", counted ? countsText(successCount, failureCount, expectedCount) : ""],
    ["progress", jsonText(task.progress)],
    ["metadata", task.metadata && Object.keys(task.metadata).length > 0 ? JSON.stringify(task.metadata) : ""],
    ["input", jsonText(task.input)],
    ["output", jsonText(task.output)],
    ["failure", failureText(task.failure)],
    ["canceled", task.cancelReason],
  ];
}

/** countsText says how many items were counted. */
export function countsText(success: bigint, failure: bigint, expected: bigint | undefined): string {
  return `${success} done, ${failure} failed${expected === undefined ? "" : `, of ${expected}`}`;
}

/** labelsText is labels on one line: `gpu=a100, zone=b`. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

function jsonText(value: Value | undefined): string {
  return value ? JSON.stringify(toJson(ValueSchema, value) as JsonValue) : "";
}

function took(ms: number | undefined): string {
  return ms === undefined ? "" : durationText(ms);
}

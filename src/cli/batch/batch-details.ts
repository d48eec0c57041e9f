import { type Batch, BatchStatus } from "@millpond/sdk";
import { countsText } from "../task/task-details.ts";
import { type Screen, styled } from "../terminal/screen.ts";
import { batchStatusStyle } from "../terminal/status-style.ts";
import { cut, printable } from "../terminal/text-width.ts";
import { between, durationText, relativeTime } from "../terminal/time-text.ts";

const labelWidth = 12;

/** printBatch writes what there is to know about a batch, for people. */
export function printBatch(screen: Screen, batch: Batch, nowMs: number): void {
  const { status, batchId, name } = batch;
  const head = styled(screen, batchStatusStyle(status) ?? "bold", BatchStatus[status] ?? "");
  screen.line([head, ...(name === "" ? [] : [styled(screen, "bold", printable(name))]), batchId].join("  "));
  for (const [label, text] of details(batch, nowMs)) {
    if (text !== "") screen.line(`  ${label.padEnd(labelWidth)}  ${cut(text, screen.width - labelWidth - 4)}`);
  }
}

/** statsText says how a batch's tasks stand. */
export function statsText({ stats }: Batch): string {
  const counts = Object.entries(stats?.byStatus ?? {}).map(([status, count]) => `${count} ${status}`);
  return counts.join(", ") || "none";
}

function details(batch: Batch, nowMs: number): [string, string][] {
  const { stats, metadata, createTime, endTime } = batch;
  const { successCount = 0n, failureCount = 0n, expectedCount } = stats ?? {};
  const counted = successCount > 0n || failureCount > 0n || expectedCount !== undefined;
  const wallMs = between(createTime, endTime);
  return [
    ["tasks", statsText(batch)],
    ["takes more", batch.open ? "yes, until it is sealed" : ""],
    ["counts", counted ? countsText(successCount, failureCount, expectedCount) : ""],
    ["created", relativeTime(createTime, nowMs)],
    ["ended", wallMs === undefined ? "" : `${relativeTime(endTime, nowMs)}, after ${durationText(wallMs)}`],
    ["stopped", batch.stopReason],
    ["metadata", metadata && Object.keys(metadata).length > 0 ? JSON.stringify(metadata) : ""],
  ];
}

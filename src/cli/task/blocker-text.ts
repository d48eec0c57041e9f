import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Blocker,
  DependencyCondition,
  type NoWorkerBlocker,
  type PausedBlocker,
  type RuleBlocker,
  TaskStatus,
  type UnmetDependencies,
  type UnreachedHostBlocker,
} from "@millpond/sdk";
import type { Screen } from "../terminal/screen.ts";
import { printable } from "../terminal/text-width.ts";
import { relativeTime } from "../terminal/time-text.ts";

const listedMax = 10;

/** printBlockers writes each blocker as a sentence. */
export function printBlockers(screen: Screen, blockers: readonly Blocker[], nowMs: number): void {
  for (const blocker of blockers) screen.line(`  ${printable(blockerText(blocker, nowMs))}`);
}

/** blockerText says for people what keeps a task from running, and what would let it go. */
export function blockerText({ blocker }: Blocker, nowMs: number): string {
  switch (blocker.case) {
    case "dependencies":
      return dependenciesText(blocker.value);
    case "rule":
      return ruleText(blocker.value, nowMs);
    case "startTime":
      return `It does not start before ${whenText(blocker.value, nowMs)}: it was given this time, or backs off after a failed attempt.`;
    case "paused":
      return pausedText(blocker.value);
    case "noWorker":
      return noWorkerText(blocker.value);
    case "queue":
      return `Its turn has not come: ${counted(blocker.value.aheadCount, "task")} of its kind ${isOrAre(blocker.value.aheadCount)} ahead of it.`;
    case "unreachedHost":
      return hostText(blocker.value, nowMs);
    case undefined:
      return "Something keeps it that this version of the command does not know.";
  }
}

function dependenciesText({ unmetCount, totalCount, parents }: UnmetDependencies): string {
  const listed = parents.slice(0, listedMax).map(({ key, taskId, status, condition }) => {
    const name = key === "" ? taskId : `${key} (${taskId})`;
    return `${name}, which is ${TaskStatus[status]} and must ${mustText(condition)}`;
  });
  const hidden = Number(unmetCount) - listed.length;
  const more = hidden > 0 ? `; and ${hidden} more` : "";
  return `It waits for ${unmetCount} of ${counted(totalCount, "dependency", "dependencies")}: ${listed.join("; ")}${more}.`;
}

function mustText(condition: DependencyCondition): string {
  switch (condition) {
    case DependencyCondition.UNSPECIFIED:
    case DependencyCondition.SUCCESS:
      return "succeed";
    case DependencyCondition.COMPLETED:
      return "end";
    case DependencyCondition.FAILURE:
      return "fail";
  }
}

function ruleText({ rule, key, inUse, limit, holders, queuePosition, freeTime }: RuleBlocker, nowMs: number): string {
  const name = rule?.name ? `The rule "${rule.name}"` : "A rule";
  const listed = holders.map(({ taskId, holdTime }) => `${taskId} (${relativeTime(holdTime, nowMs)})`);
  const held = listed.length === 0 ? "" : `, held by ${listed.join(", ")}`;
  const free = freeTime ? `; the next start is free ${relativeTime(freeTime, nowMs)}` : "";
  const place = queuePosition > 0n ? ` It is number ${queuePosition} in the queue.` : "";
  return `${name} has no room for the key ${key}: ${usageText(rule?.limit.case, inUse, limit)}${held}${free}.${place}`;
}

function usageText(limit: string | undefined, inUse: bigint, max: bigint): string {
  switch (limit) {
    case "maxCapacity":
      return `${inUse} of work is in flight, and ${max} may be`;
    case "rate":
      return `${inUse} of ${max} starts of this window have been made`;
    default:
      return `${inUse} of ${max} ${isOrAre(max)} running`;
  }
}

function pausedText({ task, batch }: PausedBlocker): string {
  if (task && batch)
    return "It is paused, and so is its batch: `millpond task resume` and `millpond batch resume` let it go.";
  return task
    ? "It is paused: `millpond task resume` lets it go."
    : "Its batch is paused: `millpond batch resume` lets it go.";
}

function noWorkerText({ kind, requiredLabels, kindCount, matchingCount }: NoWorkerBlocker): string {
  const labels = Object.entries(requiredLabels).map(([name, value]) => `${name}=${value}`);
  const command = ["millpond worker --kind", kind, ...labels.flatMap((label) => ["--label", label]), "-- PROGRAM"].join(
    " ",
  );
  if (kindCount === 0n) return `No worker of kind "${kind}" is connected; start one, such as: ${command}`;
  if (matchingCount === 0n) {
    const workers = `${counted(kindCount, "worker")} of kind "${kind}" ${isOrAre(kindCount)} connected, none`;
    return `${workers} with the labels that it requires (${labels.join(", ")}); start one, such as: ${command}`;
  }
  return `${counted(matchingCount, "worker")} that could run it ${isOrAre(matchingCount)} connected, and none has a free slot.`;
}

function hostText({ host, retryTime }: UnreachedHostBlocker, nowMs: number): string {
  const isTrying = !retryTime || timestampMs(retryTime) <= nowMs;
  const next = isTrying ? "a call is trying it right now" : `the next call tries it ${relativeTime(retryTime, nowMs)}`;
  return `The host of its start webhook, ${host}, is not reached; ${next}.`;
}

function whenText(time: Timestamp, nowMs: number): string {
  return `${new Date(timestampMs(time)).toISOString()} (${relativeTime(time, nowMs)})`;
}

function counted(count: bigint, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1n ? singular : plural}`;
}

function isOrAre(count: bigint): string {
  return count === 1n ? "is" : "are";
}

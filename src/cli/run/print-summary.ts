import { type Screen, styled } from "../terminal/screen.ts";
import { durationText } from "../terminal/time-text.ts";
import type { RunSummary } from "./run-summary.ts";

const listedMax = 10;

/** printSummary writes a run's summary for people. */
export function printSummary(screen: Screen, summary: RunSummary): void {
  const { status, critical_path: path, overhead_ms: overhead, dependencies } = summary;
  const colour = status === "SUCCESS" ? "green" : "red";
  const byStatus = Object.entries(summary.tasks_by_status).map(([name, count]) => `${grouped(count)} ${name}`);
  const lines: [string, string][] = [
    ["tasks", byStatus.join(", ") || "none"],
    ["wall time", seconds(summary.wall_seconds)],
    ["recorded time", `${durationText(summary.recorded_seconds * 1000)} of programs, run ${speed(summary.speedup)}`],
    ["critical path", criticalPathText(path, summary.speedup)],
    ["engine overhead", overheadText(overhead)],
    ["dependencies", dependenciesText(dependencies)],
  ];
  screen.line("");
  screen.line(`${styled(screen, colour, status)}  ${styled(screen, "bold", summary.workflow)}  ${summary.batch_id}`);
  for (const [name, text] of lines) screen.line(`  ${name.padEnd(16)}  ${text}`);
  if (summary.source) screen.line(`  ${"source".padEnd(16)}  ${summary.source}`);
  for (const { task, status: ended, reason } of summary.failures) {
    screen.line(`  ${styled(screen, "red", ended)} ${task}: ${reason}`);
  }
  for (const violation of dependencies.violations.slice(0, listedMax)) {
    screen.line(styled(screen, "red", `  VIOLATION ${violation}`));
  }
}

function criticalPathText({ tasks, seconds: length, first, last }: RunSummary["critical_path"], by: number): string {
  if (tasks === 0) return "none";
  const ends = tasks === 1 ? first : `${first} → ${last}`;
  return `${counted(tasks)}, ${durationText(length * 1000)} recorded, ${seconds(length / by)} at this speed: ${ends}`;
}

function overheadText({ tasks, p50, p99, max }: RunSummary["overhead_ms"]): string {
  if (tasks === 0) return "not measured: no task has parents";
  const [typical, slow, slowest] = [p50, p99, max].map((ms) => `${ms.toFixed(1)} ms`);
  return `p50 ${typical}, p99 ${slow}, max ${slowest} from the last parent's success to the start, by the times of the server, not of workers (${counted(tasks)})`;
}

function dependenciesText({ checked, violations }: RunSummary["dependencies"]): string {
  if (violations.length === 0) return `${grouped(checked)} checked against the times of the events, all respected`;
  return `${grouped(violations.length)} of ${grouped(checked)} NOT respected`;
}

function speed(speedup: number): string {
  return speedup === 1 ? "as fast as recorded" : `${Number(speedup.toPrecision(3))} times as fast`;
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}

function counted(tasks: number): string {
  return tasks === 1 ? "1 task" : `${grouped(tasks)} tasks`;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

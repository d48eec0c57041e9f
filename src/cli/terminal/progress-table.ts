import { TaskStatus } from "@millpond/sdk";
import { type Screen, styled } from "./screen.ts";
import { fitted } from "./text-width.ts";

/** ProgressSource is what progress is counted from: the tasks of a run by any id, as they stand. */
export interface ProgressSource {
  readonly tasks: ReadonlyMap<string, { readonly kind: string; readonly status: TaskStatus }>;
}

/** KindProgress counts the tasks of one kind. */
export interface KindProgress {
  readonly kind: string;
  total: number;
  /** WAITING, PENDING or PAUSED. */
  waiting: number;
  /** CLAIMED or RUNNING. */
  running: number;
  succeeded: number;
  /** FAILURE, CANCELED or SKIPPED. */
  failed: number;
}

const nameWidthMax = 40;
/** What stands beside name and bar: `  1234/1234    1234 running 1234 failed  100.0 s`. */
const figuresWidth = 49;
const barWidthMax = 30;
/** Lines of the table that are no kind, and the line of the prompt. */
const otherRows = 5;

/** countKinds counts a run's tasks by kind, in the order in which the kinds first come. */
export function countKinds({ tasks }: ProgressSource): KindProgress[] {
  const kinds = new Map<string, KindProgress>();
  for (const { kind, status } of tasks.values()) {
    let counts = kinds.get(kind);
    if (!counts) {
      counts = { kind, total: 0, waiting: 0, running: 0, succeeded: 0, failed: 0 };
      kinds.set(kind, counts);
    }
    counts.total++;
    counts[columnOf(status)]++;
  }
  return [...kinds.values()];
}

/** totalOf adds kinds up. */
export function totalOf(kinds: readonly KindProgress[]): KindProgress {
  const total = { kind: "all", total: 0, waiting: 0, running: 0, succeeded: 0, failed: 0 };
  for (const kind of kinds) {
    total.total += kind.total;
    total.waiting += kind.waiting;
    total.running += kind.running;
    total.succeeded += kind.succeeded;
    total.failed += kind.failed;
  }
  return total;
}

/** drawTable is the progress as lines that fit the screen: a line for each kind, those under way first if not all fit. */
export function drawTable(screen: Screen, kinds: readonly KindProgress[], elapsedMs: number): string[] {
  const widest = Math.max(4, ...kinds.map(({ kind }) => [...kind].length));
  const nameWidth = Math.min(widest, nameWidthMax, Math.max(8, screen.columns - figuresWidth - 15));
  const barWidth = Math.max(0, Math.min(barWidthMax, screen.columns - nameWidth - figuresWidth));
  const row = (counts: KindProgress) => drawRow(screen, counts, nameWidth, barWidth);
  const shown = mostTelling(kinds, screen.rows - otherRows);
  const hidden = kinds.length - shown.length;
  return [
    "",
    ...shown.map(row),
    ...(hidden > 0 ? [styled(screen, "dim", `and ${hidden} more kinds`)] : []),
    `${row(totalOf(kinds))}  ${(elapsedMs / 1000).toFixed(1)} s`,
  ];
}

function drawRow(screen: Screen, counts: KindProgress, nameWidth: number, barWidth: number): string {
  const { kind, total, running, succeeded, failed } = counts;
  const ended = succeeded + failed;
  const figures = `${String(ended).padStart(6)}/${String(total).padEnd(6)}`;
  const activity = running > 0 ? `${running} running` : ended === total ? "done" : "waiting";
  const failures = failed > 0 ? styled(screen, "red", ` ${failed} failed`) : "";
  const style = ended === total ? "green" : running > 0 ? "cyan" : "dim";
  const name = styled(screen, style, fitted(kind, nameWidth));
  return `${name}  ${bar(screen, counts, barWidth)}${figures} ${activity.padEnd(12)}${failures}`;
}

function bar(screen: Screen, { total, running, succeeded, failed }: KindProgress, width: number): string {
  const ended = Math.floor((width * (succeeded + failed)) / total);
  const active = Math.min(width - ended, Math.ceil((width * running) / total));
  const rest = width - ended - active;
  const done = styled(screen, failed > 0 ? "red" : "green", "█".repeat(ended));
  return `${done}${styled(screen, "cyan", "▒".repeat(active))}${styled(screen, "dim", "·".repeat(rest))}`;
}

function mostTelling(kinds: readonly KindProgress[], count: number): readonly KindProgress[] {
  if (kinds.length <= count) return kinds;
  const rank = ({ running, waiting }: KindProgress) => (running > 0 ? 0 : waiting > 0 ? 1 : 2);
  const chosen = new Set([...kinds].sort((a, b) => rank(a) - rank(b)).slice(0, count - 1));
  return kinds.filter((kind) => chosen.has(kind));
}

function columnOf(status: TaskStatus): "waiting" | "running" | "succeeded" | "failed" {
  switch (status) {
    case TaskStatus.UNSPECIFIED:
    case TaskStatus.WAITING:
    case TaskStatus.PENDING:
    case TaskStatus.PAUSED:
      return "waiting";
    case TaskStatus.CLAIMED:
    case TaskStatus.RUNNING:
      return "running";
    case TaskStatus.SUCCESS:
      return "succeeded";
    case TaskStatus.FAILURE:
    case TaskStatus.CANCELED:
    case TaskStatus.SKIPPED:
      return "failed";
  }
}

import type { Bar, Figure } from "./bench-case.ts";
import type { CaseResult, FigureResult } from "./bench-result.ts";
import type { Machine } from "./machine.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** BenchReport is what one run of the benchmarks came to, and where. */
export interface BenchReport {
  readonly machine: Machine;
  readonly commit: string;
  readonly command: string;
  readonly date: string;
  readonly runs: number;
  /** Sizes were small: to see that everything works. */
  readonly quick: boolean;
  readonly cases: readonly CaseResult[];
}

/** renderReport writes the report as Markdown: where it was measured, then one table per case. */
export function renderReport(report: BenchReport): string {
  return `${[head(report), ...report.cases.map(renderCase)].join("\n\n")}\n`;
}

/** renderCase writes the table of one case: median (min–max) of each figure, its ratios and its bar. */
export function renderCase(result: CaseResult): string {
  const failure = result.failure === undefined ? [] : [`**Ended early:** ${cell(result.failure)}`];
  const rows = result.figures.map((each) => row(each, result.figures));
  const table = ["| what | median (min–max) | ratio | bar |", "|---|---|---|---|", ...rows].join("\n");
  return [`## ${result.title}`, result.about, ...failure, table].join("\n\n");
}

/** renderJson writes the report as JSON: every sample, and what they come to. */
export function renderJson(report: BenchReport): string {
  const cases = report.cases.map((each) => ({
    ...each,
    figures: each.figures.map((figure) => ({ ...figure, spread: spreadOf(figure.samples) })),
  }));
  return JSON.stringify({ ...report, cases }, null, 2);
}

/** formatNumber writes a figure with three digits that count, and thousands apart. */
export function formatNumber(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(digits, 4) });
}

function head({ machine, commit, command, date, runs, quick }: BenchReport): string {
  const lines = [
    `- machine: ${machine.cores} cores of ${machine.cpuModel}, ${machine.memoryGib} GiB of memory, ${machine.kernel}; load average before: ${machine.loadBefore.toFixed(2)}`,
    `- Node ${machine.node}, PostgreSQL ${machine.postgres}`,
    `- commit: ${commit}`,
    `- command: \`${command}\``,
    `- date: ${date}; ${runs} ${runs === 1 ? "run" : "runs"}${quick ? " of small sizes (`--quick`), not to quote" : ""}`,
  ];
  return [
    "# What Millpond does, beside its limits and its peers",
    "`npm run bench` writes this file. Millpond, its peers, the load and PostgreSQL share the machine and take turns, run by run; all use one PostgreSQL " +
      "with durable commits, each a database of its own. A ratio is Millpond's median over the other's of the same run. " +
      "The figures of ArcRun were published earlier and are not from this run.",
    lines.join("\n"),
  ].join("\n\n");
}

function row(result: FigureResult, all: readonly FigureResult[]): string {
  const { figure } = result;
  const spread = spreadOf(result.samples);
  const ratios = spread === undefined ? "" : ratiosOf(figure, spread, all).join("; ");
  const target = figure.bar === undefined ? undefined : targetOf(figure.bar, all);
  const bar = figure.bar === undefined ? "" : barCell(figure, spread, target);
  return `| ${cell(figure.title)} | ${measured(result, spread)} | ${ratios} | ${bar} |`;
}

function measured({ figure, notRun }: FigureResult, spread: Spread | undefined): string {
  if (spread === undefined) return notRun === undefined ? "not run" : `not run: ${cell(notRun)}`;
  const { median, min, max, count } = spread;
  const range = count === 1 ? "" : ` (${formatNumber(min)}–${formatNumber(max)})`;
  return `**${formatNumber(median)}**${range} ${figure.unit}`.trimEnd();
}

function ratiosOf(figure: Figure, spread: Spread, all: readonly FigureResult[]): string[] {
  const others = (figure.against ?? []).map((id) => otherOf(id, all));
  const published = [
    ...(figure.published ? [figure.published] : []),
    ...(figure.bar?.kind === "published" ? [figure.bar.of] : []),
  ];
  const named = [
    ...others.flatMap(({ title, median }) => (median === undefined ? [] : [{ name: title, value: median }])),
    ...published.map(({ name, value }) => ({
      name: `${name}'s ${formatNumber(value)} (published earlier, not from this run)`,
      value,
    })),
  ];
  return named
    .filter(({ value }) => value !== 0)
    .map(({ name, value }) => `${formatNumber(spread.median / value)} × ${cell(name)}`);
}

function barCell({ better }: Figure, spread: Spread | undefined, target: number | undefined): string {
  if (target === undefined) return "unknown: its limit was not run";
  const text = `${better === "less" ? "≤" : "≥"} ${formatNumber(target)}`;
  if (spread === undefined || target === 0) return text;
  const met = better === "less" ? spread.median <= target : spread.median >= target;
  return `${text}: ${met ? "met" : "missed"}, ${formatNumber(spread.median / target)} of it`;
}

/** The number that a bar stands for; undefined when what it is a share of was not measured. */
function targetOf(bar: Bar, all: readonly FigureResult[]): number | undefined {
  switch (bar.kind) {
    case "value":
      return bar.value;
    case "published":
      return bar.of.value * bar.times;
    case "share": {
      const { median } = otherOf(bar.of, all);
      return median === undefined ? undefined : median * bar.times;
    }
  }
}

function otherOf(id: string, all: readonly FigureResult[]): { title: string; median: number | undefined } {
  const other = all.find(({ figure }) => figure.id === id);
  if (other === undefined) throw new Error(`a figure refers to "${id}", which its case does not have`);
  return { title: other.figure.title, median: spreadOf(other.samples)?.median };
}

/** What stands in a cell of a table: one line without bars. */
function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

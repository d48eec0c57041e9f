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

/**
 * renderCase writes the table of one case: median (min–max) of each figure, its ratios and its bar; and the bar as a ratio,
 * where the case measures what a bar was set beside.
 */
export function renderCase(result: CaseResult): string {
  const failure = result.failure === undefined ? [] : [`**Ended early:** ${cell(result.failure)}`];
  const rows = result.figures.map((each) => row(each, result.figures));
  const columns = ["what", "median (min–max)", "ratio", "bar"];
  if (rows.some(({ length }) => length > columns.length)) columns.push("bar as a ratio");
  const lines = [columns, ...rows].map((cells) => `| ${columns.map((_, n) => cells[n] ?? "").join(" | ")} |`);
  const table = lines.toSpliced(1, 0, `|${"---|".repeat(columns.length)}`).join("\n");
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
      "with durable commits, each a database of its own. A ratio is Millpond's median over the other's of the same run.",
    "The numbers of the bars come from another machine (two shared cores, Debian 12, PostgreSQL 15), where they were set beside what limits and peers " +
      "reached. Where this run measures the same limit or peer, `bar as a ratio` says what part of that the bar was there, and whether Millpond reaches the same " +
      "part of it here: to judge by on a slower or a faster machine, not in place of the bar. ArcRun is measured when `BENCH_ARCRUN` names its program; " +
      "otherwise its figures are those published earlier, of that other machine and not from this run.",
    lines.join("\n"),
  ].join("\n\n");
}

/** The cells of a figure; the last one only where its bar was set beside something that the case measures. */
function row(result: FigureResult, all: readonly FigureResult[]): string[] {
  const { figure } = result;
  const spread = spreadOf(result.samples);
  const references = referencesOf(figure.bar, all);
  const ratios = spread === undefined ? "" : ratiosOf({ figure, spread, references, all }).join("; ");
  const bar = figure.bar === undefined ? "" : barCell(figure, spread, targetOf(figure.bar, all));
  const asRatio = references.map((reference) => barAsRatio(figure, spread, reference)).join("; ");
  return [cell(figure.title), measured(result, spread), ratios, bar, ...(asRatio === "" ? [] : [asRatio])];
}

function measured({ figure, notRun }: FigureResult, spread: Spread | undefined): string {
  if (spread === undefined) return notRun === undefined ? "not run" : `not run: ${cell(notRun)}`;
  const { median, min, max, count } = spread;
  const range = count === 1 ? "" : ` (${formatNumber(min)}–${formatNumber(max)})`;
  return `**${formatNumber(median)}**${range} ${figure.unit}`.trimEnd();
}

interface Compared {
  readonly title: string;
  /** Of this run; undefined when it was not measured. */
  readonly median: number | undefined;
}

/** What a bar was set beside. */
interface ComparedReference extends Compared {
  /** What it came to where the bar's number comes from. */
  readonly there: number;
  /** The bar over that. */
  readonly times: number;
}

/** To what the run measured; and to what was published of the references that it did not measure. */
function ratiosOf(of: {
  readonly figure: Figure;
  readonly spread: Spread;
  readonly references: readonly ComparedReference[];
  readonly all: readonly FigureResult[];
}): string[] {
  const others = (of.figure.against ?? []).map((id) => otherOf(id, of.all));
  const named = [
    ...others.flatMap(({ title, median }) => (median === undefined ? [] : [{ name: title, value: median }])),
    ...of.references
      .filter(({ median }) => median === undefined)
      .map(({ title, there }) => ({
        name: `${title}: ${formatNumber(there)}, published earlier, not from this run`,
        value: there,
      })),
  ];
  return named
    .filter(({ value }) => value !== 0)
    .map(({ name, value }) => `${formatNumber(of.spread.median / value)} × ${cell(name)}`);
}

function barCell(figure: Figure, spread: Spread | undefined, target: number | undefined): string {
  if (target === undefined) return "unknown: its limit was not run";
  return `${sign(figure)} ${formatNumber(target)}${verdict(figure, spread, target)}`;
}

/** A bar as what it is of a reference, and what this run's measure of that makes of it. */
function barAsRatio(figure: Figure, spread: Spread | undefined, { title, median, times }: ComparedReference): string {
  const text = `${sign(figure)} ${formatNumber(times)} × ${cell(title)}`;
  if (median === undefined) return `${text}, which was not run`;
  const target = median * times;
  return `${text}, here ${formatNumber(target)}${verdict(figure, spread, target)}`;
}

function sign({ better }: Figure): string {
  return better === "less" ? "≤" : "≥";
}

function verdict({ better }: Figure, spread: Spread | undefined, target: number): string {
  if (spread === undefined || target === 0) return "";
  const met = better === "less" ? spread.median <= target : spread.median >= target;
  return `: ${met ? "met" : "missed"}, ${formatNumber(spread.median / target)} of it`;
}

function referencesOf(bar: Bar | undefined, all: readonly FigureResult[]): ComparedReference[] {
  if (bar?.kind !== "value") return [];
  return (bar.beside ?? []).map(({ of, value }) => ({ ...otherOf(of, all), there: value, times: bar.value / value }));
}

/** The number that a bar stands for; undefined when what it is a share of was not measured. */
function targetOf(bar: Bar, all: readonly FigureResult[]): number | undefined {
  switch (bar.kind) {
    case "value":
      return bar.value;
    case "share": {
      const { median } = otherOf(bar.of, all);
      return median === undefined ? undefined : median * bar.times;
    }
  }
}

function otherOf(id: string, all: readonly FigureResult[]): Compared {
  const other = all.find(({ figure }) => figure.id === id);
  if (other === undefined) throw new Error(`a figure refers to "${id}", which its case does not have`);
  return { title: other.figure.title, median: spreadOf(other.samples)?.median };
}

/** What stands in a cell of a table: one line without bars. */
function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

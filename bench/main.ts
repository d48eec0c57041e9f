import { accessSync, constants, writeFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { positiveInteger } from "../src/cli/option-values.ts";
import { listenForStop } from "../src/cli/stop-signals.ts";
import { allCases } from "./cases/all-cases.ts";
import type { BenchCase } from "./support/bench-case.ts";
import { startBenchmarkPostgres } from "./support/benchmark-postgres.ts";
import { describeCommit, describeMachine } from "./support/machine.ts";
import { type BenchReport, renderCase, renderJson, renderReport } from "./support/report.ts";
import { runCases } from "./support/run-cases.ts";

interface Options {
  readonly runs: number;
  readonly only?: readonly BenchCase[];
  readonly list?: boolean;
  readonly quick?: boolean;
  readonly json?: boolean;
  readonly out?: string;
  readonly ended?: number;
  readonly profile?: string;
}

const resultsFile = path.join(import.meta.dirname, "results.md");
const ended = { full: 5_000_000, quick: 200_000 };

await benchCommand().parseAsync();

function benchCommand(): Command {
  return new Command("bench")
    .description(
      "measure this server beside its limits and its peers, on one PostgreSQL; figures are printed, never asserted",
    )
    .option("--runs <n>", "how often each figure is measured", positiveInteger, 3)
    .option("--only <names>", "only these cases, with commas between them", casesOf)
    .option("--list", "show the cases and end")
    .option("--quick", "small sizes: to see that everything works, not to quote")
    .option("--json", "print the results as JSON instead of tables")
    .option("--out <file>", "where the report goes (default: bench/results.md when all cases run at full size)")
    .option(
      "--ended <n>",
      `ended tasks that are there before (default: ${ended.full}, quick ${ended.quick})`,
      positiveInteger,
    )
    .option("--profile <dir>", "write CPU profiles of the server and the statements that took the most time")
    .addHelpText(
      "after",
      `
The PostgreSQL is an embedded one, started as the server starts it, with durable commits, in a temporary folder; or the
server that BENCH_DATABASE_URL names, whose role must be allowed to create databases. River is measured when \`go\` is on
PATH; ArcRun when BENCH_ARCRUN is the path of its \`server\` program, built in release mode. Progress goes to standard
error.

Examples:
  npm run bench
  npm run --silent bench -- --list
  npm run bench -- --only chain,fan --runs 5
  BENCH_ARCRUN=../ArcRun/target/release/server npm run bench -- --only create,create-graph,read
  npm run bench -- --quick --runs 1 --only work --profile profiles`,
    )
    .action(bench);
}

async function bench(options: Options): Promise<void> {
  if (options.list) {
    for (const { name, title } of allCases) console.log(`${name.padEnd(14)}  ${title}`);
    return;
  }
  using stop = listenForStop();
  try {
    const report = await measure(options, stop.signal);
    const out = outFile(options);
    if (out !== undefined) writeFileSync(out, renderReport(report));
    console.log(options.json ? renderJson(report) : report.cases.map(renderCase).join("\n\n"));
    if (out !== undefined) progress(`wrote ${path.relative(process.cwd(), out)}`);
    if (report.cases.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
  } catch (error) {
    if (stop.exitCode === undefined) throw error;
    progress("stopped");
    process.exitCode = stop.exitCode;
  }
}

async function measure(options: Options, signal: AbortSignal): Promise<BenchReport> {
  const { runs, quick = false, profile } = options;
  const arcRun = arcRunProgram();
  const date = new Date().toISOString().slice(0, 10);
  const [loadBefore = 0] = loadavg();
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-bench-files-"));
  // The embedded PostgreSQL of a server may run as another user.
  await chmod(folder, 0o755);
  try {
    const url = process.env.BENCH_DATABASE_URL || undefined;
    const postgres = await startBenchmarkPostgres({ url, statements: profile !== undefined });
    try {
      if (profile !== undefined && !postgres.hasStatements) {
        progress("pg_stat_statements is not loaded in this PostgreSQL: there will be CPU profiles only");
      }
      const cases = await runCases(options.only ?? allCases, {
        ...{ postgres, folder, quick, runs, signal, progress, arcRun },
        ended: options.ended ?? (quick ? ended.quick : ended.full),
        profileDir: profile === undefined ? undefined : path.resolve(profile),
      });
      const machine = describeMachine({ postgres: `${postgres.version} (${postgres.durability})`, loadBefore });
      return { machine, commit: describeCommit(), command: commandLine(), date, runs, quick, cases };
    } finally {
      await postgres.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Refuses a path at which there is no program before anything is measured. */
function arcRunProgram(): string | undefined {
  const { BENCH_ARCRUN: file } = process.env;
  if (!file) return undefined;
  try {
    accessSync(file, constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message = `error: BENCH_ARCRUN=${file} is no program (${code}); name the file of a build, or leave it unset`;
    return new Command("bench").error(message);
  }
  return path.resolve(file);
}

/** Part of the cases, or small sizes, must not overwrite the results of a whole run unless a file is named. */
function outFile({ out, only, quick }: Options): string | undefined {
  if (out !== undefined) return path.resolve(out);
  return only === undefined && !quick ? resultsFile : undefined;
}

function casesOf(text: string): BenchCase[] {
  return text.split(",").map((name) => {
    const found = allCases.find((each) => each.name === name.trim());
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`There is no case "${name}"; --list shows them.`);
  });
}

function commandLine(): string {
  const args = process.argv.slice(2);
  return args.length === 0 ? "npm run bench" : `npm run bench -- ${args.join(" ")}`;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

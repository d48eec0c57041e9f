import { writeFileSync } from "node:fs";
import path from "node:path";
import type { BenchCase, Measured } from "./bench-case.ts";
import { BenchContext, type BenchContextOptions } from "./bench-context.ts";
import { type CaseResult, collectFigures } from "./bench-result.ts";
import { resetStatements, topStatements } from "./top-statements.ts";

/** RunOptions says what of which cases is run. */
export interface RunOptions extends Omit<BenchContextOptions, "caseName"> {
  readonly runs: number;
}

/** runCases runs one case after the other. One that fails is reported with what it has measured until then. */
export async function runCases(cases: readonly BenchCase[], options: RunOptions): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [n, each] of cases.entries()) {
    options.progress(`${n + 1}/${cases.length} ${each.name}: ${each.title}`);
    results.push(await runCase(each, options));
    options.signal.throwIfAborted();
  }
  return results;
}

async function runCase(benchCase: BenchCase, options: RunOptions): Promise<CaseResult> {
  const { name, title, about, figures } = benchCase;
  const measured: Measured[] = [];
  let failure: string | undefined;
  const profile = options.profileDir !== undefined && options.postgres.hasStatements;
  if (profile) await resetStatements(options.postgres);
  try {
    await using context = new BenchContext({ ...options, caseName: name });
    await measureParts(benchCase, context, { runs: options.runs, measured });
    if (profile) await saveStatements(name, options);
  } catch (error) {
    options.signal.throwIfAborted();
    failure = error instanceof Error ? error.message : String(error);
    options.progress(`  ${name} failed: ${error instanceof Error ? error.stack : failure}`);
  }
  return { name, title, about, figures: collectFigures(figures, measured), failure };
}

/** The parts take turns, so that what the machine does meanwhile falls on all of them. */
async function measureParts(
  benchCase: BenchCase,
  context: BenchContext,
  { runs, measured }: { readonly runs: number; readonly measured: Measured[] },
): Promise<void> {
  const { signal, progress } = context.options;
  const parts = await benchCase.open(context);
  for (let run = 1; run <= runs; run++) {
    for (const part of parts) {
      signal.throwIfAborted();
      const startMs = performance.now();
      const sample = await part.measure();
      measured.push(sample);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      progress(`  run ${run}/${runs} ${part.name} (${seconds} s): ${describe(sample)}`);
    }
  }
}

function describe(sample: Measured): string {
  const words = Object.entries(sample).map(([id, value]) =>
    typeof value === "number" ? `${id} ${Number(value.toPrecision(4))}` : `${id} not run: ${value.reason}`,
  );
  return words.join(", ");
}

async function saveStatements(name: string, { profileDir = ".", postgres, progress }: RunOptions): Promise<void> {
  const file = path.join(profileDir, `${name}-statements.md`);
  writeFileSync(file, await topStatements(postgres));
  progress(`  wrote ${file}`);
}

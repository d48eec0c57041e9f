// Runs the conformance suite: the same cases with the SDK of each language, against a server on a database of its own.
import { parseArgs } from "node:util";
import { createMigratedDatabase } from "../../test/support/template-database.ts";
import { startTestPostgres } from "../../test/support/test-postgres.ts";
import { type ConformanceCase, readCases } from "./harness/case-file.ts";
import { startConformanceServer } from "./harness/conformance-server.ts";
import { languagesNamed, type SdkLanguage, sdkLanguages } from "./harness/languages.ts";
import { resultTable } from "./harness/result-table.ts";
import { type CaseResult, LanguageSuite } from "./harness/run-language.ts";
import { buildRunner, missingToolChain } from "./harness/tool-chain.ts";

const usage = `usage: npm run conformance -- [--language LANGUAGE ...] [--case PATTERN ...] [--build-only]

Runs the cases of sdk/conformance/cases with the SDK of each language, against a server on a database of its own.
LANGUAGE is one of ${sdkLanguages.map(({ name }) => name).join(", ")}; default: all. PATTERN is a case's name, * stands for anything.
--build-only fetches and compiles what the SDKs and their runners need, which takes minutes the first time, and runs nothing.
A language whose tool chain is missing is skipped, and said; in CI (CI=true), and where it was named, that is a failure.
Exits with 1 when a case failed, with 2 for a mistake in the arguments.

example: npm run conformance -- --language go --case 'watch*'`;

process.exitCode = await main();

async function main(): Promise<number> {
  let given: ReturnType<typeof readArguments>;
  try {
    given = readArguments();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  if (given.help) console.log(usage);
  if (given.help) return 0;
  return given.buildOnly ? build(given) : run(given);
}

function readArguments() {
  const options = {
    language: { type: "string", multiple: true },
    case: { type: "string", multiple: true },
    "build-only": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  } as const;
  const { language = [], case: patterns, "build-only": buildOnly, help } = parseArgs({ options }).values;
  return {
    languages: languagesNamed(language),
    named: language.length > 0,
    cases: readCases(patterns),
    buildOnly,
    help,
  };
}

async function build({ languages, named }: ReturnType<typeof readArguments>): Promise<number> {
  let failed = false;
  for (const language of languages) {
    const startMs = performance.now();
    const missing = missingToolChain(language);
    try {
      if (missing === undefined) await buildRunner(language);
      else failed ||= named || Boolean(process.env.CI);
      const took = `built in ${((performance.now() - startMs) / 1000).toFixed(1)} s`;
      console.log(`${language.name}: ${missing === undefined ? took : `skipped, ${missing}`}`);
    } catch (error) {
      console.log(`${language.name}: ${error instanceof Error ? error.message : error}`);
      failed = true;
    }
  }
  return failed ? 1 : 0;
}

async function run({ languages, named, cases }: ReturnType<typeof readArguments>): Promise<number> {
  const results = new Map<string, CaseResult[]>();
  let failed = false;
  const postgres = await startTestPostgres();
  try {
    for (const language of languages) {
      const missing = missingToolChain(language);
      if (missing === undefined) {
        const list = await runLanguage(language, { cases, postgresUrl: postgres.url });
        results.set(language.name, list);
      } else {
        console.log(`${language.name}: skipped, ${missing}`);
        failed ||= named || Boolean(process.env.CI);
      }
    }
  } finally {
    await postgres.stop();
  }
  if (results.size > 0) console.log(`\n${resultTable(results)}`);
  return failed || [...results.values()].flat().some(({ failure }) => failure !== undefined) ? 1 : 0;
}

async function runLanguage(
  language: SdkLanguage,
  { cases, postgresUrl }: { readonly cases: readonly ConformanceCase[]; readonly postgresUrl: string },
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  console.log(`${language.name}: ${cases.length} cases …`);
  const database = await createMigratedDatabase(postgresUrl);
  try {
    await buildRunner(language);
    await using server = await startConformanceServer({ DATABASE_URL: database.url });
    await using suite = new LanguageSuite(language, server);
    await suite.runAll(cases, (result) => {
      results.push(result);
      if (result.failure !== undefined) console.log(`  ${result.name}: FAILED\n${indented(result.failure)}`);
    });
  } catch (error) {
    // What is common to all cases: its build, or the end of its runner.
    const failure = error instanceof Error ? error.message : String(error);
    console.log(indented(failure));
    results.push({ name: "(the runner)", failure });
  } finally {
    await database.drop();
  }
  return results;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

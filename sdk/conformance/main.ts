// Runs the conformance suite: the same cases with the SDK of each language, against a server on a database of its own.
import { parseArgs } from "node:util";
import { createMigratedDatabase } from "../../test/support/template-database.ts";
import { startTestPostgres } from "../../test/support/test-postgres.ts";
import { readCases } from "./harness/case-file.ts";
import { startConformanceServer } from "./harness/conformance-server.ts";
import { buildRunner, languagesNamed, missingToolChain, sdkLanguages } from "./harness/languages.ts";
import { resultTable } from "./harness/result-table.ts";
import { type CaseResult, LanguageSuite } from "./harness/run-language.ts";

const usage = `usage: npm run conformance -- [--language LANGUAGE ...] [--case PATTERN ...]

Runs the cases of sdk/conformance/cases with the SDK of each language, against a server on a database of its own.
LANGUAGE is one of ${sdkLanguages.map(({ name }) => name).join(", ")}; default: all. PATTERN is a case's name, * stands for anything.
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
  return given.help ? 0 : run(given);
}

function readArguments() {
  const options = {
    language: { type: "string", multiple: true },
    case: { type: "string", multiple: true },
    help: { type: "boolean", default: false },
  } as const;
  const { language = [], case: patterns, help } = parseArgs({ options }).values;
  return { languages: languagesNamed(language), named: language.length > 0, cases: readCases(patterns), help };
}

async function run({ languages, named, cases }: ReturnType<typeof readArguments>): Promise<number> {
  const results = new Map<string, CaseResult[]>();
  let failed = false;
  const postgres = await startTestPostgres();
  try {
    for (const language of languages) {
      const missing = missingToolChain(language);
      if (missing !== undefined) {
        console.log(`${language.name}: skipped, ${missing}`);
        failed ||= named || Boolean(process.env.CI);
        continue;
      }
      console.log(`${language.name}: ${cases.length} cases …`);
      await buildRunner(language);
      const list: CaseResult[] = [];
      results.set(language.name, list);
      const database = await createMigratedDatabase(postgres.url);
      try {
        await using server = await startConformanceServer({ DATABASE_URL: database.url });
        await using suite = new LanguageSuite(language, server);
        await suite.runAll(cases, (result) => {
          list.push(result);
          if (result.failure !== undefined) console.log(`  ${result.name}: FAILED\n${indented(result.failure)}`);
        });
      } finally {
        await database.drop();
      }
    }
  } finally {
    await postgres.stop();
  }
  if (results.size > 0) console.log(`\n${resultTable(results)}`);
  return failed || [...results.values()].flat().some(({ failure }) => failure !== undefined) ? 1 : 0;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

// Prints what a run of Vitest counted, as one plain line: `node tools/test-summary.ts REPORT`, where REPORT is what its JSON
// reporter wrote. Exits with 1 if anything failed or nothing passed.
import { readFileSync } from "node:fs";
import { countTests } from "./count-tests.ts";

const [file = ""] = process.argv.slice(2);
const { passed, failed, skipped } = countTests(readReport(file));
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
if (failed > 0 || passed === 0) process.exitCode = 1;

/** The text of the report, or undefined if the run ended before it wrote one. */
function readReport(name: string): string | undefined {
  try {
    return readFileSync(name, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { firstDifference } from "./schema/first-difference.ts";

const root = path.resolve(import.meta.dirname, "..");

/** A file of this repository, and what a tool makes of it. */
export interface MadeFile {
  /** Its path from the root of the repository. */
  readonly file: string;
  readonly text: string;
}

/**
 * Writes files whose text has changed; with `check` it only compares, shows the first difference of each and sets the exit code.
 * `remedy` is the command that mends them.
 */
export async function writeOrCompare(
  files: readonly MadeFile[],
  { check, remedy }: { check: boolean; remedy: string },
): Promise<void> {
  for (const { file, text } of files) {
    const target = path.join(root, file);
    const difference = firstDifference(await readFile(target, "utf8").catch(() => ""), text);
    if (difference === undefined) continue;
    if (check) {
      console.error(`${file} is not up to date (- file, + what it should be):\n${difference}\nrun: ${remedy}`);
      process.exitCode = 1;
    } else {
      await writeFile(target, text);
      console.log(`wrote ${file}`);
    }
  }
}

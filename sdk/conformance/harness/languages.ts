import { execFile, spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { RunnerCommand } from "./runner-process.ts";

/** The repository's root. */
export const root = path.resolve(import.meta.dirname, "../../..");

/** SdkLanguage is an SDK under test, and how its runner is built and started. */
export interface SdkLanguage {
  readonly name: string;
  /** The language's own type for what a call fails with, as its runner names it. */
  readonly errorType: string;
  /** What must be on the PATH. */
  readonly toolChain: readonly string[];
  /** Commands that make the runner, each in a folder of the repository. */
  readonly build: readonly { readonly folder: string; readonly command: readonly string[] }[];
  readonly runner: RunnerCommand;
}

/** Where runners are built: not in the SDKs' folders. */
const built = path.join(root, ".tools", "conformance");

/** All of them, in the order of the table. */
export const sdkLanguages: readonly SdkLanguage[] = [
  {
    name: "typescript",
    errorType: "ConnectError",
    toolChain: ["node", "--version"],
    build: [],
    runner: { program: process.execPath, args: [path.join(root, "sdk/typescript/conformance/runner.ts")] },
  },
];

/** languagesNamed answers those languages, all where none is named. Throws for a name that is none. */
export function languagesNamed(names: readonly string[]): readonly SdkLanguage[] {
  const unknown = names.find((name) => !sdkLanguages.some((each) => each.name === name));
  if (unknown !== undefined) {
    throw new Error(`"${unknown}" is none of the languages ${sdkLanguages.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? sdkLanguages : sdkLanguages.filter(({ name }) => names.includes(name));
}

/** Why the language cannot be tested on this machine; undefined: it can. */
export function missingToolChain({ toolChain: [program, ...args] }: SdkLanguage): string | undefined {
  return spawnSync(program!, args, { stdio: "ignore" }).status === 0 ? undefined : `${program} is not on the PATH`;
}

/** Makes the runner of a language. Rejects with what was printed when that fails. */
export async function buildRunner({ name, build }: SdkLanguage): Promise<void> {
  await mkdir(built, { recursive: true });
  for (const { folder, command } of build) {
    const [program, ...args] = command;
    await promisify(execFile)(program!, args, { cwd: path.join(root, folder), maxBuffer: 64 * 1024 * 1024 }).catch(
      (error: Error & { stdout?: string; stderr?: string }) => {
        const printed = `${error.stdout ?? ""}${error.stderr ?? ""}`;
        throw new Error(`${name}: ${command.join(" ")} failed: ${printed || error.message}`);
      },
    );
  }
}

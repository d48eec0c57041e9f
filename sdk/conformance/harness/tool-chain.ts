import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { builtFolder, root, type SdkCommand, type SdkLanguage } from "./languages.ts";

const outputBytesMax = 64 * 1024 * 1024;

/** Why the language cannot be tested on this machine; undefined: it can. */
export function missingToolChain({ toolChain }: SdkLanguage): string | undefined {
  for (const [program, ...args] of toolChain) {
    if (spawnSync(program!, args, { stdio: "ignore" }).status !== 0) return `${program} is not on the PATH`;
  }
  return undefined;
}

/** Makes the runner of a language, and its tour. Rejects with what was printed when that fails. */
export async function buildRunner({ build }: SdkLanguage): Promise<void> {
  await mkdir(builtFolder, { recursive: true });
  for (const command of build) {
    const stamp = await stampOf(command);
    if (stamp !== undefined && (await isThere(stamp))) continue;
    await runCommand(command);
    if (stamp !== undefined) await writeFile(stamp, "");
  }
}

/** The file that says that a command was done with its files as they are. */
async function stampOf({ command, onChangeOf }: SdkCommand): Promise<string | undefined> {
  if (onChangeOf === undefined) return undefined;
  const hash = createHash("sha256").update(command.join("\0"));
  for (const file of onChangeOf) hash.update(await readFile(path.join(root, file)));
  return path.join(builtFolder, `done-${hash.digest("hex").slice(0, 16)}`);
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** Runs a command of an SDK's tool chain and answers what it printed. Rejects with that when it fails. */
export async function runCommand({ folder, command, env }: SdkCommand): Promise<string> {
  const [program, ...args] = command;
  const options = { cwd: path.join(root, folder), env: { ...process.env, ...env }, maxBuffer: outputBytesMax };
  try {
    const { stdout, stderr } = await promisify(execFile)(program!, args, options);
    return stdout + stderr;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`in ${folder}, ${command.join(" ")} failed:\n${stdout}${stderr}` || message, { cause: error });
  }
}

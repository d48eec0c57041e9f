import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { NotRun } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import type { ProgramSource } from "../support/program.ts";
import { createPeer } from "./peer.ts";

const run = promisify(execFile);
const folder = path.resolve(import.meta.dirname, "../river");

/** River, a queue for Go, built when `go` is on PATH. */
export const river = createPeer({ id: "river", title: `River ${version()}`, prepare: build });

/** Builds the program into the temporary folder of the run, once. */
async function build(context: BenchContext): Promise<ProgramSource | NotRun> {
  const command = path.join(context.options.folder, process.platform === "win32" ? "river.exe" : "river");
  if (existsSync(command)) return { command };
  try {
    await run("go", ["build", "-o", command, "."], { cwd: folder });
    return { command };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return new NotRun(code === "ENOENT" ? "go is not on PATH" : `it does not build: ${message}`);
  }
}

function version(): string {
  const text = readFileSync(path.join(folder, "go.mod"), "utf8");
  return /riverqueue\/river v(\S+)/.exec(text)?.[1] ?? "of unknown version";
}

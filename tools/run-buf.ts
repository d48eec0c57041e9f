import { spawnSync } from "node:child_process";
import path from "node:path";

/** The folder of buf.yaml: where buf runs and to which its paths refer. */
export const repositoryRoot = path.resolve(import.meta.dirname, "..");

/** Runs the installed buf with the installed plugins on its PATH, behind those of `bin`, its output shown; true if it succeeded. */
export function runBuf(args: readonly string[], bin?: string): boolean {
  const buf = path.join(repositoryRoot, "node_modules", "@bufbuild", "buf", "bin", "buf");
  return runTool(process.execPath, [buf, ...args], bin);
}

/** Runs a program as {@link runBuf} does. */
export function runTool(program: string, args: readonly string[], bin?: string): boolean {
  const binaries = path.join(repositoryRoot, "node_modules", ".bin");
  const folders = [...(bin === undefined ? [] : [bin]), binaries, process.env.PATH ?? ""];
  const run = spawnSync(program, args, {
    cwd: repositoryRoot,
    env: { ...process.env, PATH: folders.join(path.delimiter) },
    stdio: "inherit",
  });
  if (run.error) throw run.error;
  return run.status === 0;
}

import { spawnSync } from "node:child_process";
import path from "node:path";

/** The folder of buf.yaml: where buf runs and to which its paths refer. */
export const repositoryRoot = path.resolve(import.meta.dirname, "..");

/** Runs the installed buf with the installed plugins on its PATH, its output shown; true if it succeeded. */
export function runBuf(...args: string[]): boolean {
  const binaries = path.join(repositoryRoot, "node_modules", ".bin");
  const buf = path.join(repositoryRoot, "node_modules", "@bufbuild", "buf", "bin", "buf");
  const run = spawnSync(process.execPath, [buf, ...args], {
    cwd: repositoryRoot,
    env: { ...process.env, PATH: `${binaries}${path.delimiter}${process.env.PATH ?? ""}` },
    stdio: "inherit",
  });
  if (run.error) throw run.error;
  return run.status === 0;
}

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { BenchmarkPostgres } from "./benchmark-postgres.ts";

/** freezePostgres stops all processes of this run's own PostgreSQL until the function that it answers is called; undefined: it is not this run's. */
export function freezePostgres({ dataDir }: Pick<BenchmarkPostgres, "dataDir">): (() => void) | undefined {
  if (dataDir === undefined) return undefined;
  const file = path.join(dataDir, "data", "postgres", "postmaster.pid");
  const postmaster = Number(readFileSync(file, "utf8").split("\n")[0]);
  const listing = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const children = listing.split("\n").flatMap((line) => {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    return pid !== undefined && parent === postmaster ? [pid] : [];
  });
  const frozen = [postmaster, ...children];
  signal(frozen, "SIGSTOP");
  return () => signal(frozen, "SIGCONT");
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

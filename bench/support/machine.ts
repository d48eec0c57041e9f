import { execFileSync } from "node:child_process";
import os from "node:os";

/** Machine is where a run took place. */
export interface Machine {
  readonly cores: number;
  readonly cpuModel: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  /** Processes that wanted a processor in the minute before the run. */
  readonly loadBefore: number;
}

/** describeMachine says what this machine is; what is measured is the caller's to tell. */
export function describeMachine(measured: Pick<Machine, "postgres" | "loadBefore">): Machine {
  return {
    ...measured,
    cores: os.availableParallelism(),
    cpuModel: (os.cpus()[0]?.model ?? "unknown").trim(),
    memoryGib: Math.round(os.totalmem() / 1024 ** 3),
    kernel: `${os.type()} ${os.release()} ${os.machine()}`,
    node: process.versions.node,
  };
}

/** describeCommit names the commit that is checked out, and says when files differ from it. */
export function describeCommit(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "--short=12", "HEAD")}${changed ? ", with changes" : ""}`;
  } catch {
    // Not a clone, or no git: the figures are good without it.
    return "unknown";
  }
}

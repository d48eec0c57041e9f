import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

/** PostmasterPid is what `postmaster.pid` says. */
export interface PostmasterPid {
  readonly pid: number;
  /** When that postmaster started, in seconds since 1970. */
  readonly startedAtSec: number;
  readonly port: number;
  readonly ready: boolean;
}

/** readPostmasterPid reads `postmaster.pid`; undefined where there is none or it is being written. */
export function readPostmasterPid(clusterDir: string): PostmasterPid | undefined {
  let lines: string[];
  try {
    lines = fs.readFileSync(pidFile(clusterDir), "utf8").split("\n");
  } catch {
    return undefined;
  }
  const [pid, , startedAt, port] = lines;
  if (!(Number(pid) > 0)) return undefined;
  return { pid: Number(pid), startedAtSec: Number(startedAt), port: Number(port), ready: lines[7]?.trim() === "ready" };
}

/**
 * clearLeftOverPostmaster makes the cluster free to be started. The caller holds the lock of the data folder, so a
 * postmaster that is named in `postmaster.pid` and alive has lost its server: it is stopped, so that the new one runs
 * under a guard and with settings of its own. The file is deleted only where the process is provably no postmaster of
 * this cluster (a zombie that nobody reaps, a reused process id), as PostgreSQL would take it for one; every other case
 * PostgreSQL itself judges rightly.
 *
 * @returns whether a living postmaster was found and stopped.
 */
export async function clearLeftOverPostmaster(clusterDir: string, log: (line: string) => void): Promise<boolean> {
  const left = readPostmasterPid(clusterDir);
  if (left === undefined) return false;
  const identity = identify(left.pid, clusterDir);
  if (identity === "ours") {
    log(`a postmaster that an ended server left (process ${left.pid}) is running in ${clusterDir}; stopping it`);
    await stopPostmaster(left.pid, clusterDir);
  }
  const mayRemain = identity === "ours" ? identify(left.pid, clusterDir) : identity;
  const sameFile = readPostmasterPid(clusterDir)?.pid === left.pid;
  if (sameFile && (mayRemain === "zombie" || mayRemain === "other")) {
    log(`removing postmaster.pid: process ${left.pid} is ${mayRemain === "zombie" ? "dead" : "another program"}`);
    fs.rmSync(pidFile(clusterDir), { force: true });
  }
  return identity === "ours";
}

async function stopPostmaster(pid: number, clusterDir: string): Promise<void> {
  for (const [signal, boundMs] of [
    ["SIGINT", 20_000],
    ["SIGQUIT", 10_000],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ESRCH") return;
      throw stillRunning(pid, clusterDir, cause);
    }
    const deadline = Date.now() + boundMs;
    while (Date.now() < deadline) {
      if (identify(pid, clusterDir) !== "ours") return;
      await delay(20);
    }
  }
  throw stillRunning(pid, clusterDir, undefined);
}

function stillRunning(pid: number, clusterDir: string, cause: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `PostgreSQL (process ${pid}) still runs in ${clusterDir} and could not be stopped; ` +
      `stop it with: kill -INT ${pid}, or set MILLPOND_DATA_DIR to another folder`,
    { cause },
  );
}

type Identity = "gone" | "zombie" | "ours" | "other" | "unknown";

/**
 * A postmaster works in its cluster's folder, which tells it from every other process, another cluster's postmaster
 * included.
 */
function identify(pid: number, clusterDir: string): Identity {
  if (process.platform === "linux") return identifyByProc(pid, clusterDir);
  return process.platform === "win32" ? "unknown" : identifyByPs(pid, clusterDir);
}

function identifyByProc(pid: number, clusterDir: string): Identity {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The state follows the program's name, which is in parentheses and may hold any character.
    if (["Z", "X"].includes(stat.charAt(stat.lastIndexOf(")") + 2))) return "zombie";
    return fs.readlinkSync(`/proc/${pid}/cwd`) === clusterDir ? "ours" : "other";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "gone";
  }
  // Root in a container may not follow other users' /proc/<pid>/cwd, but everybody may read the command line.
  try {
    return identifyByCommand(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "), clusterDir);
  } catch {
    return "unknown";
  }
}

function identifyByPs(pid: number, clusterDir: string): Identity {
  let line: string;
  try {
    line = execFileSync("ps", ["-ww", "-o", "stat=,args=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    // ps fails for a process that does not exist.
    return "gone";
  }
  return line.startsWith("Z") ? "zombie" : identifyByCommand(line, clusterDir);
}

function identifyByCommand(command: string, clusterDir: string): Identity {
  if (!command.includes("postgres")) return "other";
  return command.includes(`-D ${clusterDir} -p `) ? "ours" : "unknown";
}

function pidFile(clusterDir: string): string {
  return path.join(clusterDir, "postmaster.pid");
}

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** residentBytes is the memory that a process has now (VmRSS) or has had at most (VmHWM); undefined where there is no /proc. */
export function residentBytes(pid: number, which: "now" | "peak"): number | undefined {
  const name = which === "now" ? "VmRSS" : "VmHWM";
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readProc(pid, "status") ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** cpuSeconds is the time that a process has been on a processor, in user and kernel mode; undefined where there is no /proc. */
export function cpuSeconds(pid: number): number | undefined {
  // The name, in brackets, may hold spaces; utime and stime are the 14th and 15th field.
  const fields = readProc(pid, "stat")
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / ticksPerSecond();
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // Another system, or the process has ended.
    return undefined;
  }
}

function ticksPerSecond(): number {
  return Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
}

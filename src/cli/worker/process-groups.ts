import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const lookEveryMs = 20;
const running = new Set<ChildProcess>();

// However this process ends, but for SIGKILL: nothing that it started goes on unwatched.
process.once("exit", () => {
  for (const child of running) signalGroup(child, "SIGKILL");
});

/** watchGroup remembers a process that leads a group of its own, until it is forgotten. */
export function watchGroup(child: ChildProcess): Disposable {
  running.add(child);
  return { [Symbol.dispose]: () => running.delete(child) };
}

/** endGroup asks a process and all that it has started to end, and kills what is left after some time. Resolves when none is left. */
export async function endGroup(child: ChildProcess, killAfterMs: number): Promise<void> {
  const deadlineMs = performance.now() + killAfterMs;
  signalGroup(child, "SIGTERM");
  while (signalGroup(child, 0)) {
    if (performance.now() >= deadlineMs) signalGroup(child, "SIGKILL");
    await sleep(lookEveryMs);
  }
}

/** Sends a signal to a whole group; false: nobody is left in it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  // Windows has no groups.
  if (process.platform === "win32") return child.exitCode === null && child.kill(signal === 0 ? 0 : "SIGKILL");
  try {
    process.kill(-child.pid, signal);
    return true;
  } catch (error) {
    // EPERM: what is left runs as another user, and is not ours to end.
    return (error as NodeJS.ErrnoException).code !== "ESRCH" && (error as NodeJS.ErrnoException).code !== "EPERM";
  }
}

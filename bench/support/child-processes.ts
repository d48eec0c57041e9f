import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const stopGraceMs = 20_000;

/** OwnedProcess is a child process that its owner ends by its id. */
export interface OwnedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when it has ended, with how; never rejects. */
  readonly ended: Promise<string>;
  /** SIGTERM, and SIGKILL after the grace. Resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * ChildProcesses starts processes and ends all of them that still run. Each is a process group of its own, so that
 * Ctrl-C reaches only this process, which then ends them in good order.
 */
export class ChildProcesses {
  readonly #running = new Set<OwnedProcess>();

  /** Starts a program. */
  async spawn(command: string, args: readonly string[], options: SpawnOptions): Promise<OwnedProcess> {
    const child = spawn(command, args, { ...options, detached: true });
    const ended = Promise.withResolvers<string>();
    child.once("error", (error) => ended.resolve(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => ended.resolve(signal ? `ended by ${signal}` : `ended with code ${code}`));
    if (child.pid === undefined) throw new Error(`${command} ${await ended.promise}`);
    const owned = { child, pid: child.pid, ended: ended.promise, stop: () => stopChild(child, ended.promise) };
    this.#running.add(owned);
    void ended.promise.then(() => this.#running.delete(owned));
    return owned;
  }

  /** Ends whatever still runs. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((each) => each.stop()));
  }
}

async function stopChild(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const grace = new AbortController();
  const late = sleep(stopGraceMs, true, { signal: grace.signal }).catch(() => false);
  if ((await Promise.race([ended.then(() => false), late])) === true) child.kill("SIGKILL");
  await ended;
  grace.abort();
}

import { constants } from "node:os";

/** One Ctrl-C can arrive twice, from the terminal and again from npm or a launcher. */
const sameSignalWithinMs = 250;
const parentCheckMs = 1_000;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** StopSignals is told when the command should end. */
export interface StopSignals extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** 128 + n after signal n. */
  readonly exitCode: number | undefined;
}

/**
 * listenForStop listens for SIGINT, SIGTERM and SIGHUP: the first one aborts the signal, so that the command can end in
 * good order; the second ends the process at once.
 */
export function listenForStop(): StopSignals {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let firstAtMs = 0;
  const onSignal = (name: NodeJS.Signals) => {
    const code = 128 + constants.signals[name];
    if (exitCode === undefined) {
      exitCode = code;
      firstAtMs = performance.now();
      controller.abort(new Error(`stopped by ${name}`));
    } else if (performance.now() - firstAtMs > sameSignalWithinMs) {
      process.exit(code);
    }
  };
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}

/** ignoreStopSignals leaves SIGINT, SIGTERM and SIGHUP to another process of the same server. */
export function ignoreStopSignals(): void {
  for (const name of signals) process.on(name, () => {});
}

/**
 * onParentGone calls back once the process that started this one has ended: at once when they are connected by IPC,
 * within a second when npm started it. A server would otherwise outlive the terminal in which it was started.
 */
export function onParentGone(callback: () => void): Disposable {
  if (process.connected) {
    process.once("disconnect", callback);
    return { [Symbol.dispose]: () => process.off("disconnect", callback) };
  }
  if (process.env.npm_lifecycle_event === undefined) return { [Symbol.dispose]: () => {} };
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, parentCheckMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
